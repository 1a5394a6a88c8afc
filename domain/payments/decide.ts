import { fromUnixSeconds, toUnixSeconds } from '../../shared/clock.ts';
import type { Bytes32 } from '../../shared/hex.ts';
import { keccak256 } from '../../shared/keccak256.ts';
import type { EventType } from '../webhooks/model.ts';
import type { ChainPosition, Payment, PaymentProcessedLog } from './model.ts';
import type { PaymentTransitionEvent } from './transitions.ts';

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

/** Blocks since the event, its own included. */
export function confirmationsAt(head: bigint, blockNumber: bigint): number {
  return head < blockNumber ? 0 : Number(head - blockNumber) + 1;
}

/** How deep a payment has to be before it counts: blocks, its own included, or until the chain itself calls its block final. */
export type RequiredConfirmations = number | 'finalized';

export interface ChainView {
  readonly head: bigint;
  /** The newest block that the chain calls final; undefined: it was not asked. */
  readonly finalized: bigint | undefined;
}

/** The newest block in which a payment counts; undefined: not known. Negative on a chain that is shorter than what is required. */
export function lastFinalBlock(view: ChainView, required: RequiredConfirmations): bigint | undefined {
  return required === 'finalized' ? view.finalized : view.head - BigInt(required) + 1n;
}

/** The one rule of when money counts as received. What the chain was not asked about is not final. */
export function isFinal(position: Pick<ChainPosition, 'blockNumber'>, view: ChainView, required: RequiredConfirmations): boolean {
  const last = lastFinalBlock(view, required);
  return last !== undefined && position.blockNumber <= last;
}

/** What the store is told of each transition. */
export const EVENT_TYPE_OF_TRANSITION: Readonly<Record<PaymentTransitionEvent, EventType>> = {
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

/** A relay ended without paying: what does it mean for its payment? undefined: nothing, the chain shows a payment by other means. */
export function decideAfterRelayFailure(payment: Payment, now: Date): 'relayFailed' | 'relayFailedFinal' | undefined {
  if (payment.status !== 'processing' || payment.position !== null) return undefined;
  return isPayable(payment, now) ? 'relayFailed' : 'relayFailedFinal';
}

/** A reorganisation took the event away: where does that leave the payment? */
export function decideAfterRemoval(
  payment: Payment,
  now: Date,
): 'eventRemoved' | 'eventRemovedInFlight' | 'eventRemovedLate' | 'eventRemovedCancelled' {
  if (payment.status === 'processing' && payment.relayAttemptId !== null) return 'eventRemovedInFlight';
  if (!isPayable(payment, now)) return 'eventRemovedLate';
  // Late although its time is not over: its store had taken it back, and does not want it open again.
  return payment.late ? 'eventRemovedCancelled' : 'eventRemoved';
}

/** The id commits to the terms, so a difference means that the contract or our reading of it is wrong. */
export function matchesTerms(payment: Payment, log: PaymentProcessedLog): boolean {
  return log.amount === payment.terms.amount && log.token === payment.terms.token && log.merchant === payment.terms.merchant;
}

export function isSamePosition(payment: Payment, log: PaymentProcessedLog): boolean {
  return payment.position !== null && payment.position.blockHash === log.blockHash && payment.position.logIndex === log.logIndex;
}
