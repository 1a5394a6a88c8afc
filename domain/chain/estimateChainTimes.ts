import type { Context } from '../../platform/context.ts';
import { addMs } from '../../shared/clock.ts';
import { listCaughtUp } from './store.ts';

/**
 * A chain whose newest block was scanned longer ago, or so many blocks ago, may have stood still:
 * it is no clock.
 */
const LIVE_MS = 2 * 60_000;
const LIVE_BLOCKS = 10;

/**
 * What time it is by the chains that are being scanned at their heads: of each, when its newest
 * block was made, and how long ago that was scanned. That is measured with the database's clock at
 * both ends, so it holds whatever that clock says. A development chain's clock is anybody's to
 * move.
 */
export async function estimateChainTimes(ctx: Context): Promise<Date[]> {
  const now = ctx.clock.now();
  const caughtUp = await listCaughtUp(ctx.db);
  return ctx.config.chains.flatMap(({ chainId, blockTimeMs, development }) => {
    const scan = caughtUp.find((one) => one.chainId === chainId);
    if (scan === undefined || development) return [];
    const agoMs = now.getTime() - scan.scannedAt.getTime();
    return agoMs > Math.max(LIVE_MS, LIVE_BLOCKS * blockTimeMs)
      ? []
      : [addMs(scan.blockTime, Math.max(0, agoMs))];
  });
}
