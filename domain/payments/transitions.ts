import type { PaymentStatus } from './model.ts';

/**
 * Everything that can happen to a payment.
 *
 *   relayAccepted          a valid signature was taken on and will be sent
 *   relayFailed            the relay ended without paying, the payment can still be paid
 *   relayFailedFinal       the relay ended without paying, and it is too late to pay
 *   eventSeen              the gateway's event is in a block
 *   eventFinal             that block is deep enough
 *   eventRemoved           a reorganisation took the event away, the payment can still be paid
 *   eventRemovedInFlight   the same, while its relay attempt is still on its way
 *   eventRemovedLate       the same, and it is too late to pay
 *   eventRemovedCancelled  the same, of a payment that had been cancelled before it was paid all
 *                          the same
 *   expire                 its time ran out
 *   cancel                 the store took it back
 */
export const PAYMENT_TRANSITION_EVENTS = [
  'relayAccepted',
  'relayFailed',
  'relayFailedFinal',
  'eventSeen',
  'eventFinal',
  'eventRemoved',
  'eventRemovedInFlight',
  'eventRemovedLate',
  'eventRemovedCancelled',
  'expire',
  'cancel',
] as const;
export type PaymentTransitionEvent = (typeof PAYMENT_TRANSITION_EVENTS)[number];

/** status → event → next status. A pair that is not here must not happen. */
export const PAYMENT_TRANSITIONS: Readonly<
  Record<PaymentStatus, Partial<Readonly<Record<PaymentTransitionEvent, PaymentStatus>>>>
> = {
  pending: {
    relayAccepted: 'processing',
    eventSeen: 'processing',
    expire: 'expired',
    cancel: 'cancelled',
  },
  processing: {
    relayFailed: 'pending',
    relayFailedFinal: 'failed',
    eventFinal: 'completed',
    eventRemoved: 'pending',
    eventRemovedInFlight: 'processing',
    eventRemovedLate: 'expired',
    eventRemovedCancelled: 'cancelled',
  },
  // A reorganisation deeper than the configured confirmations: rare, told loudly, and the truth all
  // the same.
  completed: {
    eventRemoved: 'pending',
    eventRemovedLate: 'expired',
    eventRemovedCancelled: 'cancelled',
  },
  // The contract knows neither our clock nor a cancellation: its event wins, and the payment is
  // marked late.
  expired: { eventSeen: 'processing' },
  failed: { eventSeen: 'processing' },
  cancelled: { eventSeen: 'processing' },
};

export function nextPaymentStatus(
  status: PaymentStatus,
  event: PaymentTransitionEvent,
): PaymentStatus | undefined {
  return PAYMENT_TRANSITIONS[status][event];
}
