import type { Context } from '../../../platform/context.ts';
import { addMs } from '../../../shared/clock.ts';
import { DONE, later, type WorkResult } from '../../outbox/model.ts';
import { askProvider } from './askProvider.ts';
import { changeTransaction } from '../attempts/changeTransaction.ts';
import { findMined, findMinedIfTold } from '../attempts/findMined.ts';
import type { RelayTransaction } from '../model.ts';

/**
 * How often, and for how long after it would be valid no more, a transaction that carries nothing
 * any more is looked at.
 */
export const ABANDONED_LOOK_MS = 15_000;
const ABANDONED_FOR_MS = 60 * 60_000;

/**
 * Nobody waits for it any more. But as long as it may be mined, what its relayer is given after it
 * waits behind it: until then it counts as that relayer's load, and speaks against it.
 */
export async function followAbandoned(
  ctx: Context,
  transaction: RelayTransaction,
): Promise<WorkResult> {
  const now = ctx.clock.now();
  const isFollowed = now < addMs(transaction.validUntil, ABANDONED_FOR_MS);
  const mined = await (isFollowed ? findMined : findMinedIfTold)(ctx, transaction);
  const isContradicted = mined?.depth.kind === 'contradicted';
  // That it does not wait for a block any more is no matter of depth. That its block is none of the
  // chain's is.
  if (isContradicted && isFollowed) return later(addMs(now, ABANDONED_LOOK_MS));
  if (mined !== undefined && !isContradicted) {
    const { hash, blockNumber, blockHash, gasUsed, effectiveGasPrice } = mined.receipt;
    await changeTransaction(ctx, transaction.id, {
      abandonedAt: null,
      hash,
      blockNumber,
      blockHash,
      gasUsed,
      effectiveGasPrice,
    });
    return DONE;
  }
  const provider = await askProvider(ctx, transaction);
  const mayBeMined =
    provider === 'silent' || (typeof provider === 'object' && provider.state === 'pending');
  if (mayBeMined && isFollowed) return later(addMs(now, ABANDONED_LOOK_MS));
  await changeTransaction(ctx, transaction.id, { abandonedAt: null });
  return DONE;
}
