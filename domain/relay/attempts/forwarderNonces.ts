import type { Context } from '../../../platform/context.ts';
import { addMs } from '../../../shared/clock.ts';
import { AppError } from '../../../shared/errors.ts';
import type { Address } from '../../../shared/hex.ts';
import { CHAIN_ERRORS } from '../../chain/errors.ts';
import type { ChainPort } from '../../chain/ports.ts';
import { listKnownBlocks } from '../../chain/service.ts';
import { findLatestEnd, listLiveNonces } from './attemptStore.ts';
import { decideNextNonce } from './decideNextNonce.ts';
import type { ForwardRequest } from '../../chain/contractModel.ts';

/**
 * What the chain has as a payer's next forwarder nonce. A URL that lags has one that is used by
 * now: its customers would sign in vain, or be told that what they have signed comes too early.
 */

/**
 * Whether a request of the payer ended so short a time ago that the URL that is asked may not know
 * of it.
 */
export async function hasJustEnded(
  ctx: Context,
  chainId: number,
  payer: Address,
): Promise<boolean> {
  const endedAt = await findLatestEnd(ctx.db, chainId, payer);
  return endedAt !== undefined && ctx.clock.now() < addMs(endedAt, ctx.config.relay.refusalGraceMs);
}

/** @throws AppError `CHAIN_ERRORS.unavailable` */
export async function askChainNonce(
  ctx: Context,
  chain: ChainPort,
  payer: Address,
): Promise<bigint> {
  const since = (await hasJustEnded(ctx, chain.chainId, payer))
    ? await listKnownBlocks(ctx, chain.chainId)
    : undefined;
  return chain.getForwarderNonce(payer, since);
}

/**
 * The same for a request that is handed in: that its nonce is not the next one is no word of a URL
 * that lags. @throws AppError `CHAIN_ERRORS.unavailable`
 */
export async function askNonceFor(
  ctx: Context,
  chain: ChainPort,
  { from: payer, nonce }: ForwardRequest,
): Promise<bigint> {
  const found = await askChainNonce(ctx, chain, payer);
  const isNext =
    decideNextNonce(found, await listLiveNonces(ctx.db, chain.chainId, payer)) === nonce;
  return isNext ? found : chain.getForwarderNonce(payer, await listKnownBlocks(ctx, chain.chainId));
}

/** Whether the chain is at this nonce and no further, as those say that know the chain as we do. */
export async function isSurelyAt(
  ctx: Context,
  chain: ChainPort,
  payer: Address,
  nonce: bigint,
): Promise<boolean> {
  try {
    return (
      (await chain.getForwarderNonce(payer, await listKnownBlocks(ctx, chain.chainId))) <= nonce
    );
  } catch (error) {
    if (error instanceof AppError && error.code === CHAIN_ERRORS.unavailable.code) return false;
    throw error;
  }
}
