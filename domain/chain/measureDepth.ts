import type { Context } from '../../platform/context.ts';
import { lastFinalBlock } from './decide.ts';
import { AppError } from '../../shared/errors.ts';
import type { Bytes32 } from '../../shared/hex.ts';
import { CHAIN_ERRORS } from './errors.ts';
import type { Block, ChainPort } from './ports.ts';

/**
 * How deep something stands that was seen in a block, by the chain's configuration.
 *
 *   final         what is in the block counts, and the chain has this very block at its height
 *   waiting       for so many more blocks; whether the block is still there was not asked
 *   contradicted  deep enough, but the chain has another block there, or none, or nobody who was
 *                 asked has the head: whoever showed it is on a fork, or whoever
 *                 was asked now. Nothing follows from it
 */
export type Depth =
  | { readonly kind: 'final'; readonly block: Block }
  | { readonly kind: 'waiting'; readonly missingBlocks: number }
  | { readonly kind: 'contradicted' };

/** @throws AppError `CHAIN_ERRORS.unavailable` */
export async function measureDepth(
  ctx: Context,
  chainId: number,
  place: { readonly blockNumber: bigint; readonly blockHash: Bytes32 },
): Promise<Depth> {
  const chain = ctx.chains.get(chainId);
  if (chain === undefined)
    throw new AppError(CHAIN_ERRORS.unavailable, {
      detail: `Chain ${chainId} is not configured any more.`,
    });
  const head = await chain.getHead();
  const last = await findLastFinalBlock(ctx, chain, head);
  if (last === undefined) return { kind: 'waiting', missingBlocks: 1 };
  if (place.blockNumber > last)
    return { kind: 'waiting', missingBlocks: Number(place.blockNumber - last) };
  const block = await chain.findBlockUnder(head, place.blockNumber);
  if (block === undefined || block === 'otherBranch' || block.hash !== place.blockHash)
    return { kind: 'contradicted' };
  return { kind: 'final', block };
}

/**
 * The newest block whose contents count, by the chain's configuration. Negative on a chain that is
 * shorter than what is required.
 */
async function findLastFinalBlock(
  ctx: Context,
  chain: ChainPort,
  head: Block,
): Promise<bigint | undefined> {
  const required =
    ctx.config.chains.find(({ chainId }) => chainId === chain.chainId)?.confirmations ?? 1;
  const finalized = required === 'finalized' ? await chain.getFinalizedNumber() : undefined;
  return lastFinalBlock({ head: head.number, finalized }, required);
}
