import { existsSync, readdirSync } from 'node:fs';
import { join, sep } from 'node:path';
import { expect } from 'chai';

import { PROJECT_ROOT } from '../../platform/projectRoot.ts';
import { ALONE, chooseTasks, ON_MYSQL, SIDE_BY_SIDE } from '../../dev/testTasks.ts';

describe('the parts of the tests', () => {
  const all = [...SIDE_BY_SIDE, ON_MYSQL, ...ALONE];

  for (const of of [1, 2, 3, 4]) {
    it(`are everything together, and nothing twice, for ${of}`, () => {
      const parts = Array.from({ length: of }, (_, index) =>
        chooseTasks(all, { number: index + 1, of }),
      );
      expect(parts.flat().map((task) => task.name)).to.have.members(all.map((task) => task.name));
      for (const part of parts) expect(part).to.not.be.empty;
    });
  }
});

describe('the suites', () => {
  const patterns = SIDE_BY_SIDE.concat(ALONE).flatMap(({ files = [] }) => files);

  it('have every test file, each in one of them', () => {
    const files = ['test', 'contracts/test'].flatMap((folder) =>
      readdirSync(join(PROJECT_ROOT, folder), { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.test.ts'))
        .map((name) => `${folder}/${name.split(sep).join('/')}`),
    );
    const suitesOf = (file: string) =>
      patterns.filter((pattern) => file.startsWith(pattern.replace('**/*.test.ts', '')));
    expect(files.filter((file) => suitesOf(file).length !== 1)).to.deep.equal([]);
    expect(patterns.filter((pattern) => !pattern.endsWith('/**/*.test.ts'))).to.deep.equal([]);
  });

  it('on MySQL is of files that there are', () => {
    expect(ON_MYSQL.files?.filter((file) => !existsSync(join(PROJECT_ROOT, file)))).to.deep.equal(
      [],
    );
  });
});
