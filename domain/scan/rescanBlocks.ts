import type { Context } from '../../platform/context.ts';
import { inUnitOfWork } from '../../platform/unitOfWork.ts';
import { AppError } from '../../shared/errors.ts';
import type { Bytes32 } from '../../shared/hex.ts';
import { CHAIN_ERRORS } from '../chain/errors.ts';
import type { RereadReason } from '../chain/model.ts';
import type { ChainPort, GatewayLogs } from '../chain/ports.ts';
import { findChainConfig, getChain } from '../chain/service.ts';
import { judgePlaces, type Place, type Verdict } from './judge/judgePlaces.ts';
import { countReread } from './rereadStore.ts';
import { findCursor, lockCursor } from '../chain/store.ts';
import { observeRefunds } from '../refunds/service.ts';
import { observePayments } from '../payments/observePayments.ts';

/** Events applied by one transaction: few enough not to hold up the scanner and the API. */
const SLICE = 200;

export interface RescanProgress {
  readonly fromBlock: bigint;
  readonly toBlock: bigint;
  readonly found: MissedEvents;
}

/** Heads by which the blocks of one part are looked at: one may be replaced meanwhile. */
const MOST_HEADS = 3;

/** What the scanner had not seen. */
export interface MissedEvents {
  readonly paymentIds: readonly Bytes32[];
  readonly refundIds: readonly string[];
}

/**
 * Reads blocks again that the scanner has passed, and applies what it finds as the scanner does:
 * the same functions, under the cursor's lock. The cursor stays where it is, and so does what these
 * blocks do not show: a log that is missing is no contradiction, since it may be missing at the
 * node alone. A block that the scanner has not passed, or has gone back behind meanwhile, is left
 * to it.
 *
 * @param onPart told of each part of at most `maxBlockRange` blocks
 * @throws AppError `CHAIN_ERRORS.unavailable`; the parts before stay applied, and of this one what
 *   is in blocks that are known to be on the chain
 */
export async function rescanBlocks(
  ctx: Context,
  input: {
    readonly chainId: number;
    readonly fromBlock: bigint;
    readonly toBlock: bigint;
    readonly reason: RereadReason;
    /**
     * Events of the first of these blocks that were found otherwise. They count whatever the node
     * shows now, as long as their block is on the chain.
     */
    readonly known?: GatewayLogs;
  },
  onPart: (progress: RescanProgress) => void = () => undefined,
): Promise<MissedEvents> {
  const { chainId, reason } = input;
  const chain = getChain(ctx, chainId);
  const size = BigInt(findChainConfig(ctx, chainId)?.maxBlockRange ?? 1);
  const all: MissedEvents[] = [];
  if (input.known !== undefined && input.fromBlock <= input.toBlock) {
    // Before the node is asked, which may refuse logs that it has pruned.
    all.push(
      await applyPassed(ctx, chain, {
        fromBlock: input.fromBlock,
        toBlock: input.fromBlock,
        reason,
        logs: input.known,
      }),
    );
  }
  for (let fromBlock = input.fromBlock; fromBlock <= input.toBlock; fromBlock += size) {
    const last = fromBlock + size - 1n;
    const toBlock = last < input.toBlock ? last : input.toBlock;
    const logs = await chain.listGatewayLogs({ fromBlock, toBlock, again: true });
    const found = await applyPassed(ctx, chain, { fromBlock, toBlock, reason, logs });
    await countReread(ctx.db, { chainId, reason, found: 0, ranges: 1, now: ctx.clock.now() });
    onPart({ fromBlock, toBlock, found });
    all.push(found);
  }
  return together(all);
}

/** Those of the logs whose block is on the chain, as the scanner would. */
async function applyPassed(
  ctx: Context,
  chain: ChainPort,
  input: {
    readonly fromBlock: bigint;
    readonly toBlock: bigint;
    readonly reason: RereadReason;
    readonly logs: GatewayLogs;
  },
): Promise<MissedEvents> {
  const { fromBlock, toBlock, reason } = input;
  const { chainId } = chain;
  const { logs, failure } = await keepStanding(ctx, chain, input.logs);
  const found = await apply(ctx, { chainId, toBlock, logs });
  if (found.paymentIds.length + found.refundIds.length > 0)
    await tellFound(ctx, { chainId, fromBlock, toBlock, reason, found });
  if (failure !== undefined) throw failure;
  return found;
}

async function tellFound(
  ctx: Context,
  {
    chainId,
    fromBlock,
    toBlock,
    reason,
    found,
  }: RescanProgress & { readonly chainId: number; readonly reason: RereadReason },
): Promise<void> {
  const count = found.paymentIds.length + found.refundIds.length;
  await countReread(ctx.db, { chainId, reason, found: count, ranges: 0, now: ctx.clock.now() });
  const range = { fromBlock: fromBlock.toString(), toBlock: toBlock.toString() };
  ctx.log.error(
    { chainId, ...range, reason, ...found },
    'payments or refunds were found in blocks that the scanner had passed',
  );
}

function together(parts: readonly MissedEvents[]): MissedEvents {
  return {
    paymentIds: [...new Set(parts.flatMap(({ paymentIds }) => paymentIds))],
    refundIds: [...new Set(parts.flatMap(({ refundIds }) => refundIds))],
  };
}

/** The last block that the scanner has passed; undefined before its first scan. */
export async function findScannedUntil(ctx: Context, chainId: number): Promise<bigint | undefined> {
  const cursor = await findCursor(ctx.db, chainId);
  return cursor && cursor.nextBlock - 1n;
}

/**
 * Without those of blocks that are not on the chain: a node may answer from an old fork, or an old
 * answer may have been kept.
 * @returns with the failure to be thrown in the end when nobody who has the head says what is in
 *   some blocks
 */
async function keepStanding(
  ctx: Context,
  chain: ChainPort,
  logs: GatewayLogs,
): Promise<{ readonly logs: GatewayLogs; readonly failure: AppError | undefined }> {
  const placed = [...logs.payments, ...logs.refunds];
  const standing = new Set<Bytes32>();
  let untold: readonly Place[] = placed;
  let failure: AppError | undefined;
  for (let heads = 0; heads < MOST_HEADS && untold.length > 0; heads++) {
    const judgement = await judgePlaces(chain, await chain.getHead(), untold);
    const judgedAs = (...wanted: readonly Verdict[]) =>
      untold.filter(({ blockHash }) =>
        wanted.some((verdict) => judgement.verdicts.get(blockHash) === verdict),
      );
    for (const { blockHash } of judgedAs('stands')) standing.add(blockHash);
    untold = judgedAs('unknown', 'otherBranch', 'unheard');
    ({ failure } = judgement);
    // Nobody answers at all.
    if ([...judgement.verdicts.values()].every((verdict) => verdict === 'unheard')) break;
  }
  const stands = ({ blockHash }: Place) => standing.has(blockHash);
  const kept = { payments: logs.payments.filter(stands), refunds: logs.refunds.filter(stands) };
  const dropped = placed.length - kept.payments.length - kept.refunds.length - untold.length;
  if (dropped > 0)
    ctx.log.warn(
      { chainId: chain.chainId, dropped },
      'logs of blocks that are not on the chain were left out',
    );
  const [first] = untold;
  if (failure === undefined && first !== undefined) {
    const cause = new Error(`nobody who has the head says what is in block ${first.blockNumber}`);
    failure = new AppError(CHAIN_ERRORS.unavailable, {
      internal: { chainId: chain.chainId },
      cause,
    });
  }
  return { logs: kept, failure };
}

async function apply(
  ctx: Context,
  input: { readonly chainId: number; readonly toBlock: bigint; readonly logs: GatewayLogs },
): Promise<MissedEvents> {
  const { chainId, toBlock, logs } = input;
  const found: MissedEvents[] = [];
  const steps = Math.ceil(Math.max(logs.payments.length, logs.refunds.length) / SLICE);
  for (let step = 0; step < steps; step++) {
    const payments = logs.payments.slice(step * SLICE, (step + 1) * SLICE);
    const refunds = logs.refunds.slice(step * SLICE, (step + 1) * SLICE);
    const unseen = await inUnitOfWork(ctx, async (unit) => {
      const cursor = await lockCursor(unit.trx, chainId);
      if (cursor === undefined || cursor.nextBlock <= toBlock) return undefined;
      const paymentIds = await observePayments(ctx, unit, payments, cursor.headNumber);
      return { paymentIds, refundIds: (await observeRefunds(ctx, unit, refunds)).unseenIds };
    });
    if (unseen !== undefined) found.push(unseen);
  }
  return together(found);
}
