import type { ChainConfig } from '../../platform/config.ts';
import type { Context } from '../../platform/context.ts';
import { AppError } from '../../shared/errors.ts';
import { CHAIN_ERRORS } from '../chain/errors.ts';
import { blockTimeMsOf, getChain, reportScans, type ScanReport } from '../chain/service.ts';
import { findCursor } from '../chain/store.ts';

/** What is paid in a block is found within two of them: so much later, somebody has to look why. */
const BEHIND_MS = 5 * 60_000;
/** Where blocks take long, some of them may be late. */
const BEHIND_BLOCKS = 20;

/** A scan that is behind, and does not wait for an operator. */
export interface ScanBehind {
  readonly chainId: number;
  /** Since the last scanned block was made. */
  readonly secondsBehind: number;
  /** As of the scanner's last look, and at least 1. */
  readonly blocksBehind: number;
  /**
   * Blocks that were scanned and that the chain does not show any more: its head is so far below
   * them.
   */
  readonly blocksMissing: number;
}

/**
 * The scans that have left a block unscanned for longer than they ever should, or whose chain has
 * shown less than was scanned for as long: a node that was restored from an old snapshot, from
 * which nothing is learned. The age of the last scanned block says so alone on a chain that always
 * makes blocks, and there to the scanner alone: where it is old, the chain is asked for the block
 * after it, and for its head.
 */
export async function listScansBehind(
  ctx: Context,
  scans: readonly ScanReport[],
): Promise<ScanBehind[]> {
  const late = scans.filter(
    ({ chainId, secondsBehind, haltReason }) =>
      haltReason === null && isLong(ctx, chainId, secondsBehind ?? 0),
  );
  const behind = await Promise.all(late.map((scan) => findBehind(ctx, scan)));
  return behind.filter((scan) => scan !== undefined);
}

/**
 * Work of maintenance: each is an error line with the field `alert`, at every check for as long as
 * it lasts.
 */
export async function checkScans(
  ctx: Context,
  chains: readonly ChainConfig[] = ctx.config.chains,
): Promise<void> {
  const scans = (await reportScans(ctx)).filter((scan) =>
    chains.some(({ chainId }) => chainId === scan.chainId),
  );
  for (const scan of await listScansBehind(ctx, scans)) {
    ctx.log.error(
      { alert: 'scan_behind', ...scan },
      'the scan of a chain is behind: what is paid there is neither found nor completed',
    );
  }
}

function isLong(ctx: Context, chainId: number, seconds: number): boolean {
  return seconds * 1000 > Math.max(BEHIND_MS, BEHIND_BLOCKS * blockTimeMsOf(ctx, chainId));
}

async function findBehind(
  ctx: Context,
  { chainId, secondsBehind, blocksBehind }: ScanReport,
): Promise<ScanBehind | undefined> {
  const cursor = await findCursor(ctx.db, chainId);
  if (cursor === undefined) return undefined;
  const chain = getChain(ctx, chainId);
  const found = (blocksMissing: number): ScanBehind => ({
    chainId,
    secondsBehind: Math.round(secondsBehind ?? 0),
    blocksBehind: Math.max(1, blocksBehind ?? 0),
    blocksMissing,
  });
  const block = await chain.findBlock(cursor.nextBlock).catch(orUndefined);
  if (block !== undefined) {
    return isLong(ctx, chainId, (ctx.clock.now().getTime() - block.timestamp.getTime()) / 1000)
      ? found(0)
      : undefined;
  }
  const head = await chain.getHead().catch(orUndefined);
  const blocksMissing =
    head === undefined ? 0 : Math.max(0, Number(cursor.nextBlock - 1n - head.number));
  // Or what the scanner saw at its own last look. That the chain is away is told otherwise.
  return blocksMissing > 0 || (blocksBehind ?? 0) > 0 ? found(blocksMissing) : undefined;
}

function orUndefined(error: unknown): undefined {
  if (error instanceof AppError && error.code === CHAIN_ERRORS.unavailable.code) return undefined;
  throw error;
}
