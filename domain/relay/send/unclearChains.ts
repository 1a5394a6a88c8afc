import type { Context } from '../../../platform/context.ts';
import { addMs } from '../../../shared/clock.ts';

/**
 * Chains of which nobody who answers can tell what they show: asking takes seconds then, and many
 * attempts that have come to their end would keep the workers from other chains' requests. Each
 * process remembers it for a moment.
 */

const REMEMBERED_MS = 5_000;
const NEXT_LOOK_MS = 15_000;
const unclearUntil = new WeakMap<Context['db'], Map<number, number>>();

export function isUnclear(ctx: Context, chainId: number): boolean {
  const leftMs = (unclearUntil.get(ctx.db)?.get(chainId) ?? 0) - ctx.clock.now().getTime();
  // By a clock that was ahead: it does not count.
  return leftMs > 0 && leftMs <= REMEMBERED_MS;
}

export function noteUnclear(ctx: Context, chainId: number): void {
  const chains = unclearUntil.get(ctx.db) ?? new Map<number, number>();
  chains.set(chainId, ctx.clock.now().getTime() + REMEMBERED_MS);
  unclearUntil.set(ctx.db, chains);
}

/** When an attempt is looked at again that waits for such a chain: not all at once. */
export function decideUnclearLook(ctx: Context): Date {
  return addMs(ctx.clock.now(), NEXT_LOOK_MS * (1 + ctx.random()));
}
