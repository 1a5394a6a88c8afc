import type { Context } from '../../platform/context.ts';
import { addMs } from '../../shared/clock.ts';
import { expirePayment } from './expirePayment.ts';
import { findEarliestPendingExpiry, listOverduePaymentIds } from './store.ts';

/** The expiry job has this long before the sweep steps in. */
const JOB_HEAD_START_MS = 5_000;
const BATCH = 200;
/** At once: what they ask of the chain is asked together. */
const PARALLEL = 20;

/** Expires what should have expired by its job: delayed jobs are hints. @returns how many were overdue */
export async function sweepOverduePayments(ctx: Context): Promise<number> {
  const paymentIds = await listOverduePaymentIds(ctx.db, addMs(ctx.clock.now(), -JOB_HEAD_START_MS), BATCH);
  for (let start = 0; start < paymentIds.length; start += PARALLEL) {
    await Promise.all(paymentIds.slice(start, start + PARALLEL).map((paymentId) => expirePayment(ctx, paymentId)));
  }
  return paymentIds.length;
}

/** For those that watch: for how long the payment has been overdue that should have expired first. @returns ms; 0 when none is */
export async function measureOverdue(ctx: Context): Promise<number> {
  const earliest = await findEarliestPendingExpiry(ctx.db);
  return earliest === undefined ? 0 : Math.max(0, ctx.clock.now().getTime() - earliest.getTime());
}
