import type { Context } from '../../platform/context.ts';
import type { Database, Transaction } from '../../platform/db.ts';
import { addMs } from '../../shared/clock.ts';
import { listFlying, type FlyingAttempt } from './flyingStore.ts';
import { signerOf, type RelayAttempt, type RelayItem } from './model.ts';

/**
 * Whose turn it is to move the allowance of one owner and token.
 *
 * A permit carries the owner's nonce at the token, and takes the place of whatever allowance there was. So of two permits that were signed at once the second is
 * worth nothing as soon as the first is mined, which no simulation shows while the first is in no block; and a request without a permit may lose the approval that
 * it relies on. Therefore at most one transaction at a time moves such an allowance: others wait until it is in a block, where a simulation shows what is left for
 * them. Within one transaction the order is settled, and simulated.
 */

type Waiting = Pick<RelayAttempt, 'id' | 'chainId' | 'signed' | 'permit' | 'mayStillLand'>;

interface WaitingItem {
  readonly attempt: Waiting;
  readonly item: Pick<RelayItem, 'terms'>;
}

/** @returns those that have to wait for the outcome of others, by id */
export async function findHeldBack(
  ctx: Context,
  db: Database | Transaction,
  waiting: readonly WaitingItem[],
): Promise<ReadonlySet<string>> {
  const [first] = waiting;
  if (first === undefined) return new Set();
  const owners = [...new Set(waiting.map(({ attempt }) => signerOf(attempt.signed)))];
  const flying = await listFlying(db, {
    chainId: first.attempt.chainId,
    owners,
    // The node that simulates the next one may not have the block yet.
    minedAfter: addMs(ctx.clock.now(), -ctx.config.relay.refusalGraceMs),
  });
  return new Set(waiting.filter((one) => flying.some((other) => mustWaitFor(one, other))).map(({ attempt }) => attempt.id));
}

function mustWaitFor({ attempt, item }: WaitingItem, other: FlyingAttempt): boolean {
  if (other.id === attempt.id || other.owner !== signerOf(attempt.signed) || other.token !== item.terms.token) return false;
  // Both are out, and neither has a transaction that is followed: one of them has to be sent again, or both would wait for ever.
  if (other.isQueued && attempt.mayStillLand) return false;
  return attempt.permit !== null || other.bringsPermit;
}
