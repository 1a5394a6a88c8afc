import type { Context } from '../../platform/context.ts';
import { BLOCK_CLOCK_MARGIN_MS } from '../../shared/clock.ts';

/**
 * Our clock (the database's) compared with a chain's. When ours is behind, what we promise by it is
 * over earlier than we say. A chain whose blocks are old says nothing: it may stand still. A
 * development chain's clock is anybody's to move.
 */

const WARN_AGAIN_MS = 10 * 60_000;

/**
 * When people were told, by chain and the monotonic clock. Of each database, since it is its clock.
 */
const warnedAts = new WeakMap<Context['db'], Map<number, number>>();

/** Tells the log too, at most every ten minutes of each chain, and once it is over. */
export function isClockBehindChain(
  ctx: Context,
  chainId: number,
  chainTime: Date | null | undefined,
): boolean {
  if (
    chainTime == null ||
    ctx.config.chains.some((chain) => chain.chainId === chainId && chain.development)
  )
    return false;
  const behindMs = chainTime.getTime() - ctx.clock.now().getTime();
  const isBehind = behindMs > BLOCK_CLOCK_MARGIN_MS;
  tellPeople(ctx, { chainId, behindMs, isBehind });
  return isBehind;
}

function tellPeople(
  ctx: Context,
  {
    chainId,
    behindMs,
    isBehind,
  }: { readonly chainId: number; readonly behindMs: number; readonly isBehind: boolean },
): void {
  const warned = warnedAts.get(ctx.db);
  const warnedAt = warned?.get(chainId) ?? -Infinity;
  const now = performance.now();
  if (isBehind) {
    if (now - warnedAt < WARN_AGAIN_MS) return;
    if (warned === undefined) warnedAts.set(ctx.db, new Map([[chainId, now]]));
    else warned.set(chainId, now);
    ctx.log.warn(
      { chainId, behindMs },
      'the database’s clock is behind the chain’s: no payments or refunds are taken on there; set it right',
    );
  } else if (warned?.delete(chainId) === true) {
    ctx.log.info({ chainId, behindMs }, 'the database’s clock agrees with the chain’s again');
  }
}
