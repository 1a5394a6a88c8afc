import type { Context } from '../../platform/context.ts';
import { inTransaction } from '../../platform/db.ts';
import { lockClaimed, updateTurns, type ClaimedAttempt } from './dispatchStore.ts';
import { noteServedTurn, readServedTurn, takeTurns } from './turnStore.ts';

/**
 * What is looked at and cannot go, whatever the reason: it waits for another request or for its outcome, its permit's nonce has not come, the chain refuses it, its
 * signer has to wait, or nobody can say what became of it.
 *
 * A look takes a place in a batch, as sending does. The first time an attempt keeps its turn: mostly it can go a block later. When it stands aside again it takes its
 * store's next turn, as if it came now. So what a store has waiting that cannot go takes no more looks than the store has turns, however much that is; others go
 * on; and it is behind what its store has waiting, not behind whatever comes.
 *
 * Who waits for another request of its own signer is brought forward when that one has moved on (bringForward.ts): it loses nothing by having waited.
 */

/** Whether its next turn is later when it is not chosen: it stood aside, and its time had come. */
export function standsAsideAgain({ asideUntil }: ClaimedAttempt, claimedAt: Date): boolean {
  return asideUntil !== null && asideUntil <= claimedAt;
}

/**
 * Gives claimed attempts their stores' next turns, in the order that they have.
 * @param input.first the first turn of all that were claimed
 * @param input.attempts those that stand aside again
 * @returns the ids of those that were brought forward meanwhile: what they were seen to wait for may be over
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
  return inTransaction(ctx.db, async (trx) => {
    const ids = attempts.map(({ id }) => id);
    const held = await lockClaimed(trx, claimId, ids);
    const unmoved = attempts.filter(({ id, turn }) => held.get(id) === turn);
    // The order goes on though nothing is sent: who comes anew begins here, and not before all that was looked at in vain.
    const before = await readServedTurn(trx, chainId);
    const served = before > first ? before : first;
    const turns = new Map<string, bigint>();
    for (const storeId of [...new Set(unmoved.map((one) => one.storeId))].sort()) {
      const own = unmoved.filter((one) => one.storeId === storeId);
      const span = own.reduce((sum, one) => sum + stepOf(one), 0n);
      let turn = await takeTurns(trx, { chainId, storeId, served, span });
      for (const one of own) turns.set(one.id, (turn += stepOf(one)));
    }
    await updateTurns(trx, turns);
    await noteServedTurn(trx, chainId, served);
    return new Set(attempts.flatMap(({ id, turn }) => (held.has(id) && held.get(id) !== turn ? [id] : [])));
  });
}

/** What was taken on before there were turns has none. */
function stepOf({ turnStep }: ClaimedAttempt): bigint {
  return turnStep > 0n ? turnStep : 1n;
}
