import type { Context } from '../../platform/context.ts';
import { inTransaction, type Transaction } from '../../platform/db.ts';
import { listAside, moveForward } from './dispatchStore.ts';
import { signerOf, type RelayAttempt } from './model.ts';
import { readServedTurn } from './turnStore.ts';

/**
 * Those that stood aside while another request of their signer was on its way go on when that one is in a block, or has ended: before those whose turn it is, as they
 * would have gone had they not waited (goBehind.ts).
 */

/** Of those without an order of their own one can go at a time, the one with the next permit; which one that is, the token knows. */
const MOST_WITHOUT_ORDER = 2;

/**
 * For a transition that was just saved. Attempts are locked here after others, against the order: those that somebody has locked are passed over.
 * @param before,now the same attempts, in the same order
 */
export async function bringFollowersForward(db: Transaction, before: readonly RelayAttempt[], now: readonly RelayAttempt[]): Promise<void> {
  const moved = now.filter((attempt, index) => hasMovedOn(before[index] ?? attempt, attempt));
  for (const chainId of new Set(moved.map((attempt) => attempt.chainId))) {
    const signers = [...new Set(moved.filter((attempt) => attempt.chainId === chainId).map(({ signed }) => signerOf(signed)))];
    const counts = new Map<string, number>();
    const followers = (await listAside(db, { chainId, signers })).filter(({ signer, rail }) => {
      if (rail === 'forwarder') return true;
      const count = (counts.get(signer) ?? 0) + 1;
      counts.set(signer, count);
      return count <= MOST_WITHOUT_ORDER;
    });
    if (followers.length === 0) continue;
    await moveForward(
      db,
      followers.map(({ id }) => id),
      await readServedTurn(db, chainId),
    );
  }
}

/** One that only seemed to have to wait. */
export async function bringForward(ctx: Context, { id, chainId }: RelayAttempt): Promise<void> {
  await inTransaction(ctx.db, async (trx) => moveForward(trx, [id], await readServedTurn(trx, chainId)));
}

/** It was sent, and what it did or did not shows from now on. */
function hasMovedOn(before: RelayAttempt, now: RelayAttempt): boolean {
  if (before.sends === 0 || before.status === 'mined') return false;
  return now.status === 'mined' || now.status === 'succeeded' || now.status === 'failed';
}
