import { DelayedError, UnrecoverableError, type Job } from 'bullmq';
import { z } from 'zod';

import {
  laterUntried,
  OUTBOX_QUEUES,
  type OutboxQueue,
  type WorkResult,
  type WorkSubject,
} from '../domain/outbox/model.ts';
import { noteFailure, noteSuccess } from '../domain/outbox/service.ts';
import {
  deleteOutboxRow,
  findOutboxRow,
  postponeOutboxRow,
  type JobOfRow,
} from '../domain/outbox/store.ts';
import { forRequest, type Context } from '../platform/context.ts';
import { inTransaction, withRetries } from '../platform/db.ts';
import { QUEUES } from './queues.ts';

const payloadSchema = z.strictObject({
  outboxId: z.string(),
  generation: z.number().int().positive(),
  subjectId: z.string(),
  requestId: z.string().nullable(),
});

/**
 * BullMQ hands jobs out by the clock of whichever machine looks, which may be ahead. A little too
 * early does no harm.
 */
const EARLY_MS = 250;

/**
 * Works on one job that came from the outbox: skips it when its row is done or has a younger job,
 * puts it back when it is not due, else works and then
 *   done  → deletes the row
 *   later → moves row and job to the new date; where the queue has a gate, the row alone
 * What fails is counted (workFailures.ts), whether it throws or comes back at a date of its own. A
 * look that tried nothing counts as neither failure nor success. A crash anywhere leaves the row,
 * and with it another try.
 */
export async function runOutboxJob(
  ctx: Context,
  queue: OutboxQueue,
  job: Job,
  token: string,
): Promise<string> {
  const parsed = payloadSchema.safeParse(job.data);
  if (!parsed.success)
    throw new UnrecoverableError('the job does not carry what jobs of this queue carry');
  const { outboxId, generation, subjectId, requestId } = parsed.data;
  const own = { outboxId, generation };
  const jobCtx = withJob(forRequest(ctx, requestId), { queue, jobId: job.id, subjectId });

  const { gate, work } = QUEUES[queue];
  const subject = { queue, subjectId };
  const leave = async () => gate?.leave?.(jobCtx, { subjectId, jobId: job.id ?? '' });
  const leaveAndFail = async (error: unknown): Promise<never> => {
    await leave();
    throw error;
  };

  await ctx.whenClockCompared().catch(leaveAndFail);
  const row = await findOutboxRow(ctx.db, outboxId).catch(leaveAndFail);
  if (row === undefined || row.generation > generation) {
    await leave();
    return 'superseded';
  }
  const isEarly = row.runAt.getTime() - ctx.clock.now().getTime() > EARLY_MS;
  // Before the row is put off: from then on it may be let in for another job.
  if (isEarly) await leave();
  const result = isEarly
    ? laterUntried(row.runAt)
    : await tryWork(jobCtx, subject, () => work(jobCtx, subjectId)).catch(leaveAndFail);
  switch (result.kind) {
    case 'done':
      if (row.hasFailed) await endFailed(jobCtx, own, subject);
      else await withRetries(() => deleteOutboxRow(ctx.db, own));
      return 'done';
    case 'later':
      if (result.failure !== undefined) await noteFailure(jobCtx, subject, result.failure);
      else if (row.hasFailed && result.isUntried !== true) await noteSuccess(jobCtx, subject);
      // Behind a gate no job waits: the row is put on its queue again when it is let in.
      if (
        !(await withRetries(() =>
          postponeOutboxRow(
            ctx.db,
            own,
            result.at,
            gate === undefined ? ctx.config.outboxRedriveMs : 0,
          ),
        ))
      )
        return 'superseded';
      if (gate !== undefined) return 'later';
      // BullMQ goes by the clock of the machine that it runs on.
      await job.moveToDelayed(
        Date.now() + Math.max(0, result.at.getTime() - ctx.clock.now().getTime()),
        token,
      );
      throw new DelayedError();
  }
}

/**
 * What was promised again meanwhile has not succeeded: a job may have done others' work, and left
 * its own for later.
 */
async function endFailed(ctx: Context, own: JobOfRow, subject: WorkSubject): Promise<void> {
  await inTransaction(ctx.db, async (trx) => {
    if (await deleteOutboxRow(trx, own)) await noteSuccess(ctx, subject, trx);
  });
}

async function tryWork(
  ctx: Context,
  subject: WorkSubject,
  work: () => Promise<WorkResult>,
): Promise<WorkResult> {
  try {
    return await work();
  } catch (error) {
    await noteFailure(ctx, subject, error);
    throw error;
  }
}

function withJob(ctx: Context, bindings: Record<string, unknown>): Context {
  return { ...ctx, log: ctx.log.child(bindings) };
}

export function isOutboxQueue(name: string): name is OutboxQueue {
  return (OUTBOX_QUEUES as readonly string[]).includes(name);
}
