import type { Context } from '../../platform/context.ts';
import { inUnitOfWork } from '../../platform/unitOfWork.ts';
import { addMs } from '../../shared/clock.ts';
import { promiseWork, type PromisedWork } from '../outbox/service.ts';
import type { Payment } from './model.ts';
import { listUnpromisedExpiries } from './store.ts';

/**
 * An expiry is promised work only from this time before its date on: most payments are paid long before it, and then there never was anything to promise,
 * publish and clear away. Several times what lies between two runs of the maintenance task.
 */
const PROMISED_AHEAD_MS = 2 * 60_000;
const BATCH = 500;

/** Work of maintenance. @returns how many were promised */
export async function promiseExpiries(ctx: Context): Promise<number> {
  // What one round has promised is not in the next one's list.
  for (let total = 0; ;) {
    const due = await listUnpromisedExpiries(ctx.db, addMs(ctx.clock.now(), PROMISED_AHEAD_MS), BATCH);
    await inUnitOfWork(ctx, (unit) =>
      promiseWork(
        ctx,
        unit,
        due.map(({ id, expiresAt }) => toWork(id, expiresAt)),
      ),
    );
    total += due.length;
    if (due.length < BATCH) return total;
  }
}

/** Of payments that wait from now on: what is due before maintenance would see to it. */
export function expiriesToPromise(ctx: Context, payments: readonly Payment[]): PromisedWork[] {
  const soon = addMs(ctx.clock.now(), PROMISED_AHEAD_MS);
  return payments.filter(({ terms }) => terms.expiresAt <= soon).map(({ id, terms }) => toWork(id, terms.expiresAt));
}

function toWork(paymentId: Payment['id'], expiresAt: Date): PromisedWork {
  return { queue: 'expire', subjectId: paymentId, runAt: expiresAt };
}
