import type { Context } from '../../platform/context.ts';
import type { Database, Transaction } from '../../platform/db.ts';
import { errnoOf } from '../../platform/errnoOf.ts';
import { addMs } from '../../shared/clock.ts';
import { AppError } from '../../shared/errors.ts';
import type { WorkFailures, WorkSubject } from './model.ts';
import {
  addFailure,
  countFailures,
  deleteEndedFailures,
  deleteFailures,
  listFailures,
  takeFailureAlert,
  type FailingSince,
} from './workFailureStore.ts';

/**
 * Work is tried again for as long as it fails, whoever tries it. What fails again and again is
 * nobody's business by itself: it shows here, as an alert, a figure and a list, whichever processes
 * tried it and however often these were restarted.
 */

/**
 * A dependency that is away for a moment makes much work fail, some of it many times in a second.
 */
const AT_LEAST_MS = 30_000;
/** An alert is repeated for as long as it lasts. */
const ALERT_AGAIN_MS = 60 * 60_000;
/** Failures of work that is not there any more are kept for so long. */
const KEPT_MS = 24 * 60 * 60_000;
const DELETED_AT_ONCE = 1_000;

/**
 * Never throws: whoever calls has a failure of its own to tell, and the database may be what it is
 * about.
 */
export async function noteFailure(
  ctx: Context,
  subject: WorkSubject,
  error: unknown,
): Promise<void> {
  try {
    // Rejects where the failure could not be written down either.
    await ctx.whenClockCompared();
    const now = ctx.clock.now();
    await addFailure(ctx.db, subject, now, nameOf(error));
    const alert = await takeFailureAlert(ctx.db, subject, {
      ...failingSince(ctx),
      notSince: addMs(now, -ALERT_AGAIN_MS),
      now,
    });
    if (alert === undefined) return;
    const { queue, subjectId, failures, firstFailedAt } = alert;
    const facts = {
      alert: 'work_keeps_failing',
      queue,
      subjectId,
      failures,
      since: firstFailedAt.toISOString(),
      err: error,
    };
    ctx.log.error(facts, 'work fails again and again');
  } catch (failure) {
    ctx.log.warn({ err: failure, ...subject }, 'a failure could not be counted');
  }
}

export async function noteSuccess(
  ctx: Context,
  subject: WorkSubject,
  db: Database | Transaction = ctx.db,
): Promise<void> {
  await deleteFailures(db, subject);
}

/** Counts what a process does again and again by itself, maybe several times a second. */
export interface LoopFailures {
  failed(error: unknown): Promise<void>;
  /** Written down only when somebody may have counted a failure. */
  succeeded(): Promise<void>;
}

export function countLoopFailures(ctx: Context, subject: WorkSubject): LoopFailures {
  // A process before this one may have ended while it failed.
  let mayHaveFailed = true;
  return {
    async failed(error) {
      mayHaveFailed = true;
      await noteFailure(ctx, subject, error);
    },
    async succeeded() {
      if (!mayHaveFailed) return;
      await noteSuccess(ctx, subject);
      mayHaveFailed = false;
    },
  };
}

/** How many subjects fail again and again, by queue. For those that watch. */
export function countFailingWork(
  ctx: Context,
): Promise<{ readonly queue: string; readonly count: number }[]> {
  return countFailures(ctx.db, failingSince(ctx));
}

/** Those that fail most first. */
export function listFailingWork(ctx: Context, limit: number): Promise<WorkFailures[]> {
  return listFailures(ctx.db, failingSince(ctx), limit);
}

/**
 * Maintenance: a promise may be taken back, and a chain leave the configuration, while they fail.
 */
export async function deleteOldFailures(ctx: Context): Promise<void> {
  await deleteEndedFailures(ctx.db, addMs(ctx.clock.now(), -KEPT_MS), DELETED_AT_ONCE);
}

function failingSince(ctx: Context): FailingSince {
  return { failures: ctx.config.alertAfterFailures, since: addMs(ctx.clock.now(), -AT_LEAST_MS) };
}

/** Nothing that an error says itself: it may quote what it was about. */
function nameOf(error: unknown): string {
  if (error instanceof AppError) return error.code;
  const errno = errnoOf(error);
  const name = error instanceof Error ? error.name : typeof error;
  return (errno === undefined ? name : `${name} ${errno}`)
    .replace(/[^\x20-\x7e]/g, '?')
    .slice(0, 100);
}
