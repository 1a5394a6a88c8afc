import { expect } from 'chai';

import { EVENT_TYPE_OF_REFUND_TRANSITION, takesFromPayment } from '../../domain/refunds/decide.ts';
import { REFUND_STATUSES, type RefundStatus } from '../../domain/refunds/model.ts';
import {
  nextRefundStatus,
  REFUND_TRANSITION_EVENTS,
  type RefundTransitionEvent,
} from '../../domain/refunds/transitions.ts';
import { addMs, BLOCK_CLOCK_MARGIN_MS } from '../../shared/clock.ts';

/** Written out once more, for whoever changes the table by mistake. '-': must not happen. */
const EXPECTED: Readonly<
  Record<RefundTransitionEvent, Readonly<Record<RefundStatus, RefundStatus | '-'>>>
> = {
  relayFailed: { processing: 'failed', completed: '-', failed: '-' },
  signedAgain: { processing: '-', completed: '-', failed: 'processing' },
  eventSeen: { processing: '-', completed: '-', failed: 'processing' },
  eventFinal: { processing: 'completed', completed: '-', failed: '-' },
  eventRemoved: { processing: 'processing', completed: '-', failed: '-' },
  eventRemovedForGood: { processing: 'failed', completed: 'failed', failed: '-' },
};

describe('the transitions of refunds', () => {
  it('know every event and every status', () => {
    expect(Object.keys(EXPECTED)).to.have.members([...REFUND_TRANSITION_EVENTS]);
    for (const row of Object.values(EXPECTED))
      expect(Object.keys(row)).to.have.members([...REFUND_STATUSES]);
  });

  for (const event of REFUND_TRANSITION_EVENTS) {
    for (const status of REFUND_STATUSES) {
      const next = EXPECTED[event][status];
      it(
        next === '-'
          ? `do not let ${event} happen to one that is ${status}`
          : `by ${event} lead from ${status} to ${next}`,
        () => {
          expect(nextRefundStatus(status, event) ?? '-').to.equal(next);
        },
      );
    }
  }

  it('are each told as an event about a refund', () => {
    expect(Object.keys(EVENT_TYPE_OF_REFUND_TRANSITION)).to.have.members([
      ...REFUND_TRANSITION_EVENTS,
    ]);
    for (const type of Object.values(EVENT_TYPE_OF_REFUND_TRANSITION))
      expect(type).to.match(/^refund\./);
  });
});

describe('what can still be refunded', () => {
  const deadline = new Date('2026-01-01T00:00:00Z');
  const cases: readonly (readonly [
    status: RefundStatus,
    errorCode: string | null,
    afterMs: number | undefined,
    takes: boolean,
  ])[] = [
    ['processing', null, 60_000, true],
    ['completed', null, 60_000, true],
    ['failed', 'PAY_001', -1_000, false],
    ['failed', null, undefined, true],
    ['failed', null, BLOCK_CLOCK_MARGIN_MS, true],
    ['failed', null, BLOCK_CLOCK_MARGIN_MS + 1, false],
  ];
  for (const [status, errorCode, afterMs, takes] of cases) {
    const chainTime =
      afterMs === undefined ? 'an unknown time' : `${afterMs} ms after its deadline`;
    it(`${takes ? 'is less' : 'is not less'} by one that is ${status} with ${errorCode ?? 'no error'}, when the chain is at ${chainTime}`, () => {
      const settledTime = afterMs === undefined ? undefined : addMs(deadline, afterMs);
      expect(takesFromPayment({ status, errorCode, deadline }, settledTime)).to.equal(takes);
    });
  }
});
