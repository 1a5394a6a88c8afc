import type { Context } from '../../../platform/context.ts';
import { findChainConfig, getChain } from '../../chain/service.ts';

/** Only asked for where a budget is in wei. */
export async function findGasPrice(ctx: Context, chainId: number): Promise<bigint | undefined> {
  const limits = findChainConfig(ctx, chainId)?.relayLimits;
  if (
    limits?.gasBudgetPerStorePerDayWei === undefined &&
    limits?.gasBudgetPerPayerPerDayWei === undefined
  )
    return undefined;
  return getChain(ctx, chainId).getGasPrice();
}
