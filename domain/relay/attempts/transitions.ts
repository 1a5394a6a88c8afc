import type { RelayAttemptStatus } from '../model.ts';

/**
 * Everything that can happen to a relay attempt.
 *
 *   take          a worker took it on; its transaction is saved
 *   refused       the provider certainly did not take it (rate limit, refused login): it waits for
 *                 another try
 *   accepted      the provider has it (also: found in the provider's list after an ambiguous
 *                 answer)
 *   ambiguous     time-out, reset, 5xx, or a crash between saving and hearing the answer
 *   provenUnsent  neither the chain nor the provider's list has it, and it had time to show up: it
 *                 may be sent again
 *   givenUp       the provider gave up on its transaction, and the chain does not have it: it may
 *                 be sent again
 *   mined         its transaction is in a block
 *   unmined       a reorganisation took the block away
 *   returned      its transaction is final and did nothing with it, neither paid nor refused it: it
 *                 may be sent again
 *   succeeded     the payment's event is final
 *   failed        proven: it did not pay and will not
 */
export const RELAY_TRANSITION_EVENTS = [
  'take',
  'refused',
  'accepted',
  'ambiguous',
  'provenUnsent',
  'givenUp',
  'mined',
  'unmined',
  'returned',
  'succeeded',
  'failed',
] as const;
export type RelayTransitionEvent = (typeof RELAY_TRANSITION_EVENTS)[number];

export const RELAY_TRANSITIONS: Readonly<
  Record<RelayAttemptStatus, Partial<Readonly<Record<RelayTransitionEvent, RelayAttemptStatus>>>>
> = {
  queued: { take: 'submitting', failed: 'failed', succeeded: 'succeeded' },
  submitting: { refused: 'queued', accepted: 'submitted', ambiguous: 'unknown', failed: 'failed' },
  submitted: {
    mined: 'mined',
    ambiguous: 'unknown',
    givenUp: 'queued',
    succeeded: 'succeeded',
    failed: 'failed',
  },
  unknown: {
    accepted: 'submitted',
    provenUnsent: 'queued',
    givenUp: 'queued',
    mined: 'mined',
    succeeded: 'succeeded',
    failed: 'failed',
  },
  mined: { succeeded: 'succeeded', unmined: 'submitted', returned: 'queued', failed: 'failed' },
  succeeded: {},
  failed: {},
};

export function nextRelayAttemptStatus(
  status: RelayAttemptStatus,
  event: RelayTransitionEvent,
): RelayAttemptStatus | undefined {
  return RELAY_TRANSITIONS[status][event];
}
