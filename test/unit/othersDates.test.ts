import { expect } from 'chai';

import { createKeptLogs } from '../../adapters/chain/createKeptLogs.ts';
import { createCallErrors } from '../../adapters/relayers/createCallErrors.ts';
import type { RangeLogs } from '../../domain/chain/ports.ts';
import { addMs, type Clock } from '../../shared/clock.ts';

const HOUR_MS = 3_600_000;

/**
 * Dates of others are compared with the clock that is given, which is the database's: this
 * machine's may be anything.
 */
describe('others’ dates', () => {
  for (const [name, aheadMs] of [
    ['ahead of', HOUR_MS],
    ['behind', -HOUR_MS],
  ] as const) {
    describe(`when the clock is ${name} this machine’s`, () => {
      const clock: Clock = { now: () => addMs(new Date(), aheadMs) };

      it('a provider’s Retry-After is compared with the clock', () => {
        const retryAfter = addMs(clock.now(), 90_000).toUTCString();
        const { failure } = createCallErrors([], clock).answered({
          status: 429,
          body: {},
          retryAfter,
        });
        expect(failure).to.have.property('retryAfterMs').that.is.within(80_000, 90_000);
      });

      it('blocks are young or old by the clock', () => {
        const madeAgoMs = (ms: number, number: bigint): RangeLogs => ({
          last: { number, hash: `0x${'ab'.repeat(32)}`, timestamp: addMs(clock.now(), -ms) },
          payments: [],
          refunds: [],
        });
        let ms = 0;
        const kept = createKeptLogs({ clock, monotonicMs: () => ms });
        const old = madeAgoMs(5 * 60_000, 10n);
        const young = madeAgoMs(1_000, 20n);
        kept.keep(0, 1n, [old, young]);
        expect(kept.listOf(0, 1n, 20n)).to.deep.equal([old, young]);
        ms = 20_000;
        expect(kept.listOf(0, 1n, 20n)).to.deep.equal([old]);
      });
    });
  }
});
