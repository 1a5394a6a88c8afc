import type { Context } from '../../platform/context.ts';
import type { UnitOfWork } from '../../platform/unitOfWork.ts';
import { addMs } from '../../shared/clock.ts';
import type { FreeRelayer } from './findFreeRelayer.ts';
import { RATE_WINDOW_MS, type RelayerRecord } from './model.ts';
import type { ReadLoads } from './ReadLoads.ts';
import { countedOf, relayersOf, toCandidates } from './state/candidates.ts';
import { decideRelayer } from './state/decideRelayer.ts';
import { lockRelayers, updateRelayerCircuit } from './state/relayerStore.ts';

/**
 * A chain's relayers, locked in this unit of work: what they are given is decided by one after the
 * other.
 */
export interface LockedRelayers {
  readonly chainId: number;
  readonly records: readonly RelayerRecord[];
}

export async function lockRelayersOf(
  ctx: Context,
  unit: UnitOfWork,
  chainId: number,
): Promise<LockedRelayers> {
  const ids = relayersOf(ctx, chainId).map(({ id }) => id);
  return { chainId, records: await lockRelayers(unit.trx, ids) };
}

/**
 * Chooses a relayer for a transaction that is inserted in this unit of work in any case, and counts
 * towards its limits for everybody after it: one whose rest is over is on trial from then on.
 */
export async function takeFreeRelayer(
  ctx: Context,
  unit: UnitOfWork,
  readLoads: ReadLoads,
  { chainId, records }: LockedRelayers,
): Promise<FreeRelayer> {
  const configs = relayersOf(ctx, chainId);
  const now = ctx.clock.now();
  const loads = await readLoads(unit.trx, configs.map(countedOf), addMs(now, -RATE_WINDOW_MS));
  const free = decideRelayer(
    toCandidates(configs, records, loads),
    now,
    ctx.config.relay.stuckAfterMs,
  );
  if ('waitMs' in free) return free;
  const record = records.find(({ id }) => id === free.relayerId);
  if (record !== undefined && record.restingUntil !== null) {
    // This transaction is to show whether it works again, and the others wait for that.
    await updateRelayerCircuit(unit.trx, {
      ...record,
      restingUntil: addMs(now, 2 * ctx.config.relay.timeoutMs),
    });
  }
  return free;
}
