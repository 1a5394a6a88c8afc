import type { RefundStatus } from './model.ts';

/**
 * Everything that can happen to a refund.
 *
 *   relayFailed           its relay ended without making it
 *   signedAgain           the merchant signed for it once more
 *   eventSeen             the gateway's event is in a block, of one that had failed
 *   eventFinal            that block is deep enough
 *   eventRemoved          a reorganisation took the event away, its relay attempt is still on its
 *                         way
 *   eventRemovedForGood   the same, and nothing is on its way any more; the chain may show it again
 *                         all the same
 */
export const REFUND_TRANSITION_EVENTS = [
  'relayFailed',
  'signedAgain',
  'eventSeen',
  'eventFinal',
  'eventRemoved',
  'eventRemovedForGood',
] as const;
export type RefundTransitionEvent = (typeof REFUND_TRANSITION_EVENTS)[number];

/** status → event → next status. A pair that is not here must not happen. */
export const REFUND_TRANSITIONS: Readonly<
  Record<RefundStatus, Partial<Readonly<Record<RefundTransitionEvent, RefundStatus>>>>
> = {
  processing: {
    relayFailed: 'failed',
    eventFinal: 'completed',
    eventRemoved: 'processing',
    eventRemovedForGood: 'failed',
  },
  completed: { eventRemovedForGood: 'failed' },
  // The signature was out: the chain has the last word.
  failed: { signedAgain: 'processing', eventSeen: 'processing' },
};

export function nextRefundStatus(
  status: RefundStatus,
  event: RefundTransitionEvent,
): RefundStatus | undefined {
  return REFUND_TRANSITIONS[status][event];
}
