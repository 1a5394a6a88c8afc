import { expect } from 'chai';

import {
  decideLateness,
  decideLeastMs,
  hasTimeToWait,
  isTooLate,
  msUntilTooLate,
} from '../../domain/relay/attempts/decideTime.ts';
import { addMs } from '../../shared/clock.ts';

const NOW = new Date('2030-01-01T00:00:00Z');
const inMs = (ms: number) => addMs(NOW, ms);

describe('the time that a signed request needs', () => {
  for (const [minDeadlineSeconds, blockTimeMs, leastMs] of [
    [15, 250, 15_000],
    [15, 2_000, 15_000],
    [15, 5_000, 15_000],
    [15, 5_100, 16_000],
    [15, 12_000, 36_000],
    [60, 12_000, 60_000],
    [1, 1_000, 3_000],
  ] as const) {
    it(`is ${leastMs} ms when it is taken on, with ${blockTimeMs} ms between blocks and ${minDeadlineSeconds} s at least`, () => {
      expect(decideLeastMs({ minDeadlineSeconds, blockTimeMs })).to.equal(leastMs);
    });
  }

  for (const [blockTimeMs, lastMs] of [
    [250, 1_000],
    [2_000, 3_000],
    [12_000, 18_000],
  ] as const) {
    it(`is ${lastMs} ms when it is sent, with ${blockTimeMs} ms between blocks`, () => {
      expect(isTooLate({ deadline: inMs(lastMs + 1) }, NOW, blockTimeMs)).to.equal(false);
      expect(isTooLate({ deadline: inMs(lastMs) }, NOW, blockTimeMs)).to.equal(true);
      expect(isTooLate({ deadline: inMs(-1) }, NOW, blockTimeMs)).to.equal(true);
      expect(msUntilTooLate({ deadline: inMs(lastMs + 700) }, NOW, blockTimeMs)).to.equal(700);
    });
  }

  for (const [wholeMs, blockTimeMs, untilMs] of [
    [900_000, 2_000, 600_000],
    [15_000, 2_000, 9_000],
    [900_000, 12_000, 600_000],
    [60_000, 12_000, 24_000],
    [36_000, 12_000, 0],
  ] as const) {
    it(`leaves ${untilMs} of ${wholeMs} ms to wait for another one, with ${blockTimeMs} ms between blocks`, () => {
      const attempt = { createdAt: NOW, deadline: inMs(wholeMs) };
      expect(hasTimeToWait(attempt, inMs(untilMs - 1), blockTimeMs)).to.equal(true);
      expect(hasTimeToWait(attempt, inMs(untilMs), blockTimeMs)).to.equal(false);
      expect(isTooLate(attempt, inMs(untilMs), blockTimeMs), 'it can still be sent').to.equal(
        false,
      );
    });
  }

  for (const [goodForMs, minedAfterMs, lateness] of [
    [36_000, 36_000, 'inTime'],
    [36_000, 37_000, 'signers'],
    [36_000, 72_000, 'signers'],
    [36_000, 72_001, 'ours'],
    [71_000, 72_000, 'signers'],
    [72_000, 73_000, 'ours'],
    [900_000, 899_000, 'inTime'],
    [900_000, 901_000, 'ours'],
  ] as const) {
    it(`was enough (${lateness}), when it was good for ${goodForMs} ms and mined after ${minedAfterMs}`, () => {
      expect(
        decideLateness({ createdAt: NOW, deadline: inMs(goodForMs) }, inMs(minedAfterMs), 36_000),
      ).to.equal(lateness);
    });
  }
});
