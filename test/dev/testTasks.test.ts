import { expect } from 'chai';

import { ALONE, chooseTasks, ON_MYSQL, SIDE_BY_SIDE } from '../../dev/testTasks.ts';

describe('the parts of the tests', () => {
  const all = [...SIDE_BY_SIDE, ON_MYSQL, ...ALONE];

  for (const of of [1, 2, 3, 4]) {
    it(`are everything together, and nothing twice, for ${of}`, () => {
      const parts = Array.from({ length: of }, (_, index) => chooseTasks(all, { number: index + 1, of }));
      expect(parts.flat().map((task) => task.name)).to.have.members(all.map((task) => task.name));
      for (const part of parts) expect(part).to.not.be.empty;
    });
  }
});
