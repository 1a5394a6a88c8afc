import { expect } from 'chai';
import fc from 'fast-check';
import { concat, keccak256, stringToHex, toHex } from 'viem';

import {
  decideAfterRelayFailure,
  decideAfterRemoval,
  decideExpiryLook,
  decideExpiry,
  EVENT_TYPE_OF_TRANSITION,
  isOver,
  isPayable,
  isSamePosition,
  makeSalt,
  matchesTerms,
} from '../../domain/payments/decide.ts';
import { PAYMENT_STATUSES, type Payment } from '../../domain/payments/model.ts';
import { PAYMENT_TRANSITION_EVENTS } from '../../domain/payments/transitions.ts';
import { assertRelayable } from '../../domain/payments/service.ts';
import { EVENT_TYPES } from '../../domain/modules.ts';
import { addMs } from '../../shared/clock.ts';
import { AppError } from '../../shared/errors.ts';
import { makePayment, POSITION } from '../support/makePayment.ts';
import type { PaymentProcessedLog } from '../../domain/chain/contractModel.ts';
import { confirmationsAt } from '../../domain/chain/decide.ts';

const EXPIRES_AT = new Date('2030-01-01T00:00:00Z');
const inTime = EXPIRES_AT;
const tooLate = new Date(EXPIRES_AT.getTime() + 1_000);
const payment = (changes: Partial<Payment> = {}) =>
  makePayment({ expiresAt: EXPIRES_AT, ...changes });

describe('the rules of payments', () => {
  it('the salt is the hash of store, order and randomness, each of which changes it', () => {
    const randomness = Buffer.alloc(32, 9);
    expect(makeSalt('st_1', '주문-1', randomness)).to.equal(
      keccak256(concat([stringToHex('st_1'), stringToHex('주문-1'), toHex(randomness)])),
    );
    const salts = [
      makeSalt('st_1', 'o', randomness),
      makeSalt('st_2', 'o', randomness),
      makeSalt('st_1', 'p', randomness),
      makeSalt('st_1', 'o', Buffer.alloc(32, 8)),
    ];
    expect(new Set(salts).size).to.equal(4);
  });

  it('the expiry is on a whole second, never later than asked for, and less than a second earlier', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 2 ** 42 }),
        fc.integer({ min: 1, max: 86_400 }),
        (now, seconds) => {
          const early = now + seconds * 1000 - decideExpiry(new Date(now), seconds).getTime();
          expect(decideExpiry(new Date(now), seconds).getTime() % 1000).to.equal(0);
          expect(early).to.be.within(0, 999);
        },
      ),
    );
  });

  it('a payment can be paid through the whole second in which it expires', () => {
    expect(isPayable(payment(), new Date(EXPIRES_AT.getTime() + 999))).to.equal(true);
    expect(isPayable(payment(), tooLate)).to.equal(false);
  });

  it('confirmations count the event’s own block, and never go below zero', () => {
    expect([9n, 10n, 11n, 15n].map((head) => confirmationsAt(head, 10n))).to.deep.equal([
      0, 1, 2, 6,
    ]);
  });

  it('every transition is told by an event type that exists', () => {
    expect(Object.keys(EVENT_TYPE_OF_TRANSITION)).to.have.members([...PAYMENT_TRANSITION_EVENTS]);
    expect(EVENT_TYPES).to.include.members(Object.values(EVENT_TYPE_OF_TRANSITION));
  });

  it('a failed relay opens the payment again while it can be paid, and fails it when it cannot', () => {
    const relaying = payment({ status: 'processing', relayAttemptId: 'rla_1' });
    expect(decideAfterRelayFailure(relaying, inTime)).to.equal('relayFailed');
    expect(decideAfterRelayFailure(relaying, tooLate)).to.equal('relayFailedFinal');
    // By the chain's clock, as far as that is known: ours says nothing.
    expect(decideAfterRelayFailure(relaying, undefined)).to.equal('relayFailed');
  });

  it('a failed relay means nothing for a payment that the chain shows, or that is not under way', () => {
    expect(
      decideAfterRelayFailure(payment({ status: 'processing', position: POSITION }), inTime),
    ).to.equal(undefined);
    for (const status of PAYMENT_STATUSES) {
      if (status !== 'processing')
        expect(decideAfterRelayFailure(payment({ status }), tooLate), status).to.equal(undefined);
    }
  });

  for (const [name, changes, now, expected] of [
    ['in time', { status: 'processing' }, inTime, 'eventRemoved'],
    ['too late', { status: 'processing' }, tooLate, 'eventRemovedLate'],
    [
      'with its relay under way',
      { status: 'processing', relayAttemptId: 'rla_1' },
      inTime,
      'eventRemovedInFlight',
    ],
    [
      'too late with its relay under way',
      { status: 'processing', relayAttemptId: 'rla_1' },
      tooLate,
      'eventRemovedInFlight',
    ],
    [
      'in time after it was cancelled',
      { status: 'processing', late: true },
      inTime,
      'eventRemovedCancelled',
    ],
    ['completed, in time', { status: 'completed' }, inTime, 'eventRemoved'],
    ['completed, too late', { status: 'completed' }, tooLate, 'eventRemovedLate'],
    [
      'completed after it was cancelled',
      { status: 'completed', late: true },
      inTime,
      'eventRemovedCancelled',
    ],
    [
      'completed after it had expired',
      { status: 'completed', late: true },
      tooLate,
      'eventRemovedLate',
    ],
  ] as const satisfies [string, Partial<Payment>, Date, string][]) {
    it(`an event that is taken away ${name} is ${expected}`, () => {
      expect(
        decideAfterRemoval(payment({ ...changes, position: POSITION }), { now, settled: now }),
      ).to.equal(expected);
    });
  }

  it('an event that is taken away when only our clock says that it is too late leaves the payment open, unless its end was told before', () => {
    for (const settled of [undefined, inTime]) {
      const after = (changes: Partial<Payment>) =>
        decideAfterRemoval(payment({ ...changes, position: POSITION }), { now: tooLate, settled });
      expect(after({ status: 'processing' })).to.equal('eventRemoved');
      expect(after({ status: 'completed' })).to.equal('eventRemoved');
      expect(after({ status: 'completed', late: true })).to.equal('eventRemovedLate');
    }
  });

  describe('an overdue payment is looked at', () => {
    /**
     * @param settledAt the chain's own clock, at a moment of ours; seconds after the payment's last
     *   one. @returns the looks, in such seconds
     */
    function looksOn(
      settledAt: (second: number) => number | undefined,
      blockTimeMs: number,
    ): number[] {
      const { expiresAt } = payment().terms;
      const looks: number[] = [];
      for (let now = addMs(expiresAt, 1_000); looks.length < 1_000;) {
        const second = (now.getTime() - expiresAt.getTime()) / 1_000;
        looks.push(second);
        const settled = settledAt(second);
        const settledTime = settled === undefined ? undefined : addMs(expiresAt, settled * 1_000);
        if (isOver(payment(), settledTime)) return looks;
        now = decideExpiryLook({ now, expiresAt, settledTime, blockTimeMs });
      }
      return looks;
    }

    it('when it will be over by the chain’s clock: two or three times, however long the chain takes', () => {
      // A dozen blocks of two seconds; sixty-four of twelve; Ethereum's finality, which moves by 32
      // blocks at once.
      expect(looksOn((second) => Math.floor(second / 2) * 2 - 24, 2_000).length).to.be.within(2, 3);
      expect(looksOn((second) => Math.floor(second / 12) * 12 - 768, 12_000).length).to.be.within(
        2,
        3,
      );
      for (let phase = 0; phase < 384; phase += 12) {
        const looks = looksOn(
          (second) => Math.floor((second + phase) / 384) * 384 - phase - 768,
          12_000,
        );
        expect(looks.length).to.be.within(2, 4);
        expect(looks.at(-1), 'told soon after').to.be.below(768 + 384 + 300);
      }
    });

    it('less and less often while the chain stands still or is not scanned, and never less than every quarter of an hour', () => {
      for (const settled of [undefined, -1, -86_400]) {
        const looks = looksOn(() => settled, 2_000).filter((second) => second < 86_400);
        expect(looks.length).to.be.below(400);
        for (const [index, second] of looks.slice(1).entries())
          expect(second - (looks[index] ?? 0)).to.be.within(1, 900);
      }
    });
  });

  it('an event has to be about the very terms: token, merchant and amount', () => {
    const { terms } = payment();
    const log: PaymentProcessedLog = {
      ...POSITION,
      paymentId: payment().id,
      payer: terms.merchant,
      ...terms,
    };
    expect(matchesTerms(payment(), log)).to.equal(true);
    const other = '0x00000000000000000000000000000000000000fF';
    for (const change of [
      { amount: terms.amount + 1n },
      { amount: 0n },
      { token: other },
      { merchant: other },
    ] as const) {
      expect(matchesTerms(payment(), { ...log, ...change })).to.equal(false);
    }
    expect(isSamePosition(payment(), log)).to.equal(false);
    expect(isSamePosition(payment({ position: POSITION }), log)).to.equal(true);
    expect(isSamePosition(payment({ position: POSITION }), { ...log, logIndex: 5 })).to.equal(
      false,
    );
    expect(
      isSamePosition(payment({ position: POSITION }), {
        ...log,
        blockHash: `0x${'99'.repeat(32)}`,
      }),
    ).to.equal(false);
  });

  for (const [name, changes, now, code] of [
    ['pending, in time', {}, inTime, undefined],
    ['pending, too late', {}, tooLate, 'PAY_017'],
    ['expired', { status: 'expired' }, inTime, 'PAY_017'],
    ['completed', { status: 'completed' }, inTime, 'PAY_003'],
    ['seen on the chain', { status: 'processing', position: POSITION }, inTime, 'PAY_003'],
    ['being relayed', { status: 'processing' }, inTime, 'PAY_004'],
    ['cancelled', { status: 'cancelled' }, inTime, 'PAY_004'],
    ['failed', { status: 'failed' }, tooLate, 'PAY_004'],
  ] as const satisfies [string, Partial<Payment>, Date, string | undefined][]) {
    it(`a payment that is ${name} ${code === undefined ? 'can be relayed' : `cannot be relayed: ${code}`}`, () => {
      const check = () => assertRelayable(payment(changes), now);
      if (code === undefined) expect(check).not.to.throw();
      else expect(check).to.throw(AppError).with.property('code', code);
    });
  }
});
