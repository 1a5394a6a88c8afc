import type { WorkSubject } from '../domain/outbox/model.ts';
import { noteFailure, noteSuccess } from '../domain/outbox/service.ts';
import type { Context } from '../platform/context.ts';

/**
 * One run of what has a schedule: counts what fails again and again, as of the outbox
 * (workFailures.ts). @throws what the work throws
 */
export async function runScheduled<T>(
  ctx: Context,
  subject: WorkSubject,
  work: () => Promise<T>,
): Promise<T> {
  let result: T;
  try {
    await ctx.whenClockCompared();
    result = await work();
  } catch (error) {
    await noteFailure(ctx, subject, error);
    throw error;
  }
  await noteSuccess(ctx, subject);
  return result;
}
