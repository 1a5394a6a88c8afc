import type { RelayerConfig } from '../../platform/config.ts';
import type { Context } from '../../platform/context.ts';
import type { Database, Transaction } from '../../platform/db.ts';
import { inUnitOfWork, type UnitOfWork } from '../../platform/unitOfWork.ts';
import { addMs } from '../../shared/clock.ts';
import { findChainConfig } from '../chain/service.ts';
import { chooseRelayer, decideCircuit, RATE_WINDOW_MS, type RelayerCandidate } from './decide.ts';
import type { RelayerLoad, RelayerRecord } from './model.ts';
import type { SendOutcome } from '../relayers/ports.ts';
import {
  listRelayers,
  lockRelayers,
  readRelayerLoads,
  updateRelayerCircuit,
  type CountedRelayer,
} from './relayerStore.ts';

/** Which relayer may take a transaction now: one, or how long until one may. */
export type FreeRelayer = { readonly relayerId: string } | { readonly waitMs: number };

function relayersOf(ctx: Context, chainId: number): readonly RelayerConfig[] {
  return findChainConfig(ctx, chainId)?.relayers ?? [];
}

function toCandidates(
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
function countedOf({ id, transactionsPerMinute, maxInFlight }: RelayerConfig): CountedRelayer {
  return { id, mostSent: transactionsPerMinute, mostInFlight: maxInFlight };
}

/** A look without a lock; `takeFreeRelayer` decides. */
export async function findFreeRelayer(
  ctx: Context,
  chainId: number,
  db: Database | Transaction = ctx.db,
): Promise<FreeRelayer> {
  const configs = relayersOf(ctx, chainId);
  const ids = configs.map(({ id }) => id);
  const now = ctx.clock.now();
  const [records, loads] = await Promise.all([
    listRelayers(db, ids),
    readRelayerLoads(db, configs.map(countedOf), addMs(now, -RATE_WINDOW_MS)),
  ]);
  return chooseRelayer(toCandidates(configs, records, loads), now, ctx.config.relay.stuckAfterMs);
}

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
  { chainId, records }: LockedRelayers,
): Promise<FreeRelayer> {
  const configs = relayersOf(ctx, chainId);
  const now = ctx.clock.now();
  const loads = await readRelayerLoads(
    unit.trx,
    configs.map(countedOf),
    addMs(now, -RATE_WINDOW_MS),
  );
  const free = chooseRelayer(
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

/** Lets a relayer rest that does not take what it is sent, and brings it back when it does. */
export async function noteSend(
  ctx: Context,
  relayerId: string,
  outcome: SendOutcome,
): Promise<void> {
  const [seen] = await listRelayers(ctx.db, [relayerId]);
  const isWell = seen === undefined || (seen.failures === 0 && seen.restingUntil === null);
  if (isWell && (outcome.kind === 'accepted' || outcome.kind === 'rejected')) return;
  await inUnitOfWork(ctx, async (unit) => {
    const [record] = await lockRelayers(unit.trx, [relayerId]);
    if (record === undefined) return;
    const circuit = decideCircuit(record, outcome, ctx.clock.now());
    await updateRelayerCircuit(unit.trx, { id: relayerId, ...circuit });
    if (circuit.restingUntil !== null)
      ctx.log.warn({ relayerId, ...circuit }, 'the relayer is left alone for a while');
    else if (record.restingUntil !== null) ctx.log.info({ relayerId }, 'the relayer works again');
  });
}
