import type { Context } from '../../../platform/context.ts';
import type { Database, Transaction } from '../../../platform/db.ts';
import { blockTimeMsOf, findChainConfig } from '../../chain/service.ts';
import { RATE_WINDOW_MS } from '../../relayers/model.ts';
import { msUntilTooLate } from '../attempts/decideTime.ts';
import { leastMsOf } from '../attempts/leastMsOf.ts';
import type { RelayAttempt } from '../model.ts';
import { countWaitingLately } from './waitingCounts.ts';

/**
 * Of all that wait on a chain together one looks for a relayer about so often, however many they
 * are.
 */
const LOOK_EVERY_MS = 50;
/**
 * And often enough for the relayers' limits to be used up: this many looks for each transaction
 * that they may send.
 */
const LOOKS_PER_TRANSACTION = 4;

/**
 * Over how many ms those that wait on the chain spread their next looks. Whoever looks takes those
 * along that are first.
 */
export async function spreadMs(
  ctx: Context,
  db: Database | Transaction,
  chainId: number,
): Promise<number> {
  const relayers = findChainConfig(ctx, chainId)?.relayers ?? [];
  const perMinute = relayers.reduce(
    (sum, { transactionsPerMinute }) => sum + transactionsPerMinute,
    0,
  );
  const everyMs = Math.min(
    LOOK_EVERY_MS,
    RATE_WINDOW_MS / (LOOKS_PER_TRANSACTION * Math.max(1, perMinute)),
  );
  return (await countWaitingLately(ctx, db, chainId)) * everyMs;
}

/** What has to be sent in time. */
type InTime = Pick<RelayAttempt, 'chainId' | 'deadline'>;

/** Of one that others do not take along any more. */
const LAST_SPREAD_MS = 1_000;

/**
 * Whether others may take it along: not when its deadline is so near that it needs its own look.
 */
export function mayLeaveToOthers(ctx: Context, attempt: InTime): boolean {
  return msUntilLeftOut(ctx, attempt, ctx.clock.now()) > 0;
}

function msUntilLeftOut(ctx: Context, { chainId, deadline }: InTime, now: Date): number {
  return deadline.getTime() - leastMsOf(ctx, chainId) - now.getTime();
}

/**
 * So that those that wait do not look again all at once.
 * @param input.waitMs how long no relayer is free; 0: one is, and others go before
 * @returns after how many ms it looks again
 */
export function decideNextTry(
  ctx: Context,
  attempt: InTime,
  input: { readonly now: Date; readonly waitMs: number; readonly spreadMs: number },
): number {
  const { now, waitMs, spreadMs } = input;
  const untilLeftOut = msUntilLeftOut(ctx, attempt, now);
  const delayMs =
    waitMs + ctx.random() * Math.min(spreadMs, untilLeftOut > 0 ? untilLeftOut : LAST_SPREAD_MS);
  return Math.ceil(
    Math.min(delayMs, msUntilTooLate(attempt, now, blockTimeMsOf(ctx, attempt.chainId))),
  );
}
