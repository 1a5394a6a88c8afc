import type { ChainConfig } from '../../../platform/config.ts';
import type { Context } from '../../../platform/context.ts';
import { inUnitOfWork, type UnitOfWork } from '../../../platform/unitOfWork.ts';
import type { Bytes32 } from '../../../shared/hex.ts';
import { sideBySide } from '../../../shared/sideBySide.ts';
import type { Block, GatewayLogs } from '../../chain/ports.ts';
import { getChain } from '../../chain/service.ts';
import {
  holdCursor,
  lockCursor,
  pruneScannedBlocks,
  updateCursor,
  upsertScannedBlock,
  type BlockSpan,
  type ChainCursor,
  type ScanHalt,
} from '../../chain/store.ts';
import type { RefundProcessedLog } from '../../chain/contractModel.ts';
import {
  listRefundPlaces,
  observeRefunds,
  withdrawRefunds,
  type RefundPlace,
} from '../../refunds/service.ts';
import { REORG_WINDOW_BLOCKS } from './findScanStart.ts';
import { areAgreedGone, judgePlaces } from '../judge/judgePlaces.ts';
import { isSamePlace } from './moveBack.ts';
import { observePayments, withdrawPayments } from '../../payments/observePayments.ts';
import { seenLogsOf, type SeenLogs } from './seenLogs.ts';
import { listPlacesInBlocks, type PaymentPlace } from '../../payments/store.ts';

/**
 * Payments that one transaction changes. A payment and the event that tells of it are some 30 kB at
 * most, so a transaction writes a few megabytes at most; and who wants to change one of these
 * payments waits for a part of a second.
 */
const SLICE = 500;
/** The database writes one slice while this process reads and puts together another. */
const SLICES_AT_ONCE = 3;

/** What was read of some blocks. */
export interface ScannedChunk {
  readonly logs: GatewayLogs;
  /** The last block that was scanned. */
  readonly last: Block;
  readonly head: Block;
}

/**
 * Applies what the chain shows of some blocks, in slices: a chunk may hold any number of payments.
 * Each slice is a transaction that holds the cursor and checks that nobody has moved it; the cursor
 * moves with the last one, after all the others. After a crash in between the whole chunk is read
 * again, and what was applied of it changes nothing: what counts is where an event stands.
 *
 * First goes what was seen in blocks that were replaced since and is not found again, unless that
 * is more than may be withdrawn: then the scan waits for an operator, since it may be that not the
 * chain has changed, but who is asked about it. Nor does anything go while as many RPC URLs have
 * such a block as have another in its place.
 * @returns the cursor as it is then; undefined when the scan does not go on: another one was
 *   quicker, the RPC URLs (or the nodes behind one) do not agree, or it waits for an operator
 */
export async function applyScan(
  ctx: Context,
  config: ChainConfig,
  start: ChainCursor,
  chunk: ScannedChunk,
): Promise<ChainCursor | undefined> {
  const isLastChunk = chunk.last.number === chunk.head.number;
  const cursor =
    start.withdraw === null
      ? start
      : await withdrawGone(ctx, config, start, start.withdraw, { ...chunk, isLastChunk });
  if (cursor === undefined) return undefined;
  return applyLogs(ctx, cursor, chunk);
}

async function applyLogs(
  ctx: Context,
  cursor: ChainCursor,
  chunk: ScannedChunk,
): Promise<ChainCursor | undefined> {
  const seen = seenLogsOf(ctx, cursor);
  const payments = chunk.logs.payments.filter((log) => !seen.has(log));
  const refunds = chunk.logs.refunds.filter((log) => !seen.has(log));
  const paymentSlices = toSlices(payments);
  const refundSlices = toSlices(refunds);
  const lastSlice: ObservedSlice = {
    payments: paymentSlices.pop() ?? [],
    refunds: refundSlices.pop() ?? [],
  };

  let isOvertaken = false;
  async function applySlice(slice: ObservedSlice): Promise<void> {
    if (isOvertaken) return;
    const unclaimed = await underCursor(ctx, cursor, holdCursor, (unit) =>
      observeSlice(ctx, unit, slice, chunk.head),
    );
    if (unclaimed === undefined) isOvertaken = true;
    else remember(ctx, seen, slice, unclaimed);
  }
  // Refunds lock payments too, which may be those of any slice: they go by themselves.
  const earlier = paymentSlices.map((slice): ObservedSlice => ({ payments: slice, refunds: [] }));
  await sideBySide(earlier, SLICES_AT_ONCE, applySlice);
  await sideBySide(
    refundSlices.map((slice): ObservedSlice => ({ payments: [], refunds: slice })),
    1,
    applySlice,
  );
  if (isOvertaken) return undefined;

  const moved = await underCursor(ctx, cursor, lockCursor, async (unit, locked) => {
    const unclaimed = await observeSlice(ctx, unit, lastSlice, chunk.head);
    return { unclaimed, cursor: await moveCursor(ctx, unit, locked, chunk) };
  });
  if (moved !== undefined) remember(ctx, seen, lastSlice, moved.unclaimed);
  return moved?.cursor;
}

type ObservedSlice = GatewayLogs;

/** @returns the refunds that are none of ours */
async function observeSlice(
  ctx: Context,
  unit: UnitOfWork,
  { payments, refunds }: ObservedSlice,
  head: Block,
): Promise<readonly RefundProcessedLog[]> {
  await observePayments(ctx, unit, payments, head.number);
  return (await observeRefunds(ctx, unit, refunds)).unclaimed;
}

/**
 * What was applied is not looked up again. A refund that is none of ours is: its merchant may have
 * sent the signature itself while its request to us was under way, which saves the refund only
 * then.
 */
function remember(
  ctx: Context,
  seen: SeenLogs,
  slice: ObservedSlice,
  unclaimed: readonly RefundProcessedLog[],
): void {
  const others = new Set(unclaimed);
  seen.add([...slice.payments, ...slice.refunds.filter((log) => !others.has(log))]);
  for (const { paymentId, txHash } of seen.addUnclaimed(unclaimed)) {
    ctx.log.info({ paymentId, txHash }, 'the chain shows a refund that was made without us');
  }
}

function toSlices<T>(items: readonly T[]): T[][] {
  return Array.from({ length: Math.ceil(items.length / SLICE) }, (_, slice) =>
    items.slice(slice * SLICE, (slice + 1) * SLICE),
  );
}

/**
 * Runs work in a transaction that holds the cursor.
 *
 * @param take holdCursor when the work leaves the cursor as it is, else lockCursor
 * @returns undefined, without running it, when somebody has moved the cursor since it was read
 */
function underCursor<T>(
  ctx: Context,
  expected: ChainCursor,
  take: typeof lockCursor,
  work: (unit: UnitOfWork, cursor: ChainCursor) => Promise<T>,
): Promise<T | undefined> {
  return inUnitOfWork(ctx, async (unit) => {
    const cursor = await take(unit.trx, expected.chainId);
    return cursor === undefined || !isSamePlace(cursor, expected) ? undefined : work(unit, cursor);
  });
}

async function moveCursor(
  ctx: Context,
  unit: UnitOfWork,
  cursor: ChainCursor,
  { last, head }: ScannedChunk,
): Promise<ChainCursor> {
  const { chainId, withdraw } = cursor;
  await upsertScannedBlock(unit.trx, chainId, last.number, last.hash);
  await pruneScannedBlocks(unit.trx, chainId, last.number - REORG_WINDOW_BLOCKS);
  const isLastChunk = last.number === head.number;
  const isWithdrawn = withdraw === null || isLastChunk || withdraw.until <= last.number;
  // Whatever stood above the head was withdrawn, if that was to be: nothing stands there any more.
  const isEmptyAbove = isLastChunk && withdraw !== null && withdraw.until >= cursor.highestBlock;
  const moved: ChainCursor = {
    ...cursor,
    nextBlock: last.number + 1n,
    highestBlock:
      isEmptyAbove || last.number > cursor.highestBlock ? last.number : cursor.highestBlock,
    withdraw: isWithdrawn
      ? null
      : { after: max(withdraw.after, last.number), until: withdraw.until },
    withdrawn: isWithdrawn ? 0 : cursor.withdrawn,
    withdrawalsAllowed: isWithdrawn ? null : cursor.withdrawalsAllowed,
    halt: null,
    scannedTimestamp: last.timestamp,
    headNumber: head.number,
  };
  await updateCursor(unit.trx, moved, ctx.clock.now());
  return moved;
}

/** @returns the cursor as it is then; undefined when the scan does not go on */
async function withdrawGone(
  ctx: Context,
  config: ChainConfig,
  start: ChainCursor,
  withdraw: BlockSpan,
  { logs, last, head, isLastChunk }: ScannedChunk & { readonly isLastChunk: boolean },
): Promise<ChainCursor | undefined> {
  const { chainId } = start;
  // The last chunk takes what the shorter chain has no blocks for any more with it.
  const until = isLastChunk || withdraw.until < last.number ? withdraw.until : last.number;
  const blocks = { after: max(withdraw.after, start.nextBlock - 1n), until };
  const found = new Set(logs.payments.map(({ paymentId }) => paymentId));
  const hidden = {
    payments: (await listPlacesInBlocks(ctx.db, chainId, blocks)).filter(
      ({ paymentId }) => !found.has(paymentId),
    ),
    refunds: await listRefundPlaces(ctx, { chainId, blocks, notIn: logs.refunds }),
  };
  // A block that stands holds what it held, whatever this one answer shows: a span has such blocks
  // between those that were replaced.
  const { verdicts, failure } = await judgePlaces(getChain(ctx, chainId), head, [
    ...hidden.payments,
    ...hidden.refunds,
  ]);
  if (failure !== undefined) throw failure;
  if ([...verdicts.values()].includes('otherBranch')) {
    ctx.log.warn(
      { chainId },
      'no RPC URL that answers has the head that was given a moment ago: nothing is withdrawn for now',
    );
    return undefined;
  }
  const mayBeGone = ({ blockHash }: { readonly blockHash: Bytes32 }) =>
    verdicts.get(blockHash) !== 'stands';
  const payments = hidden.payments.filter(mayBeGone);
  const refunds = hidden.refunds.filter(mayBeGone);
  const kept = hidden.payments.length + hidden.refunds.length - payments.length - refunds.length;
  if (kept > 0)
    ctx.log.warn(
      { chainId, kept },
      'logs do not show events whose blocks are on the chain: nothing is withdrawn for that',
    );

  const gone = [...payments, ...refunds];
  const wanted = start.withdrawn + gone.length;
  const allowed = start.withdrawalsAllowed ?? config.maxWithdrawals;
  const isTooMany = wanted > allowed;
  if (gone.length > 0 && !(await areAgreedGone(getChain(ctx, chainId), gone, isTooMany))) {
    ctx.log.warn(
      { chainId, count: gone.length },
      'RPC URLs do not agree whether events are off the chain: nothing is withdrawn for now',
    );
    return undefined;
  }
  if (isTooMany) {
    await haltScan(ctx, start, { reason: 'withdrawals', count: wanted });
    return undefined;
  }
  const slices = Math.max(Math.ceil(payments.length / SLICE), Math.ceil(refunds.length / SLICE));
  let cursor = start;
  for (let slice = 0; slice < slices; slice++) {
    const [from, to] = [slice * SLICE, (slice + 1) * SLICE];
    const moved = await underCursor(ctx, cursor, lockCursor, async (unit, locked) => {
      const part = {
        payments: payments.slice(from, to),
        refunds: refunds.slice(from, to),
        settledTime: locked.settled?.time,
      };
      const withdrawn = await withdrawSlice(ctx, unit, part);
      if (withdrawn === 0) return locked;
      // What any process remembers as applied may be among it: shown again, it is to be applied
      // again.
      const next = {
        ...locked,
        withdrawn: locked.withdrawn + withdrawn,
        generation: locked.generation + 1,
      };
      await updateCursor(unit.trx, next, ctx.clock.now());
      return next;
    });
    if (moved === undefined) return undefined;
    cursor = moved;
  }
  return cursor;
}

async function withdrawSlice(
  ctx: Context,
  unit: UnitOfWork,
  slice: {
    readonly payments: readonly PaymentPlace[];
    readonly refunds: readonly RefundPlace[];
    readonly settledTime: Date | undefined;
  },
): Promise<number> {
  const { payments, refunds, settledTime } = slice;
  const gone = new Map<Bytes32, Bytes32>(
    payments.map(({ paymentId, blockHash }) => [paymentId, blockHash]),
  );
  return (
    (await withdrawPayments(ctx, unit, gone, settledTime)) +
    (await withdrawRefunds(ctx, unit, refunds))
  );
}

/**
 * Remembers that the scan waits for an operator, and says so once. It looks again with every scan,
 * and goes on when the cause is gone.
 */
export async function haltScan(
  ctx: Context,
  cursor: ChainCursor,
  { reason, count }: Pick<ScanHalt, 'reason' | 'count'>,
): Promise<void> {
  const isNew = await underCursor(ctx, cursor, lockCursor, async ({ trx }, locked) => {
    if (locked.halt?.reason === reason && locked.halt.count === count) return false;
    const now = ctx.clock.now();
    await updateCursor(
      trx,
      { ...locked, halt: { reason, count, at: locked.halt?.at ?? now } },
      now,
    );
    return true;
  });
  if (isNew !== true) return;
  const { chainId } = cursor;
  ctx.log.error(
    { alert: 'scan_halted', chainId, reason, count },
    reason === 'withdrawals'
      ? 'the chain does not show more payments and refunds than may be withdrawn at once: nothing is withdrawn, and the scan waits for an operator'
      : 'none of the blocks that were scanned is on the chain: another chain, or begun anew; the scan waits for an operator',
  );
}

function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
