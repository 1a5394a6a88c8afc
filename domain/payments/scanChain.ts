import type { ChainConfig } from '../../platform/config.ts';
import type { Context } from '../../platform/context.ts';
import { inUnitOfWork } from '../../platform/unitOfWork.ts';
import type { Block, ChainPort } from '../chain/ports.ts';
import { getChain } from '../chain/service.ts';
import {
  deleteScannedBlocks,
  findCursor,
  listScannedBlocks,
  lockCursor,
  startCursor,
  updateCursor,
  upsertScannedBlock,
  type ChainCursor,
} from '../chain/store.ts';
import type { PaymentProcessedLog } from './model.ts';
import { completePayments, observePayments, withdrawPayments } from './observePayments.ts';
import { listFinalPaymentIds, listPaymentIdsAfterBlock } from './store.ts';

/** Reorganisations up to this depth are followed; block hashes are kept this long. */
const REORG_WINDOW_BLOCKS = 512n;
/** Payments locked by one transaction while completing: enough to be quick, few enough not to hold up API requests. */
const COMPLETION_BATCH = 100;

/**
 * Brings our view of one chain up to its head: finds payments (direct ones too), follows reorganisations, completes what is final. What was
 * missed while we were down is caught up in chunks, each committed by itself.
 *
 * Any number of processes may scan the same chain: the cursor is read, the chain asked, and everything applied in one transaction that first
 * locks the cursor and checks that nobody moved it meanwhile. Who loses that race has only asked the chain in vain.
 */
export async function scanChain(ctx: Context, chainId: number): Promise<void> {
  const config = ctx.config.chains.find((chain) => chain.chainId === chainId);
  if (config === undefined) return;
  const chain = getChain(ctx, chainId);
  let cursor = (await findCursor(ctx.db, chainId)) ?? (await createCursor(ctx, config));
  if (cursor.gateway !== config.gateway) cursor = await createCursor(ctx, config);

  const head = await chain.getHead();
  const start = await findStart(ctx, chain, cursor);
  if (start === 'behind') {
    ctx.log.debug(
      { chainId, scannedUntil: (cursor.nextBlock - 1n).toString() },
      'the node is behind what was scanned: nothing to learn from it',
    );
    return;
  }
  let from = start;
  const isReorg = from < cursor.nextBlock;
  if (isReorg)
    ctx.log.warn({ chainId, fromBlock: from.toString(), wasAt: cursor.nextBlock.toString() }, 'the chain reorganised: scanning again');

  let expected = cursor.nextBlock;
  let withdrawAfter = isReorg ? from - 1n : undefined;
  while (from <= head.number) {
    const logsFrom = withOverlap(from, config);
    const to = min(head.number, logsFrom + BigInt(config.maxBlockRange) - 1n);
    // Asked before the logs: should the chain change in between, the hash stored here is not the next scan's, and that one looks again.
    const last = to === head.number ? head : await chain.findBlock(to);
    if (last === undefined) return;
    const logs = await chain.listPaymentLogs({ fromBlock: logsFrom, toBlock: to });
    const moved = await applyScan(ctx, { chainId, expected, logs, last, head, withdrawAfter });
    if (!moved) return;
    expected = to + 1n;
    from = expected;
    withdrawAfter = undefined;
  }
  await completeFinal(ctx, config, head);
}

async function createCursor(ctx: Context, config: ChainConfig): Promise<ChainCursor> {
  const { chainId, gateway, startBlock } = config;
  await inUnitOfWork(ctx, async ({ trx }) => {
    const existing = await lockCursor(trx, chainId);
    if (existing?.gateway === gateway) return;
    await startCursor(trx, { chainId, gateway, startBlock: BigInt(startBlock), now: ctx.clock.now() });
    // They say nothing about where the new gateway's scan stands.
    await deleteScannedBlocks(trx, chainId, { after: -1n });
  });
  const cursor = await findCursor(ctx.db, chainId);
  if (cursor === undefined) throw new Error(`the cursor of chain ${chainId} is gone`);
  return cursor;
}

/**
 * The first block to scan: the cursor's next one, or an earlier one when a block that was scanned was replaced by another.
 *
 * `behind`: the chain has less than what was scanned and shows no other block in its place. Most likely a node that lags; and a chain that did get
 * shorter will show other blocks as soon as it grows. Nothing is withdrawn for blocks that are merely missing.
 */
async function findStart(ctx: Context, chain: ChainPort, cursor: ChainCursor): Promise<bigint | 'behind'> {
  const { chainId, nextBlock } = cursor;
  let oldestReplaced: bigint | undefined;
  const findShared = async (scannedBlocks: readonly { readonly number: bigint; readonly hash: string }[]) => {
    for (const scanned of scannedBlocks) {
      const found = await chain.findBlock(scanned.number);
      if (found?.hash === scanned.hash) return scanned;
      if (found !== undefined) oldestReplaced = scanned.number;
    }
    return undefined;
  };

  const latest = await listScannedBlocks(ctx.db, chainId, 1);
  if (latest.length === 0 || (await findShared(latest)) !== undefined) return nextBlock;
  const shared = await findShared((await listScannedBlocks(ctx.db, chainId, Number(REORG_WINDOW_BLOCKS) + 1)).slice(1));
  if (oldestReplaced === undefined) return 'behind';
  if (shared !== undefined) return shared.number + 1n;
  ctx.log.error({ chainId, oldestBlock: oldestReplaced.toString() }, 'the chain reorganised deeper than the window that is followed');
  return oldestReplaced;
}

interface Scan {
  readonly chainId: number;
  /** Where the cursor must still stand. */
  readonly expected: bigint;
  readonly logs: readonly PaymentProcessedLog[];
  /** The last block that was scanned. */
  readonly last: Block;
  readonly head: Block;
  /** Everything seen in later blocks than this one is to be withdrawn, unless `logs` shows it again. */
  readonly withdrawAfter: bigint | undefined;
}

/** @returns false when another scanner was quicker */
async function applyScan(ctx: Context, scan: Scan): Promise<boolean> {
  const { chainId, logs, last, head, withdrawAfter } = scan;
  return inUnitOfWork(ctx, async (unit) => {
    const cursor = await lockCursor(unit.trx, chainId);
    if (cursor?.nextBlock !== scan.expected) return false;
    if (withdrawAfter !== undefined) {
      const shownAgain = new Set(logs.map((log) => log.paymentId));
      const gone = (await listPaymentIdsAfterBlock(unit.trx, chainId, withdrawAfter)).filter((id) => !shownAgain.has(id));
      await withdrawPayments(ctx, unit, gone);
      await deleteScannedBlocks(unit.trx, chainId, { after: withdrawAfter });
    }
    await observePayments(ctx, unit, logs, head.number);
    await upsertScannedBlock(unit.trx, chainId, last.number, last.hash);
    await deleteScannedBlocks(unit.trx, chainId, { before: last.number - REORG_WINDOW_BLOCKS });
    await updateCursor(
      unit.trx,
      { chainId, nextBlock: last.number + 1n, scannedTimestamp: last.timestamp, headNumber: head.number },
      ctx.clock.now(),
    );
    return true;
  });
}

async function completeFinal(ctx: Context, config: ChainConfig, head: Block): Promise<void> {
  const maxBlock = head.number - BigInt(config.confirmations) + 1n;
  if (maxBlock < 0n) return;
  for (;;) {
    const paymentIds = await listFinalPaymentIds(ctx.db, config.chainId, maxBlock, COMPLETION_BATCH);
    if (paymentIds.length === 0) return;
    await inUnitOfWork(ctx, (unit) => completePayments(ctx, unit, paymentIds, head.number));
    if (paymentIds.length < COMPLETION_BATCH) return;
  }
}

/**
 * A few blocks are asked for again, though they were scanned: behind one RPC URL there may be several nodes, and one that lags behind answers with fewer
 * logs and no error. What was seen before changes nothing.
 */
function withOverlap(from: bigint, config: ChainConfig): bigint {
  // Within the most blocks that may be asked for at once, of which at least half are to be new.
  const overlap = Math.min(config.confirmations, Math.floor(config.maxBlockRange / 2));
  const start = from - BigInt(overlap);
  const first = BigInt(config.startBlock);
  return start > first ? start : min(first, from);
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
