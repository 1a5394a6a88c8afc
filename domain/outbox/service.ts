import type { Context } from '../../platform/context.ts';
import { inTransaction, withRetries, type Transaction } from '../../platform/db.ts';
import type { UnitOfWork } from '../../platform/unitOfWork.ts';
import { addMs } from '../../shared/clock.ts';
import { tryAll } from '../../shared/tryAll.ts';
import { OUTBOX_QUEUES, type OutboxQueue, type OutboxRow } from './model.ts';
import { lockFairly, type StoreTurns } from './lockFairly.ts';
import type { JobQueuePort } from './ports.ts';
import {
  countRows,
  deleteRowsOf,
  findRunDates,
  insertOutboxRows,
  listPublishableQueues,
  makeRowsDue,
  markPublished,
  putOffRows,
} from './store.ts';

export interface PromisedWork {
  readonly queue: OutboxQueue;
  readonly subjectId: string;
  /** Now, when absent. */
  readonly runAt?: Date;
  /**
   * Whose it is: stores take turns when much is due. Absent where something else sees to turns, or
   * one is as good as another.
   */
  readonly storeId?: string;
  /** Of the request that calls for it, when that is not the context's own. */
  readonly requestId?: string | null;
}

/** Promises work in the transaction of the change that calls for it. */
export async function promiseWork(
  ctx: Context,
  unit: UnitOfWork,
  work: readonly PromisedWork[],
): Promise<void> {
  if (work.length === 0) return;
  const now = ctx.clock.now();
  await insertOutboxRows(
    unit.trx,
    work.map(({ queue, subjectId, runAt = now, storeId = '', requestId = ctx.requestId }) => ({
      id: ctx.newId('ob'),
      queue,
      subjectId,
      requestId,
      storeId,
      runAt,
    })),
    now,
  );
  unit.outboxFilled();
}

/** Nobody is to do this work any more. Its job, if it has one, finds nothing to do. */
export function takeBackWork(
  trx: Transaction,
  queue: OutboxQueue,
  subjectIds: readonly string[],
): Promise<void> {
  return deleteRowsOf(trx, queue, subjectIds);
}

/** When the promised work of each of these subjects is due; without those that have none. */
export function findPromisedDates(
  ctx: Context,
  queue: OutboxQueue,
  subjectIds: readonly string[],
): Promise<ReadonlyMap<string, Date>> {
  return findRunDates(ctx.db, queue, subjectIds);
}

/**
 * Whether work may be put on its queue now. So the queue holds only what can be begun, and nobody's
 * work waits there behind another's.
 */
export interface OutboxGate {
  /**
   * A job may be asked for again: what became of it is not known when the transaction failed. Who
   * was let in is let in again then.
   * @param work what is due, with the jobs that it would be given
   * @returns by subject, those that may not
   * @throws when it is not known: nothing is put on the queue then
   */
  admit(
    ctx: Context,
    trx: Transaction,
    work: readonly DueWork[],
  ): Promise<ReadonlyMap<string, NotAdmitted>>;
  /**
   * A job that was let in ends, or is put off, and its work was not begun. Never fails. Absent: who
   * is let in takes nothing. @param work with the job that was let in
   */
  readonly leave?: (ctx: Context, work: DueWork) => Promise<void>;
  /** Whatever is let in can begin at once: a job that is late is lost. */
  readonly isPrompt: boolean;
}

export interface DueWork {
  readonly subjectId: string;
  readonly jobId: string;
}

export interface NotAdmitted {
  /** After how many ms to ask again. */
  readonly delayMs: number;
}

export type OutboxGates = Readonly<Partial<Record<OutboxQueue, OutboxGate>>>;

/**
 * Puts due rows on their queues. Any number of processes may do so at once: each row is locked by
 * one of them. The jobs are added while the rows are locked and before the commit, so a crash in
 * between leads to the same job id being added twice, which BullMQ takes as once; and a wiped Redis
 * leads to a later generation. Each queue has its own `limit`: much work for one does not hold up
 * the others', nor one store's another's (lockFairly.ts).
 * @param gates of the queues that have one; what they do not let in is due again later
 * @param turns the caller's own, the same at each call
 * @returns of how many rows was decided for the queue that had most; `limit` or more when there may
 *   be further ones
 * @throws the first failure, after every queue had its turn
 */
export async function publishOutbox(
  ctx: Context,
  queues: JobQueuePort,
  limit: number,
  gates: OutboxGates = {},
  turns: StoreTurns = new Map(),
): Promise<number> {
  let most = 0;
  const publish = async (queue: OutboxQueue) => {
    most = Math.max(
      most,
      await publishQueue(ctx, queues, { queue, limit, gate: gates[queue], turns }),
    );
  };
  await tryAll(await listPublishableQueues(ctx.db, ctx.clock.now()), publish, { atOnce: 1 });
  return most;
}

function publishQueue(
  ctx: Context,
  queues: JobQueuePort,
  {
    queue,
    limit,
    gate,
    turns,
  }: {
    readonly queue: OutboxQueue;
    readonly limit: number;
    readonly gate: OutboxGate | undefined;
    readonly turns: StoreTurns;
  },
): Promise<number> {
  return inTransaction(ctx.db, async (trx) => {
    const now = ctx.clock.now();
    const rows = await lockFairly(trx, queue, now, limit, turns);
    if (rows.length === 0) return 0;
    const putOff = gate === undefined ? [] : await askGate(ctx, trx, gate, rows, now);
    const ids = new Set(putOff.map(({ id }) => id));
    const admitted = rows.filter(({ id }) => !ids.has(id));
    await putOffRows(trx, putOff);
    if (admitted.length > 0) await queues.addAll(admitted.map((row) => toJob(row, now)));
    await markPublished(trx, admitted, now, ctx.config.outboxRedriveMs, gate?.isPrompt ?? false);
    return rows.length;
  });
}

/** @returns the rows that may not be put on their queue, with when to ask again */
async function askGate(
  ctx: Context,
  trx: Transaction,
  gate: OutboxGate,
  rows: readonly OutboxRow[],
  now: Date,
) {
  const due = rows.filter(({ runAt }) => runAt <= now);
  const refusals = await gate.admit(
    ctx,
    trx,
    due.map((row) => ({ subjectId: row.subjectId, jobId: nextJobId(row) })),
  );
  return rows.flatMap(({ id, subjectId, runAt }) => {
    if (runAt > now) return [{ id, publishAt: runAt }];
    const refusal = refusals.get(subjectId);
    return refusal === undefined ? [] : [{ id, publishAt: addMs(now, refusal.delayMs) }];
  });
}

/**
 * Work of these subjects that was put off beyond this date may be put on its queue then.
 * @param subjectIds none whose job is on its queue: it would be put there again
 */
export async function bringWorkForward(
  ctx: Context,
  queue: OutboxQueue,
  subjectIds: readonly string[],
  at: Date,
): Promise<void> {
  if (subjectIds.length === 0) return;
  await withRetries(() => makeRowsDue(ctx.db, queue, subjectIds, at));
  if (at <= ctx.clock.now()) ctx.signals.outboxFilled();
}

/** A finished job swallows a new one with its id, so every generation has an id of its own. */
function nextJobId(row: OutboxRow): string {
  return `${row.id}-${row.generation + 1}`;
}

function toJob(row: OutboxRow, now: Date) {
  return {
    queue: row.queue,
    jobId: nextJobId(row),
    payload: {
      outboxId: row.id,
      generation: row.generation + 1,
      subjectId: row.subjectId,
      requestId: row.requestId,
    },
    delayMs: Math.max(0, row.runAt.getTime() - now.getTime()),
  };
}

export type { StoreTurns } from './lockFairly.ts';
export {
  countFailingWork,
  countLoopFailures,
  deleteOldFailures,
  listFailingWork,
  noteFailure,
  noteSuccess,
} from './workFailures.ts';

/**
 * How much work each queue has outstanding, and for how long the oldest of it has been due without
 * being done. What a gate put off is not due before it is asked again. For those that watch.
 */
export async function countOpenWork(
  ctx: Context,
): Promise<{ readonly queue: OutboxQueue; readonly count: number; readonly overdueMs: number }[]> {
  const now = ctx.clock.now();
  const rows = await countRows(ctx.db);
  return OUTBOX_QUEUES.map((queue) => {
    const row = rows.find((candidate) => candidate.queue === queue);
    return {
      queue,
      count: row?.count ?? 0,
      overdueMs: Math.max(0, row === undefined ? 0 : now.getTime() - row.oldestDueAt.getTime()),
    };
  });
}
