import type { Context } from '../../platform/context.ts';
import { inUnitOfWork } from '../../platform/unitOfWork.ts';
import { addMs } from '../../shared/clock.ts';
import { findPromisedDates, promiseWork, type PromisedWork } from '../outbox/service.ts';
import { FIRST_EXPIRY, listPendingExpiries } from './expiryStore.ts';
import type { Payment } from './model.ts';

/**
 * An expiry is promised work only from this time before its date on: most payments are paid long
 * before it, and then there never was anything to promise, publish and clear away. Several times
 * what lies between two runs of the maintenance task.
 */
const PROMISED_AHEAD_MS = 2 * 60_000;
/**
 * A payment may be saved this much later than it was dated, and be seen by the run after that only.
 */
const SAVED_LATE_MS = 60_000;
const BATCH = 500;

/**
 * By process: the payments that expire before this were looked at. What is lost of them later, the
 * sweep finds.
 */
const lookedUntil = new WeakMap<Context['db'], Date>();

/** Work of maintenance. @returns how many were promised */
export async function promiseExpiries(ctx: Context): Promise<number> {
  const before = addMs(ctx.clock.now(), PROMISED_AHEAD_MS);
  const known = lookedUntil.get(ctx.db);
  // One that lies ahead was left by a clock that was wrong.
  let place = known === undefined || known > before ? FIRST_EXPIRY : { expiresAt: known, seq: 0n };
  for (let total = 0; ;) {
    const page = await listPendingExpiries(ctx.db, { after: place, before, limit: BATCH });
    const promised = await findPromisedDates(
      ctx,
      'expire',
      page.map(({ id }) => id),
    );
    const due = page.filter(({ id }) => !promised.has(id));
    if (due.length > 0) {
      await inUnitOfWork(ctx, (unit) =>
        promiseWork(
          ctx,
          unit,
          due.map(({ id, expiresAt }) => toWork(id, expiresAt)),
        ),
      );
    }
    total += due.length;
    const last = page.at(-1);
    if (last === undefined || page.length < BATCH) {
      lookedUntil.set(ctx.db, addMs(before, -SAVED_LATE_MS));
      return total;
    }
    place = last;
  }
}

/** Of payments that wait from now on: what is due before maintenance would see to it. */
export function expiriesToPromise(ctx: Context, payments: readonly Payment[]): PromisedWork[] {
  const soon = addMs(ctx.clock.now(), PROMISED_AHEAD_MS);
  return payments
    .filter(({ terms }) => terms.expiresAt <= soon)
    .map(({ id, terms }) => toWork(id, terms.expiresAt));
}

function toWork(paymentId: Payment['id'], expiresAt: Date): PromisedWork {
  return { queue: 'expire', subjectId: paymentId, runAt: expiresAt };
}
