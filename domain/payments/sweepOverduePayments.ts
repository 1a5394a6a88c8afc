import type { Context } from '../../platform/context.ts';
import { addMs } from '../../shared/clock.ts';
import { expirePayment } from './service.ts';
import { listOverduePaymentIds } from './store.ts';

/** The expiry job has this long before the sweep steps in. */
const JOB_HEAD_START_MS = 5_000;
const BATCH = 200;

/** Expires what should have expired by its job: delayed jobs are hints. @returns how many were overdue */
export async function sweepOverduePayments(ctx: Context): Promise<number> {
  const paymentIds = await listOverduePaymentIds(ctx.db, addMs(ctx.clock.now(), -JOB_HEAD_START_MS), BATCH);
  for (const paymentId of paymentIds) await expirePayment(ctx, paymentId);
  return paymentIds.length;
}
