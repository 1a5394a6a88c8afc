import type { Context } from '../../platform/context.ts';
import { inUnitOfWork } from '../../platform/unitOfWork.ts';
import { AppError } from '../../shared/errors.ts';
import type { Bytes32 } from '../../shared/hex.ts';
import { CHAIN_ERRORS } from '../chain/errors.ts';
import type { RereadReason } from '../chain/model.ts';
import type { ChainPort, GatewayLogs } from '../chain/ports.ts';
import { findChainConfig, getChain } from '../chain/service.ts';
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
 * @throws AppError `CHAIN_ERRORS.unavailable`; the parts before stay applied
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
  const logs = await keepStanding(ctx, chain, input.logs);
  const found = await apply(ctx, { chainId, toBlock, logs });
  const count = found.paymentIds.length + found.refundIds.length;
  if (count === 0) return found;
  await countReread(ctx.db, { chainId, reason, found: count, ranges: 0, now: ctx.clock.now() });
  const range = { fromBlock: fromBlock.toString(), toBlock: toBlock.toString() };
  ctx.log.error(
    { chainId, ...range, reason, ...found },
    'payments or refunds were found in blocks that the scanner had passed',
  );
  return found;
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
 * @throws AppError `CHAIN_ERRORS.unavailable` when nobody who has the head says what is there
 */
async function keepStanding(
  ctx: Context,
  chain: ChainPort,
  logs: GatewayLogs,
): Promise<GatewayLogs> {
  const placed = [...logs.payments, ...logs.refunds];
  if (placed.length === 0) return logs;
  const head = await chain.getHead();
  const standing = new Map<bigint, Bytes32>();
  for (const { blockNumber } of placed) {
    if (standing.has(blockNumber)) continue;
    const block = await chain.findBlockUnder(head, blockNumber);
    if (block === undefined || block === 'otherBranch') {
      const cause = new Error(
        `nobody who has the head ${head.number} says what is in block ${blockNumber}`,
      );
      throw new AppError(CHAIN_ERRORS.unavailable, { internal: { chainId: chain.chainId }, cause });
    }
    standing.set(blockNumber, block.hash);
  }
  const stands = (log: { readonly blockNumber: bigint; readonly blockHash: Bytes32 }) =>
    standing.get(log.blockNumber) === log.blockHash;
  const kept = { payments: logs.payments.filter(stands), refunds: logs.refunds.filter(stands) };
  const dropped = placed.length - kept.payments.length - kept.refunds.length;
  if (dropped > 0)
    ctx.log.warn(
      { chainId: chain.chainId, dropped },
      'logs of blocks that are not on the chain were left out',
    );
  return kept;
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
