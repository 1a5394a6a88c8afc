import type { Context } from '../../../platform/context.ts';
import { inTransaction, type Transaction } from '../../../platform/db.ts';
import type { Address } from '../../../shared/hex.ts';
import { endStandingAside, listAside, tryLockTurns, updateTurns } from './dispatchStore.ts';
import { signerOf, type RelayAttempt } from '../model.ts';
import { readServedTurn } from './turnStore.ts';

/**
 * Those that stood aside while another request of their signer was on its way go on when that one
 * is in a block, or has ended: before those whose turn it is, as they would have gone had they not
 * waited (goBehind.ts).
 */

/**
 * Of those without an order of their own one can go at a time, the one with the next permit; which
 * one that is, the token knows.
 */
const MOST_WITHOUT_ORDER = 2;

/**
 * For a transition that was just saved. Attempts are locked here after others, against the order:
 * those that somebody has locked are passed over.
 * @param before,now the same attempts, in the same order
 */
export async function bringFollowersForward(
  db: Transaction,
  before: readonly RelayAttempt[],
  now: readonly RelayAttempt[],
): Promise<void> {
  const moved = now.filter((attempt, index) => hasMovedOn(before[index] ?? attempt, attempt));
  for (const chainId of new Set(moved.map((attempt) => attempt.chainId))) {
    const signers = [
      ...new Set(
        moved
          .filter((attempt) => attempt.chainId === chainId)
          .map(({ signed }) => signerOf(signed)),
      ),
    ];
    const counts = new Map<string, number>();
    const followers = (await listAside(db, { chainId, signers })).filter(({ signer, rail }) => {
      if (rail === 'forwarder') return true;
      const count = (counts.get(signer) ?? 0) + 1;
      counts.set(signer, count);
      return count <= MOST_WITHOUT_ORDER;
    });
    await moveForward(db, chainId, followers);
  }
}

/** One that only seemed to have to wait. */
export async function bringForward(
  ctx: Context,
  { id, chainId, signed }: RelayAttempt,
): Promise<void> {
  await inTransaction(ctx.db, (trx) =>
    moveForward(trx, chainId, [{ id, signer: signerOf(signed) }]),
  );
}

/**
 * Just before those whose turn it is, each signer's with one turn, so that they are in the order in
 * which they came. One that is being chosen keeps its claim, and is not put behind when it is not
 * chosen.
 */
async function moveForward(
  db: Transaction,
  chainId: number,
  followers: readonly { readonly id: string; readonly signer: Address }[],
): Promise<void> {
  const held = await tryLockTurns(
    db,
    followers.map(({ id }) => id),
  );
  if (held.size === 0) return;
  const served = await readServedTurn(db, chainId);
  const turns = new Map<string, bigint>();
  for (const signer of new Set(followers.map((one) => one.signer))) {
    const own = followers.filter((one) => one.signer === signer && held.has(one.id));
    const first = own.reduce(
      (least, { id }) => ((held.get(id) ?? least) < least ? (held.get(id) ?? least) : least),
      served,
    );
    for (const { id } of own) turns.set(id, first > 0n ? first - 1n : 0n);
  }
  await updateTurns(db, turns);
  await endStandingAside(db, [...turns.keys()]);
}

/** It was sent, and what it did or did not shows from now on. */
function hasMovedOn(before: RelayAttempt, now: RelayAttempt): boolean {
  if (before.sends === 0 || before.status === 'mined') return false;
  return now.status === 'mined' || now.status === 'succeeded' || now.status === 'failed';
}
