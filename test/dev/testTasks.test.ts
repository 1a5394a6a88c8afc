import { existsSync, readdirSync } from 'node:fs';
import { join, sep } from 'node:path';
import { expect } from 'chai';

import { PROJECT_ROOT } from '../../platform/projectRoot.ts';
import {
  ALONE,
  chooseTasks,
  describeDurations,
  ON_MYSQL,
  QUICK,
  SIDE_BY_SIDE,
} from '../../dev/testTasks.ts';

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
    const folder = join(PROJECT_ROOT, 'test');
    const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.test.ts'))
      .map((name) => `test/${name.split(sep).join('/')}`);
    const suitesOf = (file: string) =>
      patterns.filter((pattern) => file.startsWith(pattern.replace('**/*.test.ts', '')));
    expect(files.filter((file) => suitesOf(file).length !== 1)).to.deep.equal([]);
    expect(patterns.filter((pattern) => !pattern.endsWith('/**/*.test.ts'))).to.deep.equal([]);
  });

  it('on MySQL and in the quick lane are of files that there are', () => {
    const named = [ON_MYSQL, QUICK].flatMap(({ files = [] }) => files);
    const absent = named.filter(
      (file) => !file.includes('*') && !existsSync(join(PROJECT_ROOT, file)),
    );
    expect(absent).to.deep.equal([]);
  });

  it('are told with their shares, the longest first, and when they are to be split', () => {
    const durations = [
      { name: 'unit', seconds: 10, cpuSeconds: undefined, passed: 3 },
      { name: 'api', seconds: 30, cpuSeconds: 12.4, passed: 5 },
    ];
    expect(describeDurations(durations, 40)).to.deep.equal([
      '   30 s  75 %,   12 s of a core  api (5 passed)',
      '   10 s  25 %  unit (3 passed)',
    ]);
    expect(describeDurations(durations, 901).at(-1)).to.include('split first');
  });
});
