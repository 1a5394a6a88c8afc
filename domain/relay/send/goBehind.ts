import type { Context } from '../../../platform/context.ts';
import { inTransaction } from '../../../platform/db.ts';
import { lockClaimed, updateTurns, type ClaimedAttempt } from '../attempts/dispatchStore.ts';
import { noteServedTurn, readServedTurn } from '../attempts/turnStore.ts';
import { countWaitingOfStoreLately } from './waitingCounts.ts';

/**
 * What is looked at and cannot go, whatever the reason: it waits for another request or for its
 * outcome, its permit's nonce has not come, the chain refuses it, its signer has to wait, or nobody
 * can say what became of it.
 *
 * A look takes a place in a batch, as sending does. The first time an attempt keeps its turn:
 * mostly it can go a block later. When it stands aside again it goes behind by as many turns of its
 * store's, on average, as its store has requests that wait. So what a store has waiting that cannot
 * go takes about as many looks as one that can be sent, however much it is. By how many is drawn by
 * lot, or those that stood aside together would come back together, all of them before whoever came
 * meanwhile. Its store's next requests are not behind it: it waits by itself.
 *
 * Who waits for another request of its own signer is brought forward when that one has moved on
 * (bringForward.ts): it loses nothing by having waited.
 */

/** Whether its next turn is later when it is not chosen: it stood aside, and its time had come. */
export function standsAsideAgain({ asideUntil }: ClaimedAttempt, claimedAt: Date): boolean {
  return asideUntil !== null && asideUntil <= claimedAt;
}

/**
 * Gives claimed attempts their later turns, in the order that they have.
 * @param input.first the first turn of all that were claimed
 * @param input.attempts those that stand aside again
 * @returns the ids of those that were brought forward meanwhile: what they were seen to wait for
 *   may be over
 */
export async function goBehind(
  ctx: Context,
  input: {
    readonly chainId: number;
    readonly claimId: string;
    readonly first: bigint;
    readonly attempts: readonly ClaimedAttempt[];
  },
): Promise<ReadonlySet<string>> {
  const { chainId, claimId, first, attempts } = input;
  if (attempts.length === 0) return new Set();
  const storeIds = [...new Set(attempts.map(({ storeId }) => storeId))];
  const waiting = new Map<string, number>();
  for (const storeId of storeIds)
    waiting.set(storeId, await countWaitingOfStoreLately(ctx, chainId, storeId));
  return inTransaction(ctx.db, async (trx) => {
    const held = await lockClaimed(
      trx,
      claimId,
      attempts.map(({ id }) => id),
    );
    const unmoved = attempts.filter(({ id, turn }) => held.get(id) === turn);
    // The order goes on though nothing is sent: who comes anew begins here, and not before all that
    // was looked at in vain.
    const before = await readServedTurn(trx, chainId);
    const served = before > first ? before : first;
    const turns = new Map<string, bigint>();
    for (const storeId of storeIds) {
      const own = unmoved.filter((one) => one.storeId === storeId);
      const lots = own.map(() => drawLot(ctx, waiting.get(storeId) ?? 1)).sort((a, b) => a - b);
      for (const [index, { id, turn, turnStep }] of own.entries()) {
        // What was taken on before there were turns has no step.
        const step = turnStep > 0n ? turnStep : 1n;
        turns.set(id, (turn > served ? turn : served) + step * BigInt(lots[index] ?? 1));
      }
    }
    await updateTurns(trx, turns);
    await noteServedTurn(trx, chainId, served);
    return new Set(
      attempts.flatMap(({ id, turn }) => (held.has(id) && held.get(id) !== turn ? [id] : [])),
    );
  });
}

/** How many turns; `waiting` of them on average. */
function drawLot(ctx: Context, waiting: number): number {
  return 1 + Math.floor(ctx.random() * 2 * Math.max(1, waiting));
}
