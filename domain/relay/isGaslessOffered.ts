import type { Context } from '../../platform/context.ts';
import { findChainConfig } from '../chain/service.ts';

/**
 * Whether the configuration has a relayer there that is not being drained. It may be out of service
 * all the same; then requests wait for it.
 */
export function isGaslessOffered(ctx: Context, chainId: number): boolean {
  return findChainConfig(ctx, chainId)?.relayers.some(({ draining }) => !draining) ?? false;
}
