import type { ChainConfig } from '../../platform/config.ts';
import type { Context } from '../../platform/context.ts';
import type { Database, Transaction } from '../../platform/db.ts';
import { AppError } from '../../shared/errors.ts';
import { CHAIN_ERRORS } from './errors.ts';
import { isClockBehindChain } from './isClockBehindChain.ts';
import type { ChainPort } from './ports.ts';
import { findCursor, type ChainCursor, type HaltReason } from './store.ts';

/** A cursor is read for every status request; the scanner moves it once a block. */
const CURSOR_CACHE_MS = 250;

interface CachedCursor {
  readonly readAt: number;
  readonly cursor: Promise<ChainCursor | undefined>;
}

const cachedCursors = new WeakMap<Context['db'], Map<number, CachedCursor>>();

export function getChain(ctx: Context, chainId: number): ChainPort {
  const chain = ctx.chains.get(chainId);
  // A payment may name a chain that has since been taken out of the configuration.
  if (chain === undefined)
    throw new AppError(CHAIN_ERRORS.unavailable, {
      detail: `Chain ${chainId} is not configured any more.`,
    });
  return chain;
}

export function findChainConfig(ctx: Context, chainId: number): ChainConfig | undefined {
  return ctx.config.chains.find((chain) => chain.chainId === chainId);
}

/**
 * The chain's own clock, where nobody can turn it back: the time of the newest block that is both
 * final and scanned. What was mined until then, the scanner has told, and a signature whose
 * deadline lies before it can never be used again. Our clock says nothing of that: the chain may be
 * behind it.
 * @param db a transaction's own, where there is one
 * @returns undefined when there is no such block yet
 */
export async function findSettledTime(
  db: Database | Transaction,
  chainId: number,
): Promise<Date | undefined> {
  return (await findCursor(db, chainId))?.settled?.time;
}

/**
 * The scanner's view of a chain, at most a quarter of a second old. undefined before its first
 * scan.
 */
export function findRecentCursor(ctx: Context, chainId: number): Promise<ChainCursor | undefined> {
  let cursors = cachedCursors.get(ctx.db);
  if (cursors === undefined) {
    cursors = new Map();
    cachedCursors.set(ctx.db, cursors);
  }
  const now = ctx.clock.now().getTime();
  const cached = cursors.get(chainId);
  if (cached !== undefined && now - cached.readAt < CURSOR_CACHE_MS && now >= cached.readAt)
    return cached.cursor;
  const cursor = findCursor(ctx.db, chainId);
  cursors.set(chainId, { readAt: now, cursor });
  // A failed read must not be handed to those who come after.
  cursor.catch(() => cursors.delete(chainId));
  return cursor;
}

/** How far the scan of a chain is behind, and whether it waits for an operator. */
export interface ScanReport {
  readonly chainId: number;
  /** Behind the head as of its last look; null before the first one. */
  readonly blocksBehind: number | null;
  /**
   * Since the last scanned block was made; null before the first one. On a chain that stands still
   * this grows too.
   */
  readonly secondsBehind: number | null;
  /** When the last scanned block was made, by the chain's clock. */
  readonly scannedAt: Date | null;
  readonly haltReason: HaltReason | null;
}

/** @throws AppError clockBehind */
export async function assertClockOfChain(ctx: Context, chainId: number): Promise<void> {
  const cursor = await findRecentCursor(ctx, chainId);
  if (isClockBehindChain(ctx, chainId, cursor?.scannedTimestamp))
    throw new AppError(CHAIN_ERRORS.clockBehind);
}

/** One for each configured chain. For those that watch. */
export async function reportScans(ctx: Context): Promise<ScanReport[]> {
  const now = ctx.clock.now().getTime();
  return Promise.all(
    ctx.config.chains.map(async ({ chainId }) => {
      const cursor = await findCursor(ctx.db, chainId);
      const scannedAt = cursor?.scannedTimestamp?.getTime();
      const blocks = cursor && Number(cursor.headNumber - cursor.nextBlock + 1n);
      return {
        chainId,
        blocksBehind: blocks === undefined ? null : Math.max(0, blocks),
        secondsBehind: scannedAt === undefined ? null : Math.max(0, (now - scannedAt) / 1000),
        scannedAt: cursor?.scannedTimestamp ?? null,
        haltReason: cursor?.halt?.reason ?? null,
      };
    }),
  );
}

/** Of a chain that is not configured any more, a guess: nothing there can be done soon. */
export function blockTimeMsOf(ctx: Context, chainId: number): number {
  return findChainConfig(ctx, chainId)?.blockTimeMs ?? 2_000;
}

/** Gas that a relayed request may take there beside what it executes; see the configuration. */
export function dataGasOf(ctx: Context, chainId: number): bigint {
  return BigInt(findChainConfig(ctx, chainId)?.dataGasPerRequest ?? 0);
}

export { estimateChainTimes } from './estimateChainTimes.ts';
export { isClockBehindChain } from './isClockBehindChain.ts';
export { listKnownBlocks } from './listKnownBlocks.ts';
export { measureDepth, type Depth } from './measureDepth.ts';
export { askChain } from './outages.ts';
export { waitForRemovedChain } from './removedChain.ts';
export { HALT_REASONS } from './store.ts';
