import { expect } from 'chai';

import {
  forgetRefusal,
  hearRefusal,
  hearTooEarly,
  wasRefused,
  wasTooEarly,
} from '../../domain/relay/send/heardRefusals.ts';
import type { Context } from '../../platform/context.ts';
import { addMs } from '../../shared/clock.ts';
import { createFakeClock } from '../support/varyContext.ts';

const BEGIN = new Date('2026-01-01T00:00:00Z');
const GRACE_MS = 15_000;

describe('a refusal by the chain', () => {
  function setUp(refusalGraceMs = GRACE_MS) {
    const clock = createFakeClock(BEGIN);
    const ctx = { db: {}, clock, config: { relay: { refusalGraceMs } } } as unknown as Context;
    /** In ms after the begin; undefined: it counts. */
    const hearAt = (ms: number, attemptId = 'one') => {
      clock.set(addMs(BEGIN, ms));
      const at = hearRefusal(ctx, attemptId, addMs(clock.now(), 1_000));
      return at && at.getTime() - BEGIN.getTime();
    };
    return { ctx, hearAt };
  }

  it('counts once it was heard for as long as a node may be wrong, with looks further and further apart until then', () => {
    const { hearAt } = setUp();
    const looks: (number | undefined)[] = [0];
    while (looks.at(-1) !== undefined) looks.push(hearAt(looks.at(-1)!));
    expect(looks).to.deep.equal([0, 1_000, 2_000, 4_000, 8_000, 15_000, undefined]);
  });

  it('counts at the third look, however far apart they are: what lies between two looks was not heard', () => {
    const { hearAt } = setUp();
    hearAt(0);
    expect(hearAt(60_000)).to.equal(65_000);
    expect(hearAt(600_000)).to.equal(undefined);
  });

  it('is no more than a first one again once the attempt could be sent in between', () => {
    const { ctx, hearAt } = setUp();
    hearAt(0);
    forgetRefusal(ctx, 'one');
    expect(hearAt(20_000)).to.equal(21_000);
    expect(hearAt(28_000)).to.equal(35_000);
    expect(hearAt(35_000)).to.equal(undefined);
  });

  it('says nothing of another attempt, and counts at once where no node is ever wrong', () => {
    const { hearAt } = setUp();
    hearAt(0);
    expect(hearAt(20_000, 'other')).to.equal(21_000);
    expect(setUp(0).hearAt(0)).to.equal(undefined);
  });

  it('is remembered until the attempt could be sent, also where it counts at once', () => {
    for (const graceMs of [GRACE_MS, 0]) {
      const { ctx, hearAt } = setUp(graceMs);
      expect(wasRefused(ctx, 'one')).to.equal(false);
      hearAt(0);
      expect([wasRefused(ctx, 'one'), wasRefused(ctx, 'other')]).to.deep.equal([true, false]);
      forgetRefusal(ctx, 'one');
      expect(wasRefused(ctx, 'one')).to.equal(false);
    }
  });

  it('is none where a nonce has not come: the attempt cannot go, and for another reason it has to be refused from then on', () => {
    const { ctx, hearAt } = setUp();
    hearAt(0);
    hearTooEarly(ctx, 'one');
    expect([wasRefused(ctx, 'one'), wasTooEarly(ctx, 'one')]).to.deep.equal([true, true]);
    expect(hearAt(20_000)).to.equal(21_000);
    expect(wasTooEarly(ctx, 'one')).to.equal(false);
  });
});
