import type { Context } from '../../platform/context.ts';
import { addMs } from '../../shared/clock.ts';
import type { Bytes32 } from '../../shared/hex.ts';
import { tryAll } from '../../shared/tryAll.ts';
import { throwFailure } from '../outbox/model.ts';
import { findPromisedDates, noteFailure, noteSuccess } from '../outbox/service.ts';
import { expirePayment } from './expirePayment.ts';
import {
  findEarliestPendingExpiry,
  FIRST_EXPIRY,
  listPendingExpiries,
  type ExpiryPlace,
} from '../payments/expiryStore.ts';

/** The expiry job has this long before the sweep steps in. */
const JOB_HEAD_START_MS = 5_000;
/**
 * Overdue payments that a round looks at: an outage of a chain leaves very many, whose promised
 * expiry waits for a later look.
 */
const LOOKED_AT = 2_000;
const PAGE = 500;
/** At once: what they ask of the chain is asked together. */
const PARALLEL = 20;
/** Of a round. */
const MOST_EXPIRED = 200;

/**
 * By process: how far its rounds have come among the overdue payments. At the end they begin again.
 */
const places = new WeakMap<Context['db'], ExpiryPlace>();

/**
 * Expires what should have expired by its job: delayed jobs are hints. A round looks at some of the
 * overdue payments, and the next one at those after them.
 * @returns how many should have
 * @throws the first failure, after all were tried
 */
export async function sweepOverduePayments(ctx: Context): Promise<number> {
  const expiredBefore = addMs(ctx.clock.now(), -JOB_HEAD_START_MS);
  const lost: Bytes32[] = [];
  let place = places.get(ctx.db) ?? FIRST_EXPIRY;
  for (let looked = 0; looked < LOOKED_AT && lost.length < MOST_EXPIRED; looked += PAGE) {
    const page = await listPendingExpiries(ctx.db, {
      after: place,
      before: expiredBefore,
      limit: PAGE,
    });
    const promised = await findPromisedDates(
      ctx,
      'expire',
      page.map(({ id }) => id),
    );
    for (const { id, expiresAt, seq } of page) {
      if (lost.length === MOST_EXPIRED) break;
      place = { expiresAt, seq };
      const runAt = promised.get(id);
      if (runAt === undefined || runAt < expiredBefore) lost.push(id);
    }
    if (page.length < PAGE && lost.length < MOST_EXPIRED) {
      place = FIRST_EXPIRY;
      break;
    }
  }
  places.set(ctx.db, place);
  await tryAll(lost, (paymentId) => tryExpiry(ctx, paymentId), {
    atOnce: PARALLEL,
    onFailure: (err, paymentId) =>
      ctx.log.warn(
        { err, paymentId },
        'an overdue payment could not be looked at, a later round tries again',
      ),
  });
  return lost.length;
}

/**
 * Counted as a try of its job: a later round may meet other payments, so that a run of failures
 * shows by the payment alone.
 */
async function tryExpiry(ctx: Context, paymentId: Bytes32): Promise<void> {
  const subject = { queue: 'expire', subjectId: paymentId };
  try {
    throwFailure(await expirePayment(ctx, paymentId));
  } catch (error) {
    await noteFailure(ctx, subject, error);
    throw error;
  }
  await noteSuccess(ctx, subject);
}

/**
 * For those that watch: for how long the payment has been overdue that should have expired first.
 * @returns ms; 0 when none is
 */
export async function measureOverdue(ctx: Context): Promise<number> {
  const earliest = await findEarliestPendingExpiry(ctx.db);
  return earliest === undefined ? 0 : Math.max(0, ctx.clock.now().getTime() - earliest.getTime());
}
