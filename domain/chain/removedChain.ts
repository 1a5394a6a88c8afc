import type { Context } from '../../platform/context.ts';
import { addMs } from '../../shared/clock.ts';

/**
 * What waits for a chain that is not configured any more ends this long after its deadline, without
 * the chain being asked. A day: whoever took the chain out by mistake, or started an old
 * configuration, has noticed by then; and what was done on it in time is told truthfully when it is
 * put back.
 */
const REMOVED_CHAIN_MS = 24 * 3_600_000;

/**
 * How soon the work is looked at again: perhaps only this process's file lacks the chain, as while
 * a new one is brought to one process after the other, and another process can do what is still in
 * time. Once it is too late for that, a chain that was put back is noticed within an hour.
 */
const LOOK_IN_TIME_MS = 15_000;
const LOOK_TOO_LATE_MS = 3_600_000;

/**
 * Whether work has to do without its chain.
 * @param deadline after which nothing can happen on the chain that the work waits for
 * @returns undefined: the chain is configured. Else when to look again, or `over`: it has waited
 *   long enough
 */
export function waitForRemovedChain(
  ctx: Context,
  chainId: number,
  deadline: Date,
): Date | 'over' | undefined {
  if (ctx.chains.has(chainId)) return undefined;
  const now = ctx.clock.now();
  const endsAt = addMs(deadline, REMOVED_CHAIN_MS);
  if (now >= endsAt) return 'over';
  const nextLook = addMs(now, now < deadline ? LOOK_IN_TIME_MS : LOOK_TOO_LATE_MS);
  return nextLook < endsAt ? nextLook : endsAt;
}
