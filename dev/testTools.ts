import type { Task } from './testTasks.ts';

/** What the tests need of a machine besides Node and the packages. */
export interface TestTool {
  /** `--without NAME` leaves out what needs it. */
  readonly name: string;
  readonly from: string;
  /** Names of tasks (dev/testTasks.ts); `all`: of every one but the checks. */
  readonly neededBy: readonly string[] | 'all';
}

/** README.md shows the same table. */
export const TEST_TOOLS: readonly TestTool[] = [
  {
    name: 'database',
    from: 'MariaDB or MySQL of the machine, else Docker, else apt; or DATABASE_URL',
    neededBy: 'all',
  },
  {
    name: 'redis',
    from: 'Redis or Valkey of the machine, else Docker, else apt; or REDIS_URL',
    neededBy: 'all',
  },
  { name: 'anvil', from: 'npm, for the platform, with the packages', neededBy: 'all' },
  {
    name: 'mysql',
    from: 'MySQL of the machine or DEV_MYSQLD, else Docker, else unpacked from Debian',
    neededBy: ['on MySQL'],
  },
  {
    name: 'sentinel',
    from: 'the Redis or Valkey of the machine, or by apt: not in Docker',
    neededBy: ['dependencies'],
  },
  {
    name: 'cluster',
    from: 'the Redis or Valkey of the machine, or by apt: not in Docker',
    neededBy: ['dependencies'],
  },
];

/**
 * @param without names of tools, as `--without` gives them
 * @returns the tasks that need none of them, and a line for each that does
 * @throws Error when a name is unknown, or is of a tool that no task can do without
 */
export function leaveOut(
  tasks: readonly Task[],
  without: readonly string[],
): { readonly tasks: readonly Task[]; readonly leftOut: readonly string[] } {
  const reasons = new Map<string, string>();
  for (const name of without) {
    const tool = TEST_TOOLS.find((candidate) => candidate.name === name);
    if (tool === undefined || tool.neededBy === 'all')
      throw new Error(`--without may be ${listOptional()}, not ${name}`);
    for (const task of tool.neededBy) reasons.set(task, name);
  }
  return {
    tasks: tasks.filter((task) => !reasons.has(task.name)),
    leftOut: tasks.flatMap((task) => {
      const tool = reasons.get(task.name);
      return tool === undefined ? [] : [`Left out, as asked for: ${task.name} (needs ${tool})`];
    }),
  };
}

function listOptional(): string {
  return TEST_TOOLS.filter(({ neededBy }) => neededBy !== 'all')
    .map(({ name }) => name)
    .join(' or ');
}
