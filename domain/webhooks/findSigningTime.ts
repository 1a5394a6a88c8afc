import type { Context } from '../../platform/context.ts';
import { addMs } from '../../shared/clock.ts';
import { estimateChainTimes } from '../chain/service.ts';

/**
 * Up to this, it does not matter which of two clocks is right: receivers take what was signed five
 * minutes ago, or will be in five minutes (Standard Webhooks).
 */
const AGREEING_MS = 30_000;

/**
 * The time that a webhook is signed with. Receivers compare it with their own, so it has to be the
 * real one: elsewhere it is enough that all of us go by the same clock, the database's. Where that
 * and this machine's differ, the chains decide which is wrong.
 */
export async function findSigningTime(ctx: Context): Promise<Date> {
  const aheadMs = ctx.readClockAheadMs() ?? 0;
  const isDoubtful = Math.abs(aheadMs) > AGREEING_MS;
  const chains = isDoubtful ? await estimateChainTimes(ctx) : [];
  const database = ctx.clock.now();
  return decideSigningTime({ database, own: addMs(database, aheadMs), chains });
}

/**
 * @param input.chains what time it is by each chain that can tell; with none, the database's clock
 *   is the one that most would have to be wrong with
 */
export function decideSigningTime(input: {
  readonly database: Date;
  readonly own: Date;
  readonly chains: readonly Date[];
}): Date {
  const { database, own, chains } = input;
  const distanceOf = (time: Date) =>
    Math.min(...chains.map((chain) => Math.abs(chain.getTime() - time.getTime())));
  const doAgree = Math.abs(own.getTime() - database.getTime()) <= AGREEING_MS;
  return !doAgree && distanceOf(own) < distanceOf(database) ? own : database;
}
