import type { Context } from '../../../platform/context.ts';
import { addMs } from '../../../shared/clock.ts';
import { renewClaim } from '../attempts/dispatchStore.ts';

/** A claim is renewed this many times within its length, so that a try or two may fail. */
const RENEWALS_A_LENGTH = 3;

/**
 * After this many lengths a claim is renewed no more: every question has a time limit, so such work
 * hangs, and others must not wait for it.
 */
const MOST_LENGTHS = 30;

/**
 * Renews a claim for as long as its work takes, however long the chain takes to answer. A claim
 * that nobody renews lapses after one length: that is what the death of a process costs.
 * @param held the ids of the claimed attempts, as they are at each renewal
 * @returns ends the renewals, and waits for one that is under way
 */
export function keepClaim(
  ctx: Context,
  claimId: string,
  held: ReadonlySet<string>,
): () => Promise<void> {
  const { claimMs } = ctx.config.relay;
  let renewal: Promise<void> | undefined;
  let renewals = 0;
  const timer = setInterval(() => {
    if (renewal !== undefined) return;
    renewals += 1;
    if (renewals >= MOST_LENGTHS * RENEWALS_A_LENGTH) clearInterval(timer);
    renewal = renewClaim(ctx.db, claimId, [...held], addMs(ctx.clock.now(), claimMs))
      // The next one may succeed. If none does, the claim lapses, and what comes of the work is not
      // saved.
      .catch((error: unknown) =>
        ctx.log.warn({ err: error, claimId }, 'a claim could not be renewed'),
      )
      .finally(() => (renewal = undefined));
  }, claimMs / RENEWALS_A_LENGTH);
  return async () => {
    clearInterval(timer);
    await renewal;
  };
}
