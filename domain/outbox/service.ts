import type { Context } from '../../platform/context.ts';
import { inTransaction } from '../../platform/db.ts';
import type { UnitOfWork } from '../../platform/unitOfWork.ts';
import { OUTBOX_QUEUES, type OutboxQueue, type OutboxRow } from './model.ts';
import type { JobQueuePort } from './ports.ts';
import { countRows, insertOutboxRows, lockPublishableRows, markPublished } from './store.ts';

export interface PromisedWork {
  readonly queue: OutboxQueue;
  readonly subjectId: string;
  /** Now, when absent. */
  readonly runAt?: Date;
  /** Of the request that calls for it, when that is not the context's own. */
  readonly requestId?: string | null;
}

/** Promises work in the transaction of the change that calls for it. */
export async function promiseWork(ctx: Context, unit: UnitOfWork, work: readonly PromisedWork[]): Promise<void> {
  if (work.length === 0) return;
  const now = ctx.clock.now();
  await insertOutboxRows(
    unit.trx,
    work.map(({ queue, subjectId, runAt = now, requestId = ctx.requestId }) => ({
      id: ctx.newId('ob'),
      queue,
      subjectId,
      requestId,
      runAt,
    })),
    now,
  );
  unit.outboxFilled();
}

/**
 * Puts due rows on their queues. Any number of processes may do so at once: each row is locked by one of them. The jobs are added while the rows
 * are locked and before the commit, so a crash in between leads to the same job id being added twice, which BullMQ takes as once; and a wiped
 * Redis leads to a later generation.
 * @returns how many rows were published; equal to `limit` when there may be more
 */
export async function publishOutbox(ctx: Context, queues: JobQueuePort, limit: number): Promise<number> {
  return inTransaction(ctx.db, async (trx) => {
    const now = ctx.clock.now();
    const rows = await lockPublishableRows(trx, now, limit);
    if (rows.length === 0) return 0;
    await queues.addAll(rows.map((row) => toJob(row, now)));
    await markPublished(trx, rows, now, ctx.config.outboxRedriveMs);
    return rows.length;
  });
}

function toJob(row: OutboxRow, now: Date) {
  const generation = row.generation + 1;
  return {
    queue: row.queue,
    // A finished job swallows a new one with its id, so every generation has an id of its own.
    jobId: `${row.id}-${generation}`,
    payload: { outboxId: row.id, generation, subjectId: row.subjectId, requestId: row.requestId },
    delayMs: Math.max(0, row.runAt.getTime() - now.getTime()),
  };
}

/** How much work each queue has outstanding, and how long the oldest of it has been due. For those that watch. */
export async function countOpenWork(
  ctx: Context,
): Promise<{ readonly queue: OutboxQueue; readonly count: number; readonly overdueMs: number }[]> {
  const now = ctx.clock.now();
  const rows = await countRows(ctx.db);
  return OUTBOX_QUEUES.map((queue) => {
    const row = rows.find((candidate) => candidate.queue === queue);
    return { queue, count: row?.count ?? 0, overdueMs: Math.max(0, row === undefined ? 0 : now.getTime() - row.oldestRunAt.getTime()) };
  });
}
