import type { DatabaseKind } from './database/engine.ts';

/** What `npm test` consists of. */
export interface Task {
  readonly name: string;
  /** On two cores, roughly: the longest begin first, and machines that share the suites get about as much each. */
  readonly usualSeconds: number;
  /** After this it is ended, and counts as failed. */
  readonly limitMs: number;
  /** The test files; absent: it is the checks. */
  readonly files?: readonly string[];
  /** The kind of server that its stack starts; absent: what the machine has. */
  readonly database?: DatabaseKind;
  /** Waits for nothing, so it takes what the others, which mostly wait, leave of the cores, and begins first. */
  readonly isPatient?: boolean;
}

export const MINUTE_MS = 60_000;

/** Mostly wait for services and timers: a few at a time make use of all cores. */
export const SIDE_BY_SIDE: readonly Task[] = [
  { name: 'checks', usualSeconds: 120, limitMs: 9 * MINUTE_MS, isPatient: true },
  { name: 'contracts', usualSeconds: 40, files: ['contracts/test/**/*.test.ts'], limitMs: 4 * MINUTE_MS },
  { name: 'unit', usualSeconds: 60, files: ['test/unit/**/*.test.ts', 'test/dev/**/*.test.ts'], limitMs: 5 * MINUTE_MS },
  { name: 'adapters', usualSeconds: 180, files: ['test/adapters/**/*.test.ts', 'test/webhooks/**/*.test.ts'], limitMs: 9 * MINUTE_MS },
  { name: 'api', usualSeconds: 210, files: ['test/api/**/*.test.ts'], limitMs: 9 * MINUTE_MS },
  { name: 'workers and demo', usualSeconds: 190, files: ['test/workers/**/*.test.ts', 'test/demo/**/*.test.ts'], limitMs: 9 * MINUTE_MS },
  {
    name: 'domain',
    usualSeconds: 250,
    files: ['test/payments/**/*.test.ts', 'test/relay/**/*.test.ts', 'test/refunds/**/*.test.ts'],
    limitMs: 9 * MINUTE_MS,
  },
  // Redis that changes without dying, by TLS, with Sentinel and Cluster; machines with wrong clocks.
  { name: 'dependencies', usualSeconds: 230, files: ['test/dependencies/**/*.test.ts'], limitMs: 9 * MINUTE_MS },
  { name: 'scale', usualSeconds: 30, files: ['test/scale/**/*.test.ts'], limitMs: 6 * MINUTE_MS },
];

/**
 * Where the servers differ most: data definition, locks and duplicate keys, JSON, lost connections, the database killed. All the rest is for
 * `npm run test:mysql`, or it would take twice the time.
 */
export const ON_MYSQL: Task = {
  name: 'on MySQL',
  usualSeconds: 170,
  database: 'mysql',
  limitMs: 9 * MINUTE_MS,
  files: [
    'test/dev/database.test.ts',
    'test/unit/lists.test.ts',
    'test/workers/migrations.test.ts',
    'test/workers/interruptedMigrations.test.ts',
    'test/workers/outbox.test.ts',
    'test/workers/publishers.test.ts',
    'test/workers/databaseTls.test.ts',
    'test/payments/directPayment.test.ts',
    'test/payments/races.test.ts',
    'test/payments/reorg.test.ts',
    'test/payments/scanChain.test.ts',
    'test/refunds/refundPayment.test.ts',
    'test/relay/gaslessPayment.test.ts',
    'test/relay/relayPayment.test.ts',
    'test/webhooks/service.test.ts',
    'test/api/databaseRefusals.test.ts',
    'test/api/idempotency.test.ts',
    'test/e2e/databaseOutage.test.ts',
  ],
};

/** Several processes of the server each, killed and cut off again and again: they take both cores. */
export const ALONE: readonly Task[] = [
  { name: 'end to end', usualSeconds: 190, files: ['test/e2e/**/*.test.ts'], limitMs: 9 * MINUTE_MS },
  { name: 'chaos', usualSeconds: 75, files: ['test/chaos/**/*.test.ts'], limitMs: 8 * MINUTE_MS },
];

/** `2/3`: of three machines, the second. */
export interface Part {
  readonly number: number;
  readonly of: number;
}

/** @returns those that this part has to do: every task is in one part and one only, and the parts take about as long */
export function chooseTasks(tasks: readonly Task[], part: Part): Task[] {
  const parts = Array.from({ length: part.of }, () => ({ seconds: 0, tasks: [] as Task[] }));
  for (const task of longestFirst(tasks)) {
    const least = parts.reduce((found, candidate) => (candidate.seconds < found.seconds ? candidate : found));
    least.tasks.push(task);
    least.seconds += task.usualSeconds;
  }
  return parts[part.number - 1]?.tasks ?? [];
}

/** In the order in which they are begun. */
export function orderTasks(tasks: readonly Task[]): Task[] {
  const rank = ({ isPatient, usualSeconds }: Task) => (isPatient === true ? Infinity : usualSeconds);
  return [...tasks].sort((one, other) => rank(other) - rank(one) || 0);
}

function longestFirst(tasks: readonly Task[]): Task[] {
  return [...tasks].sort((one, other) => other.usualSeconds - one.usualSeconds);
}
