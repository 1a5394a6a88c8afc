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
import { listFinalPayments, listPaymentIdsInBlocks, type FinalCandidate } from './store.ts';

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
  const start = await findStart(ctx, chain, cursor, BigInt(config.startBlock));
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
  // What stood in the blocks that are scanned again, each chunk's in its own transaction.
  let withdrawAfter = isReorg ? from - 1n : undefined;
  const withdrawUntil = cursor.nextBlock - 1n;
  while (from <= head.number) {
    const logsFrom = withOverlap(from, config);
    const to = min(head.number, logsFrom + BigInt(config.maxBlockRange) - 1n);
    // Asked before the logs: should the chain change in between, the hash stored here is not the next scan's, and that one looks again.
    const last = to === head.number ? head : await chain.findBlock(to);
    if (last === undefined) return;
    const logs = await chain.listPaymentLogs({ fromBlock: logsFrom, toBlock: to });
    const isLastChunk = to === head.number;
    const moved = await applyScan(ctx, {
      chainId,
      expected,
      logs,
      last,
      head,
      // The last chunk takes what the shorter chain has no blocks for any more with it.
      withdraw: withdrawAfter === undefined ? undefined : { after: withdrawAfter, until: isLastChunk ? withdrawUntil : to },
    });
    if (!moved) return;
    expected = to + 1n;
    from = expected;
    if (withdrawAfter !== undefined) withdrawAfter = to < withdrawUntil ? to : undefined;
  }
  await completeFinal(ctx, chain, config, head);
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
async function findStart(ctx: Context, chain: ChainPort, cursor: ChainCursor, startBlock: bigint): Promise<bigint | 'behind'> {
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
  ctx.log.error(
    { chainId, oldestBlock: oldestReplaced.toString() },
    'no scanned block is left on the chain: going back by the whole window',
  );
  // Hashes are only kept of the last block of each scan: the fork may lie anywhere below the oldest of them.
  const back = oldestReplaced - REORG_WINDOW_BLOCKS;
  return back > startBlock ? back : min(startBlock, oldestReplaced);
}

interface Scan {
  readonly chainId: number;
  /** Where the cursor must still stand. */
  readonly expected: bigint;
  readonly logs: readonly PaymentProcessedLog[];
  /** The last block that was scanned. */
  readonly last: Block;
  readonly head: Block;
  /** Everything seen in these blocks (later than `after`, up to `until`) is to be withdrawn, unless `logs` shows it again. */
  readonly withdraw: { readonly after: bigint; readonly until: bigint } | undefined;
}

/** @returns false when another scanner was quicker */
async function applyScan(ctx: Context, scan: Scan): Promise<boolean> {
  const { chainId, logs, last, head, withdraw } = scan;
  return inUnitOfWork(ctx, async (unit) => {
    const cursor = await lockCursor(unit.trx, chainId);
    if (cursor?.nextBlock !== scan.expected) return false;
    if (withdraw !== undefined) {
      const shownAgain = new Set(logs.map((log) => log.paymentId));
      const gone = (await listPaymentIdsInBlocks(unit.trx, chainId, withdraw)).filter((id) => !shownAgain.has(id));
      await withdrawPayments(ctx, unit, gone);
      await deleteScannedBlocks(unit.trx, chainId, { after: withdraw.after });
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

async function completeFinal(ctx: Context, chain: ChainPort, config: ChainConfig, head: Block): Promise<void> {
  const maxBlock = head.number - BigInt(config.confirmations) + 1n;
  if (maxBlock < 0n) return;
  for (;;) {
    const candidates = await listFinalPayments(ctx.db, config.chainId, maxBlock, COMPLETION_BATCH);
    if (candidates.length === 0) return;
    const verdicts = await judgePositions(chain, candidates);
    const standing = candidates.filter((candidate) => verdicts.get(candidate.blockHash) === 'stands').map(({ paymentId }) => paymentId);
    await inUnitOfWork(ctx, (unit) => completePayments(ctx, unit, standing, head.number));
    const replaced = candidates.filter((candidate) => verdicts.get(candidate.blockHash) === 'replaced');
    if (replaced.length > 0) await scanAgainFrom(ctx, config.chainId, replaced);
    // What could not be judged (a node that lags) waits for the next scan.
    if (candidates.length < COMPLETION_BATCH || standing.length + replaced.length === 0) return;
  }
}

/**
 * The last look before money counts as received: is the block that the payment's event was seen in still on the chain? Following reorganisations
 * should leave no other answer; a payment is not completed on the strength of "should".
 */
async function judgePositions(
  chain: ChainPort,
  candidates: readonly FinalCandidate[],
): Promise<ReadonlyMap<string, 'stands' | 'replaced' | 'unknown'>> {
  const verdicts = new Map<string, 'stands' | 'replaced' | 'unknown'>();
  for (const { blockNumber, blockHash } of candidates) {
    if (verdicts.has(blockHash)) continue;
    const block = await chain.findBlock(blockNumber);
    verdicts.set(blockHash, block === undefined ? 'unknown' : block.hash === blockHash ? 'stands' : 'replaced');
  }
  return verdicts;
}

async function scanAgainFrom(ctx: Context, chainId: number, replaced: readonly FinalCandidate[]): Promise<void> {
  const paymentIds = replaced.map(({ paymentId }) => paymentId);
  ctx.log.error({ chainId, paymentIds }, 'payments stood in blocks that are not on the chain any more: withdrawn, and scanned again');
  await inUnitOfWork(ctx, async (unit) => {
    const cursor = await lockCursor(unit.trx, chainId);
    if (cursor === undefined) return;
    await withdrawPayments(ctx, unit, paymentIds);
    const nextBlock = replaced.reduce((least, { blockNumber }) => min(least, blockNumber), cursor.nextBlock);
    await updateCursor(unit.trx, { ...cursor, nextBlock }, ctx.clock.now());
  });
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
