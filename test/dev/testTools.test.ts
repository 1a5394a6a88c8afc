import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';

import { PROJECT_ROOT } from '../../platform/projectRoot.ts';
import { ALONE, ON_MYSQL, SIDE_BY_SIDE } from '../../dev/testTasks.ts';
import { leaveOut, TEST_TOOLS } from '../../dev/testTools.ts';

describe('the tools of the tests', () => {
  const all = [...SIDE_BY_SIDE, ON_MYSQL, ...ALONE];

  it('are needed by tasks that there are', () => {
    const needing = TEST_TOOLS.flatMap(({ neededBy }) => (neededBy === 'all' ? [] : neededBy));
    expect(all.map(({ name }) => name)).to.include.members(needing);
  });

  it('are left out by name, and the summary says what was', () => {
    expect(leaveOut(all, [])).to.deep.equal({ tasks: all, leftOut: [] });
    const { tasks, leftOut } = leaveOut(all, ['mysql']);
    expect(tasks).to.deep.equal(all.filter((task) => task !== ON_MYSQL));
    expect(leftOut).to.deep.equal(['Left out, as asked for: on MySQL (needs mysql)']);
  });

  it('are not left out when nothing works without, or under a name that is none', () => {
    for (const name of ['redis', 'oracle'])
      expect(() => leaveOut(all, [name])).to.throw(`not ${name}`);
  });

  it('are in the table of README.md', () => {
    const readme = readFileSync(join(PROJECT_ROOT, 'README.md'), 'utf8').replace(/ +/g, ' ');
    for (const { name, from, neededBy } of TEST_TOOLS) {
      const suites = neededBy === 'all' ? 'all suites' : neededBy.join(', ');
      expect(readme).to.include(`| \`${name}\` | ${from} | ${suites} |`);
    }
  });
});
