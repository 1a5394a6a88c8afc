/** The queues that outbox rows go to; the rules of each are in workers/queues.ts. */
export const OUTBOX_QUEUES = ['relay', 'confirm', 'expire', 'webhook'] as const;
export type OutboxQueue = (typeof OUTBOX_QUEUES)[number];

/**
 * A promise of work, written in the transaction of the change that calls for it and deleted once
 * the work's effect has committed. The job on the queue is only its messenger: while the row is
 * there, a lost or dead job is replaced by one of the next generation.
 */
export interface OutboxRow {
  readonly id: string;
  readonly queue: OutboxQueue;
  /**
   * What to work on: the id of a relay attempt, relay transaction, payment or webhook delivery. One
   * open row for each (queue, subject).
   */
  readonly subjectId: string;
  readonly requestId: string | null;
  /** Empty: it takes no turns by store. */
  readonly storeId: string;
  /** Not to be worked on earlier. */
  readonly runAt: Date;
  /** How often it was put on its queue; a job of an older generation steps aside. */
  readonly generation: number;
  /** Its last try failed. */
  readonly hasFailed: boolean;
}

/**
 * What came of one try at a piece of work.
 *
 *   done   for good: its effect has committed
 *   later  to be tried again, not before `at`. With `failure`, because this try failed: that counts
 *          as if it had been thrown.
 *          With `isUntried`, because nothing was tried: that is neither a failure nor a success
 */
export type WorkResult =
  | { readonly kind: 'done' }
  | {
      readonly kind: 'later';
      readonly at: Date;
      readonly failure?: unknown;
      readonly isUntried?: true;
    };

export const DONE: WorkResult = { kind: 'done' };

export function later(at: Date): WorkResult {
  return { kind: 'later', at };
}

/** For what could not be tried: it is not its turn, or what it needs is known to be away. */
export function laterUntried(at: Date): WorkResult {
  return { kind: 'later', at, isUntried: true };
}

/** For what is tried again at a date of its own though it failed. */
export function laterAfterFailure(at: Date, failure: unknown): WorkResult {
  return { kind: 'later', at, failure };
}

/**
 * For a try whose result nobody else looks at. @throws what it failed by, though it is to be tried
 * again at a date of its own
 */
export function throwFailure(result: WorkResult): void {
  if (result.kind === 'later' && 'failure' in result) throw result.failure;
}

/** What is worked on: a promise of the outbox, a chain that is scanned, a task of maintenance. */
export interface WorkSubject {
  readonly queue: string;
  readonly subjectId: string;
}

/** The failures of a subject since it last succeeded. */
export interface WorkFailures extends WorkSubject {
  /** In a row. */
  readonly failures: number;
  readonly firstFailedAt: Date;
  readonly lastFailedAt: Date;
  /** Its code or name. What it said is in the log. */
  readonly lastError: string;
}
