import { addMs, fromUnixSeconds, toUnixSeconds } from '../../shared/clock.ts';
import type { Bytes32 } from '../../shared/hex.ts';
import { keccak256 } from '../../shared/keccak256.ts';
import type { PaymentEventType } from './eventTypes.ts';
import type { Payment } from './model.ts';
import type { PaymentTransitionEvent } from './transitions.ts';
import type { PaymentProcessedLog } from '../chain/contractModel.ts';

/** keccak256(storeId, orderId, 32 random bytes). */
export function makeSalt(storeId: string, orderId: string, randomness: Buffer): Bytes32 {
  return keccak256(Buffer.concat([Buffer.from(storeId), Buffer.from(orderId), randomness]));
}

/** The contract counts whole seconds, so a payment expires on one. */
export function decideExpiry(now: Date, expiresInSeconds: number): Date {
  return fromUnixSeconds(toUnixSeconds(now) + expiresInSeconds);
}

/** The contract takes a payment in blocks up to and including the second of `expiresAt`. */
export function isPayable(payment: Pick<Payment, 'terms'>, now: Date): boolean {
  return toUnixSeconds(now) <= toUnixSeconds(payment.terms.expiresAt);
}

/**
 * Whether no block can pay it any more that was not told already. Only the chain's clock can tell:
 * ours may be ahead of it.
 * @param settledTime see findSettledTime; undefined: not known
 */
export function isOver(payment: Pick<Payment, 'terms'>, settledTime: Date | undefined): boolean {
  return settledTime !== undefined && !isPayable(payment, settledTime);
}

/**
 * The longer a payment has been overdue, the less often it is looked at: an outage may leave very
 * many of them.
 */
const MAX_RECHECK_MS = 5 * 60_000;
const RECHECK_PART = 4;
/**
 * What Ethereum takes at best to call a block final: so long is waited in one go for the chain's
 * clock, and no longer.
 */
const MAX_SETTLING_MS = 15 * 60_000;
const MAX_BLOCK_WAIT_MS = 15_000;

/**
 * When a payment is looked at again that is overdue and whose last second is not over by the
 * chain's clock: when it will be, if the chain goes on as far behind ours as it is. So most
 * payments take two looks, whatever their chain takes to make blocks final.
 */
export function decideExpiryLook(input: {
  readonly now: Date;
  readonly expiresAt: Date;
  readonly settledTime: Date | undefined;
  readonly blockTimeMs: number;
}): Date {
  const { now, expiresAt, settledTime, blockTimeMs } = input;
  const missingMs =
    settledTime === undefined ? 0 : expiresAt.getTime() + 1_000 - settledTime.getTime();
  const block = Math.min(MAX_BLOCK_WAIT_MS, Math.max(1_000, blockTimeMs));
  return addMs(
    now,
    Math.max(block, Math.min(MAX_SETTLING_MS, missingMs), decideRecheckMs(now, expiresAt)),
  );
}

/** Until an overdue payment is looked at again at the earliest. */
export function decideRecheckMs(now: Date, expiresAt: Date): number {
  return Math.min(
    MAX_RECHECK_MS,
    Math.max(1_000, (now.getTime() - expiresAt.getTime()) / RECHECK_PART),
  );
}

/** What the store is told of each transition. */
export const EVENT_TYPE_OF_TRANSITION: Readonly<Record<PaymentTransitionEvent, PaymentEventType>> =
  {
    relayAccepted: 'payment.processing',
    relayFailed: 'payment.relay_failed',
    relayFailedFinal: 'payment.failed',
    eventSeen: 'payment.processing',
    eventFinal: 'payment.completed',
    eventRemoved: 'payment.reorged',
    eventRemovedInFlight: 'payment.reorged',
    eventRemovedLate: 'payment.reorged',
    eventRemovedCancelled: 'payment.reorged',
    expire: 'payment.expired',
    cancel: 'payment.cancelled',
  };

/**
 * A relay ended without paying: what does it mean for its payment? undefined: nothing, the chain
 * shows a payment by other means. While it is not certain that nobody can pay it any more, it waits
 * again, and expires when that is.
 */
export function decideAfterRelayFailure(
  payment: Payment,
  settledTime: Date | undefined,
): 'relayFailed' | 'relayFailedFinal' | undefined {
  if (payment.status !== 'processing' || payment.position !== null) return undefined;
  return isOver(payment, settledTime) ? 'relayFailedFinal' : 'relayFailed';
}

/**
 * A reorganisation took the event away: where does that leave the payment? Its transaction may come
 * back for as long as the chain's clock allows.
 * @param times.settled see findSettledTime; undefined: not known
 */
export function decideAfterRemoval(
  payment: Payment,
  times: { readonly now: Date; readonly settled: Date | undefined },
): 'eventRemoved' | 'eventRemovedInFlight' | 'eventRemovedLate' | 'eventRemovedCancelled' {
  if (payment.status === 'processing' && payment.relayAttemptId !== null)
    return 'eventRemovedInFlight';
  // Its store had been told of its end before it was paid all the same. Late although its time is
  // not over: the store had taken it back, and does not want it open again.
  if (payment.late)
    return isPayable(payment, times.now) ? 'eventRemovedCancelled' : 'eventRemovedLate';
  return isOver(payment, times.settled) ? 'eventRemovedLate' : 'eventRemoved';
}

/**
 * The id commits to the terms, so a difference means that the contract or our reading of it is
 * wrong.
 */
export function matchesTerms(payment: Payment, log: PaymentProcessedLog): boolean {
  return (
    log.amount === payment.terms.amount &&
    log.token === payment.terms.token &&
    log.merchant === payment.terms.merchant
  );
}

export function isSamePosition(payment: Payment, log: PaymentProcessedLog): boolean {
  return (
    payment.position !== null &&
    payment.position.blockHash === log.blockHash &&
    payment.position.logIndex === log.logIndex
  );
}
