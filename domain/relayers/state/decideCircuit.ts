import { addMs } from '../../../shared/clock.ts';
import type { RelayerRecord } from '../model.ts';
import type { SendOutcome } from '../ports.ts';

/**
 * A relayer that refuses says for how long; one that leaves sends in doubt is given this many
 * before it rests.
 */
const FAILURES_BEFORE_REST = 3;

const FIRST_REST_MS = 2_000;

const LONGEST_REST_MS = 60_000;

/** What a send's outcome means for the relayer's circuit breaker. */
export function decideCircuit(
  record: Pick<RelayerRecord, 'failures'>,
  outcome: SendOutcome,
  now: Date,
): Pick<RelayerRecord, 'failures' | 'restingUntil' | 'restingReason'> {
  switch (outcome.kind) {
    case 'accepted':
    case 'rejected':
      return { failures: 0, restingUntil: null, restingReason: null };
    case 'refused':
      return {
        failures: record.failures + 1,
        restingUntil: addMs(now, outcome.retryAfterMs),
        restingReason: outcome.reason,
      };
    case 'ambiguous': {
      const failures = record.failures + 1;
      if (failures < FAILURES_BEFORE_REST)
        return { failures, restingUntil: null, restingReason: null };
      const restMs = Math.min(
        LONGEST_REST_MS,
        FIRST_REST_MS * 2 ** Math.min(10, failures - FAILURES_BEFORE_REST),
      );
      return { failures, restingUntil: addMs(now, restMs), restingReason: outcome.reason };
    }
  }
}
