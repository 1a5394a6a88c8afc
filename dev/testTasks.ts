import type { DatabaseKind } from './database/engine.ts';

/** What `npm test` consists of. */
export interface Task {
  readonly name: string;
  /**
   * On two cores, beside the others, roughly: the longest begin first, and machines that share the
   * suites get about as much each.
   */
  readonly usualSeconds: number;
  /** The test files; absent: it is the checks. */
  readonly files?: readonly string[];
  /** The kind of server that its stack starts; absent: what the machine has. */
  readonly database?: DatabaseKind;
  /** Waits for nothing, so it takes what the others, which mostly wait, leave of the cores. */
  readonly isPatient?: boolean;
}

/**
 * It is against hanging: on a machine that is several times slower than usual a suite still comes
 * to its end.
 */
const LIMIT_FACTOR = 6;
const SHORTEST_LIMIT_MS = 10 * 60_000;

/** After this a task is ended, and counts as failed. */
export function limitMsOf({ usualSeconds }: Pick<Task, 'usualSeconds'>): number {
  return Math.max(SHORTEST_LIMIT_MS, LIMIT_FACTOR * usualSeconds * 1000);
}

/** Mostly wait for services and timers: a few at a time make use of all cores. */
export const SIDE_BY_SIDE: readonly Task[] = [
  { name: 'checks', usualSeconds: 200, isPatient: true },
  { name: 'contracts', usualSeconds: 30, files: ['test/contracts/**/*.test.ts'] },
  { name: 'unit', usualSeconds: 55, files: ['test/unit/**/*.test.ts', 'test/dev/**/*.test.ts'] },
  {
    name: 'adapters',
    usualSeconds: 330,
    files: ['test/adapters/**/*.test.ts', 'test/webhooks/**/*.test.ts'],
  },
  { name: 'api', usualSeconds: 210, files: ['test/api/**/*.test.ts'] },
  {
    name: 'workers and demo',
    usualSeconds: 210,
    files: ['test/workers/**/*.test.ts', 'test/demo/**/*.test.ts'],
  },
  {
    name: 'domain',
    usualSeconds: 380,
    files: [
      'test/payments/**/*.test.ts',
      'test/relay/**/*.test.ts',
      'test/refunds/**/*.test.ts',
      'test/scan/**/*.test.ts',
    ],
  },
  // Redis that changes without dying, by TLS, with Sentinel and Cluster; machines with wrong
  // clocks.
  { name: 'dependencies', usualSeconds: 270, files: ['test/dependencies/**/*.test.ts'] },
  { name: 'scale', usualSeconds: 60, files: ['test/scale/**/*.test.ts'] },
];

/**
 * Where the servers differ most: data definition, locks and duplicate keys, JSON, lost connections,
 * the database killed. All the rest is for `npm run test:mysql`, or it would take twice the time.
 */
export const ON_MYSQL: Task = {
  name: 'on MySQL',
  usualSeconds: 220,
  database: 'mysql',
  files: [
    'test/dev/database.test.ts',
    'test/unit/lists.test.ts',
    'test/workers/migrations.test.ts',
    'test/workers/renamedMigrations.test.ts',
    'test/workers/schema.test.ts',
    'test/workers/interruptedMigrations.test.ts',
    'test/workers/outbox.test.ts',
    'test/workers/publishers.test.ts',
    'test/workers/databaseTls.test.ts',
    'test/payments/directPayment.test.ts',
    'test/payments/races.test.ts',
    'test/scan/reorg.test.ts',
    'test/scan/scanChain.test.ts',
    'test/refunds/refundPayment.test.ts',
    'test/relay/gaslessPayment.test.ts',
    'test/relay/relayPayment.test.ts',
    'test/webhooks/service.test.ts',
    'test/api/databaseRefusals.test.ts',
    'test/api/idempotency.test.ts',
    'test/e2e/databaseOutage.test.ts',
  ],
};

/**
 * Several processes of the server each, killed and cut off again and again: they take both cores.
 */
export const ALONE: readonly Task[] = [
  { name: 'end to end', usualSeconds: 165, files: ['test/e2e/**/*.test.ts'] },
  { name: 'chaos', usualSeconds: 115, files: ['test/chaos/**/*.test.ts'] },
];

/**
 * `npm run test:quick`: the unit tests, and files of other suites that wait for no block and end no
 * process of the server. It is for the time between two edits: the suites have all of it too.
 */
export const QUICK: Task = {
  name: 'quick',
  usualSeconds: 60,
  files: [
    'test/unit/**/*.test.ts',
    'test/dev/bootstrap.test.ts',
    'test/dev/childProcess.test.ts',
    'test/dev/compileSources.test.ts',
    'test/dev/freePort.test.ts',
    'test/dev/sharedStack.test.ts',
    'test/dev/testTasks.test.ts',
    'test/dev/testTools.test.ts',
    'test/demo/html.test.ts',
    'test/api/authentication.test.ts',
    'test/api/cancelPayment.test.ts',
    'test/api/createPayment.test.ts',
    'test/api/getPayment.test.ts',
    'test/api/idempotency.test.ts',
    'test/api/isolation.test.ts',
    'test/api/listPayments.test.ts',
    'test/api/listTokens.test.ts',
    'test/api/metricsText.test.ts',
    'test/api/problem.test.ts',
    'test/api/stores.test.ts',
    'test/api/webhookEndpoints.test.ts',
    'test/webhooks/service.test.ts',
  ],
};

/** When all suites together take longer than this, a suite is to be split before one grows. */
const SPLIT_AT_SECONDS = 15 * 60;

export interface Duration {
  readonly name: string;
  readonly seconds: number;
  readonly cpuSeconds: number | undefined;
  readonly passed: number;
}

/**
 * Lines for the end of a run, the longest suite first. A share is of the seconds of all suites
 * together: side by side they take longer than the run does.
 */
export function describeDurations(durations: readonly Duration[], totalSeconds: number): string[] {
  const sum = durations.reduce((seconds, duration) => seconds + duration.seconds, 0);
  const lines = [...durations]
    .sort((one, other) => other.seconds - one.seconds)
    .map(({ name, seconds, cpuSeconds, passed }) => {
      const share = sum === 0 ? 0 : (100 * seconds) / sum;
      const cpu =
        cpuSeconds === undefined ? '' : `, ${cpuSeconds.toFixed(0).padStart(4)} s of a core`;
      const columns = `${seconds.toFixed(0).padStart(5)} s ${share.toFixed(0).padStart(3)} %${cpu}`;
      return `${columns}  ${name} (${passed} passed)`;
    });
  if (totalSeconds > SPLIT_AT_SECONDS)
    lines.push(
      `More than ${SPLIT_AT_SECONDS / 60} minutes: split first (a suite in dev/testTasks.ts).`,
    );
  return lines;
}

/** `2/3`: of three machines, the second. */
export interface Part {
  readonly number: number;
  readonly of: number;
}

/**
 * @returns those that this part has to do: every task is in one part and one only, and the parts
 *   take about as long
 */
export function chooseTasks(tasks: readonly Task[], part: Part): Task[] {
  const parts = Array.from({ length: part.of }, () => ({ seconds: 0, tasks: [] as Task[] }));
  for (const task of longestFirst(tasks)) {
    const least = parts.reduce((found, candidate) =>
      candidate.seconds < found.seconds ? candidate : found,
    );
    least.tasks.push(task);
    least.seconds += task.usualSeconds;
  }
  return parts[part.number - 1]?.tasks ?? [];
}

/** In the order in which they are begun, or shared out. */
export function longestFirst(tasks: readonly Task[]): Task[] {
  return [...tasks].sort((one, other) => other.usualSeconds - one.usualSeconds);
}
