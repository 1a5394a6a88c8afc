import type { RelayerConfig } from '../../../platform/config.ts';
import type { Context } from '../../../platform/context.ts';
import { findChainConfig } from '../../chain/service.ts';
import type { CountedRelayer, RelayerLoad, RelayerRecord } from '../model.ts';
import type { RelayerCandidate } from './decideRelayer.ts';

export function relayersOf(ctx: Context, chainId: number): readonly RelayerConfig[] {
  return findChainConfig(ctx, chainId)?.relayers ?? [];
}

export function toCandidates(
  configs: readonly RelayerConfig[],
  records: readonly RelayerRecord[],
  loads: readonly RelayerLoad[],
): RelayerCandidate[] {
  return configs.flatMap((limits) => {
    const load = loads.find(({ relayerId }) => relayerId === limits.id);
    return load === undefined
      ? []
      : [{ limits, record: records.find(({ id }) => id === limits.id), load }];
  });
}

/** Up to its limits: with more than that it may not take another one anyway. */
export function countedOf({
  id,
  transactionsPerMinute,
  maxInFlight,
}: RelayerConfig): CountedRelayer {
  return { id, mostSent: transactionsPerMinute, mostInFlight: maxInFlight };
}
