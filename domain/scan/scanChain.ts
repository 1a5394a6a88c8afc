import type { ChainConfig } from '../../platform/config.ts';
import type { Context } from '../../platform/context.ts';
import { inUnitOfWork } from '../../platform/unitOfWork.ts';
import type { Block, ChainPort, GatewayLogs } from '../chain/ports.ts';
import { getChain } from '../chain/service.ts';
import {
  deleteScannedBlocks,
  findCursor,
  lockCursor,
  raiseHeadNumber,
  startCursor,
  type ChainCursor,
} from '../chain/store.ts';
import { applyScan, haltScan } from './follow/applyScan.ts';
import { beginAnew } from './beginAnew.ts';
import { completeFinal } from './judge/completeFinal.ts';
import { findScanStart } from './follow/findScanStart.ts';
import { judgeCompleted, takeLookAtCompleted } from './judge/judgeCompleted.ts';
import { moveBack } from './follow/moveBack.ts';
import { settle, takeLookAtSettled } from './judge/settle.ts';

/**
 * How far back blocks are read again: behind one RPC URL there may be several nodes, and their logs
 * lag behind by seconds, whatever a block takes.
 */
const OVERLAP_MS = 30_000;
const MIN_OVERLAP_BLOCKS = 12;
/**
 * Where only few blocks may be asked for at once, reading again is to cost no more requests than
 * this.
 */
const MAX_OVERLAP_REQUESTS = 4n;

/**
 * What every RPC URL is asked about:
 *
 *   final      what is deep enough, before it is completed
 *   completed  what was completed, now and then
 *   settled    up to where nothing changes any more
 */
export type JudgedPart = 'final' | 'completed' | 'settled';

/**
 * How a scan has that done. Whoever does not wait for it goes on as if nothing had come of it: what
 * is moved back meanwhile, the next scan finds.
 * @returns false when the scan was moved back
 */
export type Judge = (part: JudgedPart, judge: () => Promise<boolean>) => Promise<boolean>;

const inTurn: Judge = (_part, judge) => judge();

/**
 * Brings our view of one chain up to its head: finds payments (direct ones too), follows
 * reorganisations, completes what is final. What was missed while we were down is caught up in
 * chunks, each applied by itself (applyScan.ts).
 *
 * Any number of processes may scan the same chain: the cursor is read, the chain asked, and
 * everything applied in transactions that first lock the cursor and check that nobody moved it
 * meanwhile. Who loses that race has only asked the chain in vain.
 * @param judge absent: one after the other, so that all of it is done at the end
 */
export async function scanChain(
  ctx: Context,
  chainId: number,
  judge: Judge = inTurn,
): Promise<void> {
  const config = ctx.config.chains.find((chain) => chain.chainId === chainId);
  if (config === undefined) return;
  const chain = getChain(ctx, chainId);
  const stands = await scanOnce(ctx, chain, config, judge);
  // An event's block was not on the chain: what there is instead is looked at now, rather than with
  // the next scan.
  if (!stands) await scanOnce(ctx, chain, config, judge);
}

/** @returns false when the scan was moved back at its end */
async function scanOnce(
  ctx: Context,
  chain: ChainPort,
  config: ChainConfig,
  judge: Judge,
): Promise<boolean> {
  const { chainId } = config;
  const head = await chain.getHead();
  const cursor = await placeCursor(ctx, chain, config, head);
  if (cursor === undefined) return true;
  // A catch-up may take long, or fail: how far behind it is should be seen all the while.
  if (head.number >= cursor.nextBlock + BigInt(config.maxBlockRange))
    await raiseHeadNumber(ctx.db, chainId, head.number);
  const scanned = await scanTo(ctx, chain, { config, cursor, head, judge });
  if (scanned === 'stopped') return true;
  if (scanned === 'movedBack') return false;
  const { generation } = scanned;
  if (
    takeLookAtCompleted(ctx, chainId) &&
    !(await judge('completed', () => judgeCompleted(ctx, chain, config, { head, generation })))
  ) {
    return false;
  }
  if (!takeLookAtSettled(ctx, config)) return true;
  return judge('settled', async () => {
    await settle(ctx, chain, config, { cursor: scanned, head });
    return true;
  });
}

/** The cursor, moved back if the chain calls for it. undefined: there is nothing to scan now. */
async function placeCursor(
  ctx: Context,
  chain: ChainPort,
  config: ChainConfig,
  head: Block,
): Promise<ChainCursor | undefined> {
  const { chainId } = config;
  let cursor = (await findCursor(ctx.db, chainId)) ?? (await createCursor(ctx, config));
  if (cursor.gateway !== config.gateway) cursor = await createCursor(ctx, config);
  const start = await findScanStart(ctx, chain, { head, config });
  const facts = {
    chainId,
    head: head.number.toString(),
    scannedUntil: (cursor.nextBlock - 1n).toString(),
  };
  switch (start.kind) {
    case 'goesOn':
      return cursor;
    case 'behind':
      ctx.log.debug(facts, 'the node is behind what was scanned: nothing to learn from it');
      return undefined;
    case 'begunAnew':
      if (config.development) return beginAnew(ctx, config, cursor);
      await haltScan(ctx, cursor, { reason: 'begunAnew', count: null });
      return undefined;
    case 'replaced': {
      ctx.log.warn(
        { ...facts, sharedUntil: start.after.toString() },
        'the chain reorganised: scanning again',
      );
      const withdraw = { after: start.after, until: cursor.highestBlock };
      return moveBack(
        ctx,
        chainId,
        { nextBlock: start.after + 1n, withdraw, forgetBlocksAfter: start.after },
        cursor,
      );
    }
  }
}

async function createCursor(ctx: Context, config: ChainConfig): Promise<ChainCursor> {
  const { chainId, gateway, startBlock } = config;
  await inUnitOfWork(ctx, async ({ trx }) => {
    const existing = await lockCursor(trx, chainId);
    if (existing?.gateway === gateway) return;
    await startCursor(trx, {
      chainId,
      gateway,
      startBlock: BigInt(startBlock),
      now: ctx.clock.now(),
    });
    // They say nothing about where the new gateway's scan stands.
    await deleteScannedBlocks(trx, chainId, -1n);
  });
  const cursor = await findCursor(ctx.db, chainId);
  if (cursor === undefined) throw new Error(`the cursor of chain ${chainId} is gone`);
  return cursor;
}

/**
 * Scans up to the head, chunk by chunk, and completes after each what is final: a catch-up may end
 * early.
 *
 *   the cursor up to the head
 *   stopped    not further now: the node knows no more, or another scanner was quicker, or an
 *              operator has to look
 *   movedBack  an event's block was not on the chain
 */
async function scanTo(
  ctx: Context,
  chain: ChainPort,
  input: {
    readonly config: ChainConfig;
    readonly cursor: ChainCursor;
    readonly head: Block;
    readonly judge: Judge;
  },
): Promise<ChainCursor | 'stopped' | 'movedBack'> {
  const { config, cursor: start, head } = input;
  const { chainId } = config;
  const complete = ({ generation }: ChainCursor) =>
    input.judge('final', () => completeFinal(ctx, chain, config, { head, generation }));
  const maxBlockRange = BigInt(config.maxBlockRange);
  let cursor = start;
  let logsFrom = withOverlap(cursor.nextBlock, config, chain.getLogLimit());
  while (cursor.nextBlock <= head.number) {
    const to = min(head.number, cursor.nextBlock + maxBlockRange - 1n);
    // Asked before the logs: should the chain change in between, the hash stored here is not the
    // next scan's, and that one looks again.
    const last = to === head.number ? head : await chain.findBlockUnder(head, to);
    if (last === undefined || last === 'otherBranch') return 'stopped';
    const logs = await listLogs(chain, { from: logsFrom, last, maxBlockRange });
    if (logs === undefined) {
      ctx.log.debug(
        { chainId, until: to.toString() },
        'the logs are of another chain than the head: it is looked at again',
      );
      return 'stopped';
    }
    const moved = await applyScan(ctx, config, cursor, { logs, last, head });
    if (moved === undefined) return 'stopped';
    if (!(await complete(moved))) return 'movedBack';
    cursor = moved;
    logsFrom = cursor.nextBlock;
  }
  // Nothing new, but what could not be judged before.
  if (start.nextBlock > head.number && !(await complete(start))) return 'movedBack';
  return cursor;
}

/**
 * Some blocks are asked for again, though they were scanned: a node whose logs lag behind answers
 * with fewer of them and no error. What was seen before changes nothing.
 */
function withOverlap(from: bigint, config: ChainConfig, logLimit: bigint | undefined): bigint {
  const { confirmations, blockTimeMs, maxBlockRange } = config;
  const wanted = Math.max(
    MIN_OVERLAP_BLOCKS,
    confirmations === 'finalized' ? 0 : confirmations,
    Math.ceil(OVERLAP_MS / blockTimeMs),
  );
  const atOnce = min(BigInt(maxBlockRange), logLimit ?? BigInt(maxBlockRange));
  const start = from - min(BigInt(wanted), atOnce * MAX_OVERLAP_REQUESTS);
  const first = BigInt(config.startBlock);
  return start > first ? start : min(first, from);
}

/**
 * The logs up to a block that was asked for before.
 * @returns undefined when a node answered that has another block there, or at the end of one of the
 *   parts: its logs are not this chain's
 */
async function listLogs(
  chain: ChainPort,
  range: { readonly from: bigint; readonly last: Block; readonly maxBlockRange: bigint },
): Promise<GatewayLogs | undefined> {
  const payments = [];
  const refunds = [];
  for (
    let fromBlock = range.from;
    fromBlock <= range.last.number;
    fromBlock += range.maxBlockRange
  ) {
    const toBlock = min(range.last.number, fromBlock + range.maxBlockRange - 1n);
    const expected =
      toBlock === range.last.number ? range.last : await chain.findBlockUnder(range.last, toBlock);
    if (expected === undefined || expected === 'otherBranch') return undefined;
    const logs = await chain.listGatewayLogs({ fromBlock, toBlock });
    if (logs.last.hash !== expected.hash) return undefined;
    payments.push(...logs.payments);
    refunds.push(...logs.refunds);
  }
  return { payments, refunds };
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
