import type { ChainConfig } from '../../platform/config.ts';
import type { Context } from '../../platform/context.ts';
import { inUnitOfWork, type UnitOfWork } from '../../platform/unitOfWork.ts';
import { asBytes32, type Bytes32 } from '../../shared/hex.ts';
import type { Block, ChainPort, GatewayLogs } from '../chain/ports.ts';
import { getChain } from '../chain/service.ts';
import {
  deleteScannedBlocks,
  findCursor,
  listScannedBlocks,
  lockCursor,
  pruneScannedBlocks,
  startCursor,
  updateCursor,
  upsertScannedBlock,
  type ChainCursor,
} from '../chain/store.ts';
import { completeRefunds, listRefundsToComplete, observeRefunds, withdrawRefunds, withdrawRefundsById } from '../refunds/service.ts';
import { changePayments } from './changePayments.ts';
import { isFinal, lastFinalBlock, type ChainView } from './decide.ts';
import { observePayments, withdrawPayments } from './observePayments.ts';
import { listFinalPayments, listPaymentIdsInBlocks, lockPayments, type FinalCandidate } from './store.ts';

/** Reorganisations up to this depth are followed; block hashes are kept this long. */
const REORG_WINDOW_BLOCKS = 512n;
/** How far back blocks are read again: behind one RPC URL there may be several nodes, and their logs lag behind by seconds, whatever a block takes. */
const OVERLAP_MS = 30_000;
const MIN_OVERLAP_BLOCKS = 12;
/** Where only few blocks may be asked for at once, reading again is to cost no more requests than this. */
const MAX_OVERLAP_REQUESTS = 4;
/** The id of no payment. */
const NO_PAYMENT = asBytes32(`0x${'00'.repeat(32)}`);
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
  const start = await findStart(ctx, chain, { cursor, head, startBlock: BigInt(config.startBlock) });
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
  let logsFrom = withOverlap(from, config);
  while (from <= head.number) {
    const to = min(head.number, from + BigInt(config.maxBlockRange) - 1n);
    // Asked before the logs: should the chain change in between, the hash stored here is not the next scan's, and that one looks again.
    const last = to === head.number ? head : await chain.findBlock(to);
    if (last === undefined) return;
    const logs = await listLogs(chain, { from: logsFrom, last, maxBlockRange: BigInt(config.maxBlockRange) });
    if (logs === undefined) {
      ctx.log.debug({ chainId, until: to.toString() }, 'the logs are of another chain than the head: it is looked at again');
      return;
    }
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
    logsFrom = from;
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
    await deleteScannedBlocks(trx, chainId, -1n);
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
 *
 * When even the oldest block that is remembered was replaced, though it lies below the window, the chain was begun anew (a development chain, under
 * the same database): everything is scanned again. A node that lags cannot look like that, however far behind it is: it has that block, or none there.
 */
async function findStart(
  ctx: Context,
  chain: ChainPort,
  { cursor, head, startBlock }: { readonly cursor: ChainCursor; readonly head: Block; readonly startBlock: bigint },
): Promise<bigint | 'behind'> {
  const { chainId, nextBlock } = cursor;
  const look = async (scanned: { readonly number: bigint; readonly hash: Bytes32 }): Promise<'stands' | 'replaced' | 'missing'> => {
    if (scanned.number > head.number) return 'missing';
    const found = await chain.findBlock(scanned.number);
    if (found === undefined) return 'missing';
    return found.hash === scanned.hash ? 'stands' : 'replaced';
  };

  const [latest] = await listScannedBlocks(ctx.db, chainId, 1);
  if (latest === undefined || (await look(latest)) === 'stands') return nextBlock;

  // The window's, and the oldest of all.
  const remembered = await listScannedBlocks(ctx.db, chainId, Number(REORG_WINDOW_BLOCKS) + 2);
  let shared: bigint | undefined;
  let oldestReplaced: bigint | undefined;
  for (const scanned of remembered) {
    const standing = await look(scanned);
    if (standing === 'stands') {
      shared = scanned.number;
      break;
    }
    if (standing === 'replaced') oldestReplaced = scanned.number;
  }
  if (oldestReplaced === undefined) return 'behind';

  const windowStart = latest.number - REORG_WINDOW_BLOCKS;
  if (shared !== undefined && shared >= windowStart) return shared + 1n;
  if (oldestReplaced < windowStart && oldestReplaced === remembered.at(-1)?.number) {
    // Throws where our gateway is not: then this is no chain of ours, and what it does not show means nothing.
    await chain.findPayer(NO_PAYMENT);
    ctx.log.error(
      { chainId, head: head.number.toString(), scannedUntil: (nextBlock - 1n).toString() },
      'the chain was begun anew: withdrawing what it does not show, and scanning it from the start',
    );
    return min(startBlock, oldestReplaced);
  }
  ctx.log.error(
    { chainId, oldestBlock: oldestReplaced.toString() },
    'no scanned block of the window is left on the chain: going back by the whole window',
  );
  // Hashes are only kept of the last block of each scan: the fork may lie anywhere below the oldest of them.
  const back = oldestReplaced - REORG_WINDOW_BLOCKS;
  if (shared !== undefined && shared >= back) return shared + 1n;
  return back > startBlock ? back : min(startBlock, oldestReplaced);
}

interface Scan {
  readonly chainId: number;
  /** Where the cursor must still stand. */
  readonly expected: bigint;
  readonly logs: GatewayLogs;
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
      const shownAgain = new Set(logs.payments.map((log) => log.paymentId));
      const gone = (await listPaymentIdsInBlocks(unit.trx, chainId, withdraw)).filter((id) => !shownAgain.has(id));
      // All at once, and before any refund: the order that everybody keeps.
      await lockPayments(unit.trx, [...new Set([...gone, ...shownAgain])]);
      await withdrawPayments(ctx, unit, gone);
      await withdrawRefunds(ctx, unit, { chainId, blocks: withdraw, logs: logs.refunds });
      await deleteScannedBlocks(unit.trx, chainId, withdraw.after);
    }
    await observePayments(ctx, unit, logs.payments, head.number);
    await observeRefunds(ctx, unit, logs.refunds);
    await upsertScannedBlock(unit.trx, chainId, last.number, last.hash);
    await pruneScannedBlocks(unit.trx, chainId, last.number - REORG_WINDOW_BLOCKS);
    await updateCursor(
      unit.trx,
      { chainId, nextBlock: last.number + 1n, scannedTimestamp: last.timestamp, headNumber: head.number },
      ctx.clock.now(),
    );
    return true;
  });
}

async function completeFinal(ctx: Context, chain: ChainPort, config: ChainConfig, head: Block): Promise<void> {
  const { chainId, confirmations } = config;
  const view = { head: head.number, finalized: await findFinalized(ctx, chain, config, head) };
  const maxBlock = lastFinalBlock(view, confirmations);
  if (maxBlock === undefined || maxBlock < 0n) return;
  await completeFinalRefunds(ctx, chain, chainId, maxBlock);
  for (;;) {
    const candidates = await listFinalPayments(ctx.db, chainId, maxBlock, COMPLETION_BATCH);
    if (candidates.length === 0) return;
    const verdicts = await judgePositions(chain, candidates);
    const standing = candidates.filter((candidate) => verdicts.get(candidate.blockHash) === 'stands');
    await inUnitOfWork(ctx, (unit) => completePayments(ctx, unit, { standing, view, config }));
    const replaced = candidates.filter((candidate) => verdicts.get(candidate.blockHash) === 'replaced');
    if (replaced.length > 0) await scanAgainFrom(ctx, chainId, replaced);
    // What could not be judged (a node that lags) waits for the next scan.
    if (candidates.length < COMPLETION_BATCH || standing.length + replaced.length === 0) return;
  }
}

/** The same for refunds, which are few. */
async function completeFinalRefunds(ctx: Context, chain: ChainPort, chainId: number, maxBlock: bigint): Promise<void> {
  const refunds = await listRefundsToComplete(ctx, chainId, maxBlock, COMPLETION_BATCH);
  if (refunds.length === 0) return;
  const placed = refunds.flatMap((refund) => (refund.position === null ? [] : [{ refund, ...refund.position }]));
  const verdicts = await judgePositions(chain, placed);
  const judgedAs = (verdict: 'stands' | 'replaced') => placed.filter(({ blockHash }) => verdicts.get(blockHash) === verdict);
  await inUnitOfWork(ctx, (unit) =>
    completeRefunds(
      ctx,
      unit,
      judgedAs('stands').map(({ refund }) => refund),
    ),
  );
  const replaced = judgedAs('replaced');
  if (replaced.length === 0) return;
  const refundIds = replaced.map(({ refund }) => refund.id);
  ctx.log.error({ chainId, refundIds }, 'refunds stood in blocks that are not on the chain any more: withdrawn, and scanned again');
  await moveBack(ctx, chainId, replaced, (unit) => withdrawRefundsById(ctx, unit, refundIds));
}

/** undefined: it does not matter now, and the chain was not asked. */
async function findFinalized(ctx: Context, chain: ChainPort, config: ChainConfig, head: Block): Promise<bigint | undefined> {
  if (config.confirmations !== 'finalized') return undefined;
  const { chainId } = config;
  const isAnyoneWaiting =
    (await listFinalPayments(ctx.db, chainId, head.number, 1)).length > 0 ||
    (await listRefundsToComplete(ctx, chainId, head.number, 1)).length > 0;
  return isAnyoneWaiting ? chain.getFinalizedNumber() : undefined;
}

/** Completes those whose event still is where it was judged. */
async function completePayments(
  ctx: Context,
  unit: UnitOfWork,
  { standing, view, config }: { readonly standing: readonly FinalCandidate[]; readonly view: ChainView; readonly config: ChainConfig },
): Promise<void> {
  const judged = new Map(standing.map(({ paymentId, blockHash }) => [paymentId, blockHash]));
  const payments = await lockPayments(unit.trx, [...judged.keys()]);
  const final = payments.filter(
    ({ id, status, position }) =>
      status === 'processing' &&
      position !== null &&
      position.blockHash === judged.get(id) &&
      isFinal(position, view, config.confirmations),
  );
  const facts = { completedAt: ctx.clock.now(), relayAttemptId: null };
  await changePayments(
    ctx,
    unit,
    final.map((payment) => ({ payment, transitions: ['eventFinal'], facts, head: view.head })),
  );
}

/**
 * The last look before money counts as received: is the block that the payment's event was seen in still on the chain? Following reorganisations
 * should leave no other answer; a payment is not completed on the strength of "should".
 */
async function judgePositions(
  chain: ChainPort,
  candidates: readonly { readonly blockNumber: bigint; readonly blockHash: Bytes32 }[],
): Promise<ReadonlyMap<string, 'stands' | 'replaced' | 'unknown'>> {
  const verdicts = new Map<string, 'stands' | 'replaced' | 'unknown'>();
  for (const { blockNumber, blockHash } of candidates) {
    if (verdicts.has(blockHash)) continue;
    const block = await chain.findBlock(blockNumber);
    verdicts.set(blockHash, block === undefined ? 'unknown' : block.hash === blockHash ? 'stands' : 'replaced');
  }
  return verdicts;
}

/** For who knows of something in a block that the scanner has passed without seeing it. @returns false when it has not been there yet */
export async function scanAgain(ctx: Context, chainId: number, blockNumber: bigint): Promise<boolean> {
  const cursor = await findCursor(ctx.db, chainId);
  if (cursor === undefined || cursor.nextBlock <= blockNumber) return false;
  await moveBack(ctx, chainId, [{ blockNumber }], () => Promise.resolve());
  return true;
}

async function scanAgainFrom(ctx: Context, chainId: number, replaced: readonly FinalCandidate[]): Promise<void> {
  const paymentIds = replaced.map(({ paymentId }) => paymentId);
  ctx.log.error({ chainId, paymentIds }, 'payments stood in blocks that are not on the chain any more: withdrawn, and scanned again');
  await moveBack(ctx, chainId, replaced, (unit) => withdrawPayments(ctx, unit, paymentIds));
}

async function moveBack(
  ctx: Context,
  chainId: number,
  replaced: readonly { readonly blockNumber: bigint }[],
  withdraw: (unit: UnitOfWork) => Promise<void>,
): Promise<void> {
  await inUnitOfWork(ctx, async (unit) => {
    const cursor = await lockCursor(unit.trx, chainId);
    if (cursor === undefined) return;
    await withdraw(unit);
    const nextBlock = replaced.reduce((least, { blockNumber }) => min(least, blockNumber), cursor.nextBlock);
    await updateCursor(unit.trx, { ...cursor, nextBlock }, ctx.clock.now());
  });
}

/**
 * Some blocks are asked for again, though they were scanned: a node whose logs lag behind answers with fewer of them and no error. What was seen before
 * changes nothing.
 */
function withOverlap(from: bigint, config: ChainConfig): bigint {
  const { confirmations, blockTimeMs, maxBlockRange } = config;
  const wanted = Math.max(MIN_OVERLAP_BLOCKS, confirmations === 'finalized' ? 0 : confirmations, Math.ceil(OVERLAP_MS / blockTimeMs));
  const start = from - BigInt(Math.min(wanted, maxBlockRange * MAX_OVERLAP_REQUESTS));
  const first = BigInt(config.startBlock);
  return start > first ? start : min(first, from);
}

/**
 * The logs up to a block that was asked for before.
 * @returns undefined when a node answered that has another block there, or at the end of one of the parts: its logs are not this chain's
 */
async function listLogs(
  chain: ChainPort,
  range: { readonly from: bigint; readonly last: Block; readonly maxBlockRange: bigint },
): Promise<GatewayLogs | undefined> {
  const payments = [];
  const refunds = [];
  for (let fromBlock = range.from; fromBlock <= range.last.number; fromBlock += range.maxBlockRange) {
    const toBlock = min(range.last.number, fromBlock + range.maxBlockRange - 1n);
    const expected = toBlock === range.last.number ? range.last : await chain.findBlock(toBlock);
    const logs = await chain.listGatewayLogs({ fromBlock, toBlock });
    if (logs.last.hash !== expected?.hash) return undefined;
    payments.push(...logs.payments);
    refunds.push(...logs.refunds);
  }
  return { payments, refunds };
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
