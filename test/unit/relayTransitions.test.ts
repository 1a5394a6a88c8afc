import { expect } from 'chai';

import { RELAY_ATTEMPT_STATUSES, type RelayAttemptStatus } from '../../domain/relay/model.ts';
import {
  nextRelayAttemptStatus,
  RELAY_TRANSITION_EVENTS,
  type RelayTransitionEvent,
} from '../../domain/relay/attempts/transitions.ts';

type Row = Readonly<Record<RelayAttemptStatus, RelayAttemptStatus | '-'>>;
const NEVER: Row = {
  queued: '-',
  submitting: '-',
  submitted: '-',
  unknown: '-',
  mined: '-',
  succeeded: '-',
  failed: '-',
};

/** Written out once more, for whoever changes the table by mistake. '-': must not happen. */
const EXPECTED: Readonly<Record<RelayTransitionEvent, Row>> = {
  take: { ...NEVER, queued: 'submitting' },
  refused: { ...NEVER, submitting: 'queued' },
  accepted: { ...NEVER, submitting: 'submitted', unknown: 'submitted' },
  ambiguous: { ...NEVER, submitting: 'unknown', submitted: 'unknown' },
  provenUnsent: { ...NEVER, unknown: 'queued' },
  givenUp: { ...NEVER, submitted: 'queued', unknown: 'queued' },
  mined: { ...NEVER, submitted: 'mined', unknown: 'mined' },
  unmined: { ...NEVER, mined: 'submitted' },
  returned: { ...NEVER, mined: 'queued' },
  succeeded: {
    ...NEVER,
    queued: 'succeeded',
    submitted: 'succeeded',
    unknown: 'succeeded',
    mined: 'succeeded',
  },
  failed: {
    ...NEVER,
    queued: 'failed',
    submitting: 'failed',
    submitted: 'failed',
    unknown: 'failed',
    mined: 'failed',
  },
};

describe('the transitions of relay attempts', () => {
  it('know every event', () => {
    expect(Object.keys(EXPECTED)).to.have.members([...RELAY_TRANSITION_EVENTS]);
    expect(Object.keys(NEVER)).to.have.members([...RELAY_ATTEMPT_STATUSES]);
  });

  for (const event of RELAY_TRANSITION_EVENTS) {
    for (const status of RELAY_ATTEMPT_STATUSES) {
      const next = EXPECTED[event][status];
      it(
        next === '-'
          ? `do not let ${event} happen while ${status}`
          : `by ${event} lead from ${status} to ${next}`,
        () => {
          expect(nextRelayAttemptStatus(status, event)).to.equal(next === '-' ? undefined : next);
        },
      );
    }
  }

  it('lead nowhere from an end', () => {
    for (const event of RELAY_TRANSITION_EVENTS) {
      expect(nextRelayAttemptStatus('succeeded', event)).to.equal(undefined);
      expect(nextRelayAttemptStatus('failed', event)).to.equal(undefined);
    }
  });

  it('never send again what may have been sent, unless it is proven that it came to nothing', () => {
    for (const status of ['submitting', 'submitted', 'unknown', 'mined'] as const) {
      const back = RELAY_TRANSITION_EVENTS.filter(
        (event) => nextRelayAttemptStatus(status, event) === 'queued',
      );
      expect(back).to.deep.equal(
        {
          submitting: ['refused'],
          submitted: ['givenUp'],
          unknown: ['provenUnsent', 'givenUp'],
          mined: ['returned'],
        }[status],
      );
    }
  });
});
