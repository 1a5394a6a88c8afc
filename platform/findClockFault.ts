import type { Context } from './context.ts';

/**
 * From here on a machine's clock is no longer a little wrong. All go by the database's, but for
 * what the queue decides by its own.
 */
const MAX_CLOCK_AHEAD_MS = 30_000;

/** @returns what is wrong with this machine's clock, for people; undefined: nothing */
export function findClockFault(ctx: Pick<Context, 'readClockAheadMs'>): string | undefined {
  const aheadMs = ctx.readClockAheadMs();
  if (aheadMs === undefined) return 'this machine’s clock was not compared with the database’s yet';
  return Math.abs(aheadMs) > MAX_CLOCK_AHEAD_MS
    ? `this machine’s clock is ${aheadMs} ms ahead of the database’s`
    : undefined;
}
