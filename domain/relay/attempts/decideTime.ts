import { addMs, BLOCK_CLOCK_MARGIN_MS } from '../../../shared/clock.ts';
import type { RelayAttempt } from '../model.ts';

/**
 * Pure rules about the time that a signed request needs to come into a block before its deadline.
 * Its signer chose that, or the store that made the payment.
 */

/** The next block may be full or missed. Who is too late has cost the gas all the same. */
const LEAST_BLOCKS = 3;

/**
 * What is sent now is in the next block, half a block's time from now on average, or in the one
 * after.
 */
const LAST_BLOCKS = 1.5;

/** Where blocks come quickly: the way to the relayer and to the chain takes that long. */
const LAST_MS = 1_000;

/**
 * How long a request has to be good for when it is taken on, in ms: whole seconds.
 * @param chain `minDeadlineSeconds` is the operator's, the same for every chain
 */
export function decideLeastMs(chain: {
  readonly minDeadlineSeconds: number;
  readonly blockTimeMs: number;
}): number {
  return (
    Math.max(chain.minDeadlineSeconds, Math.ceil((LEAST_BLOCKS * chain.blockTimeMs) / 1000)) * 1000
  );
}

/** From then on a transaction with it may well be mined too late: nothing sends it any more. */
export function isTooLate(
  attempt: Pick<RelayAttempt, 'deadline'>,
  now: Date,
  blockTimeMs: number,
): boolean {
  return msUntilTooLate(attempt, now, blockTimeMs) === 0;
}

/** Until then; 0: it is too late. */
export function msUntilTooLate(
  { deadline }: Pick<RelayAttempt, 'deadline'>,
  now: Date,
  blockTimeMs: number,
): number {
  return Math.max(0, deadline.getTime() - lastMs(blockTimeMs) - now.getTime());
}

/**
 * Whether it may still wait for the outcome of another one: for two thirds of its time, and while
 * twice of what it takes to send it is left.
 */
export function hasTimeToWait(
  { createdAt, deadline }: Pick<RelayAttempt, 'createdAt' | 'deadline'>,
  now: Date,
  blockTimeMs: number,
): boolean {
  const wholeMs = deadline.getTime() - createdAt.getTime();
  return (
    now.getTime() - createdAt.getTime() <
    Math.min((wholeMs * 2) / 3, wholeMs - 2 * lastMs(blockTimeMs))
  );
}

function lastMs(blockTimeMs: number): number {
  return Math.max(LAST_MS, LAST_BLOCKS * blockTimeMs);
}

/**
 * Whether a request was in its block in time.
 *
 *   inTime   before its deadline
 *   ours     it waited for us, for the relayer or for a slow chain
 *   signers  nobody was slow: it was signed for too short a time, or handed in too late
 */
export type Lateness = 'inTime' | 'ours' | 'signers';

/** @param leastMs see decideLeastMs: whoever takes more than twice that time is slow */
export function decideLateness(
  { createdAt, deadline }: Pick<RelayAttempt, 'createdAt' | 'deadline'>,
  minedAt: Date,
  leastMs: number,
): Lateness {
  if (minedAt <= deadline) return 'inTime';
  return minedAt.getTime() - createdAt.getTime() <= 2 * leastMs ? 'signers' : 'ours';
}

/**
 * Whether no block can carry a signed request any more that was not told already.
 * @param settledTime see findSettledTime; undefined: not known
 */
export function isSignatureDead(
  attempt: Pick<RelayAttempt, 'deadline'>,
  settledTime: Date | undefined,
): boolean {
  return settledTime !== undefined && settledTime >= addMs(attempt.deadline, BLOCK_CLOCK_MARGIN_MS);
}
