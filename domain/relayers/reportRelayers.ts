import type { Context } from '../../platform/context.ts';
import { addMs } from '../../shared/clock.ts';
import type { Address } from '../../shared/hex.ts';
import { decideAlerts } from './state/decideAlerts.ts';
import { RATE_WINDOW_MS, type RelayerAlert, type RelayerStanding } from './model.ts';
import type { ReadLoads } from './ReadLoads.ts';
import { listRelayers } from './state/relayerStore.ts';

/** How one relayer does, from what the workers have written down. */
export interface RelayerReport {
  readonly relayerId: string;
  readonly chainId: number;
  readonly provider: 'defender' | 'ozRelayer' | 'local';
  readonly standing: RelayerStanding;
  readonly draining: boolean;
  /** Left alone by the circuit breaker just now. */
  readonly resting: boolean;
  readonly restingReason: string | null;
  readonly address: Address | null;
  /** Wei, as of the last check. */
  readonly balance: bigint | null;
  /** null: never. */
  readonly checkedAt: Date | null;
  readonly sentInLastMinute: number;
  readonly inFlight: number;
  /** null: nothing is. */
  readonly oldestInFlightSeconds: number | null;
  readonly alerts: readonly RelayerAlert[];
}

/** Asks the database only. */
export async function reportRelayers(ctx: Context, readLoads: ReadLoads): Promise<RelayerReport[]> {
  const configs = ctx.config.chains.flatMap(({ chainId, relayers }) =>
    relayers.map((relayer) => ({ chainId, relayer })),
  );
  const ids = configs.map(({ relayer }) => relayer.id);
  const now = ctx.clock.now();
  const counted = ids.map((id) => ({ id }));
  const [records, loads] = await Promise.all([
    listRelayers(ctx.db, ids),
    readLoads(ctx.db, counted, addMs(now, -RATE_WINDOW_MS)),
  ]);
  return configs.map(({ chainId, relayer }) => {
    const record = records.find(({ id }) => id === relayer.id);
    const load = loads.find(({ relayerId }) => relayerId === relayer.id);
    const oldest = load?.oldestInFlightAt ?? null;
    const oldestInFlightMs = oldest === null ? null : now.getTime() - oldest.getTime();
    const standing = record?.standing ?? 'unknown';
    const balance = record?.balance ?? null;
    const lowBelow = relayer.alertBelowWei ?? record?.lowBelow ?? null;
    const hasStuckNonce = record?.hasStuckNonce ?? false;
    return {
      relayerId: relayer.id,
      chainId,
      provider: relayer.provider,
      standing,
      draining: relayer.draining,
      resting: record?.restingUntil != null && record.restingUntil > now,
      restingReason: record?.restingReason ?? null,
      address: record?.address ?? null,
      balance,
      checkedAt: record?.checkedAt ?? null,
      sentInLastMinute: load?.sent ?? 0,
      inFlight: load?.inFlight ?? 0,
      oldestInFlightSeconds: oldestInFlightMs === null ? null : Math.floor(oldestInFlightMs / 1000),
      alerts: decideAlerts({
        standing,
        balance,
        lowBelow,
        hasStuckNonce,
        oldestInFlightMs,
        stuckAfterMs: ctx.config.relay.stuckAfterMs,
      }),
    };
  });
}
