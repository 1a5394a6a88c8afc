import { expect } from 'chai';

import {
  assertRequestFits,
  FORWARD_GAS,
  MIN_FORWARD_GAS,
  relayDeadline,
} from '../../domain/relay/accept/assertRequestFits.ts';
import { PAID_ELSEWHERE } from '../../domain/relay/attempts/purpose.ts';
import { decideDepthLook, decideNextLook } from '../../domain/relay/attempts/decideNextLook.ts';
import type { ForwardRequest } from '../../domain/chain/contractModel.ts';
import { toRefusalError } from '../../domain/relay/refusals/toRefusalError.ts';
import { addMs, toUnixSeconds } from '../../shared/clock.ts';
import { AppError } from '../../shared/errors.ts';
import { makePayment } from '../support/makePayment.ts';

const NOW = new Date('2030-01-01T00:00:00Z');
const LEAST_SECONDS = 15;
const PAY_CALL = '0xabcdef01';
const payment = makePayment({ expiresAt: addMs(NOW, 900_000) });
const request: ForwardRequest = {
  from: '0x70997970C51812dc3A010C7d01b50e0d17dc79C8',
  to: payment.gateway,
  value: 0n,
  gas: FORWARD_GAS,
  nonce: 0n,
  deadline: toUnixSeconds(NOW) + LEAST_SECONDS,
  data: PAY_CALL,
};

describe('the rules of relaying', () => {
  const check =
    (changes: Partial<ForwardRequest> = {}, of = payment) =>
    () =>
      assertRequestFits({
        payment: of,
        request: { ...request, ...changes },
        payCall: PAY_CALL,
        now: NOW,
        leastSeconds: LEAST_SECONDS,
      });

  it('a request that is this payment’s call and nothing else is taken, in whatever case it is written', () => {
    expect(check()).not.to.throw();
    expect(check({ data: '0xABCDEF01' })).not.to.throw();
    expect(check({ gas: MIN_FORWARD_GAS })).not.to.throw();
  });

  for (const [name, changes, code] of [
    ['another target', { to: '0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512' }, 'PAY_018'],
    ['a value', { value: 1n }, 'PAY_018'],
    ['more gas than the cap', { gas: FORWARD_GAS + 1n }, 'PAY_018'],
    ['too little gas for any token', { gas: MIN_FORWARD_GAS - 1n }, 'PAY_018'],
    ['another call', { data: '0xabcdef02' }, 'PAY_018'],
    ['a longer call', { data: '0xabcdef0100' }, 'PAY_018'],
    ['no call', { data: '0x' }, 'PAY_018'],
    ['a deadline that is too near', { deadline: request.deadline - 1 }, 'PAY_019'],
    ['a deadline long past', { deadline: 0 }, 'PAY_019'],
  ] as const satisfies [string, Partial<ForwardRequest>, string][]) {
    it(`a request with ${name} is refused with ${code}`, () => {
      expect(check(changes)).to.throw(AppError).with.property('code', code);
    });
  }

  it('a payment that expires too soon is not relayed, whatever was signed', () => {
    const expiresIn = (seconds: number) => makePayment({ expiresAt: addMs(NOW, seconds * 1000) });
    const deadline = toUnixSeconds(NOW) + 3_600;
    expect(check({ deadline }, expiresIn(LEAST_SECONDS))).not.to.throw();
    expect(check({ deadline }, expiresIn(LEAST_SECONDS - 1)))
      .to.throw(AppError)
      .with.property('code', 'PAY_019');
  });

  it('an attempt is over at the earlier of its deadline and the payment’s expiry', () => {
    const expiry = toUnixSeconds(payment.terms.expiresAt);
    expect(relayDeadline(payment, { deadline: expiry - 60 })).to.deep.equal(
      addMs(payment.terms.expiresAt, -60_000),
    );
    expect(relayDeadline(payment, { deadline: expiry + 60 })).to.deep.equal(
      payment.terms.expiresAt,
    );
  });

  for (const [refusal, code, detail] of [
    [
      { kind: 'insufficientBalance', balance: 7n },
      'PAY_001',
      'The payer holds 7 of the 1500000 that are needed.',
    ],
    [
      { kind: 'insufficientAllowance', allowance: 8n },
      'PAY_002',
      'The gateway may take 8 of the 1500000 that are needed; have the payer approve it or sign the permit.',
    ],
    [{ kind: 'alreadyProcessed' }, 'PAY_003', 'The chain shows that the payment was made.'],
    [{ kind: 'expired' }, 'PAY_017', 'The payment expired at 2030-01-01T00:15:00.000Z.'],
    [{ kind: 'other', reason: 'Paused()' }, 'PAY_027', 'Paused()'],
  ] as const) {
    it(`the refusal "${refusal.kind}" is told as ${code}, with what was found`, () => {
      const signed = {
        rail: 'authorization' as const,
        authorization: { payer: payment.terms.merchant, deadline: 0 },
      };
      expect(toRefusalError(refusal, { signed, terms: payment.terms })).to.include({
        code,
        detail,
      });
    });
  }

  for (const [refusal, reason, detail] of [
    [
      { permitRefusal: 'ERC2612InvalidSigner(0x1, 0x2)' },
      'permitRefused',
      ', and the token refuses the permit (ERC2612InvalidSigner(0x1, 0x2)); ask anew for what to sign, or have the payer approve the gateway.',
    ],
    [
      { approveFirst: 'noPermit' },
      'noPermit',
      '; the token has no permit: have the payer approve the gateway first.',
    ],
    [
      { approveFirst: 'unusablePermit', permitRefusal: 'no reason given' },
      'unusablePermit',
      ', and the token refuses the permit (no reason given); the permit of this token does not work here: have the payer approve the gateway first.',
    ],
    [
      { approveFirst: 'contractWallet' },
      'contractWallet',
      '; the permit of this token does not accept contract wallets: have the payer approve the gateway first.',
    ],
    [
      { approveFirst: 'contractWallet', permitRefusal: 'not of 65 bytes', isNoKeySignature: true },
      'contractWallet',
      ', and the token refuses the permit (not of 65 bytes); a permit has room for one signature of 65 bytes and no other: have the payer approve the gateway first.',
    ],
  ] as const) {
    it(`too small an allowance is told with the reason ${reason} when a permit does not help (${Object.keys(refusal).join(', ')})`, () => {
      const signed = {
        rail: 'authorization' as const,
        authorization: { payer: payment.terms.merchant, deadline: 0 },
      };
      const error = toRefusalError(
        { kind: 'insufficientAllowance', allowance: 8n, ...refusal },
        { signed, terms: payment.terms },
      );
      expect(error).to.include({
        code: 'PAY_002',
        reason,
        detail: `The gateway may take 8 of the 1500000 that are needed${detail}`,
      });
    });
  }

  it('an attempt that ends because the payment was made otherwise says so with the code for that', () => {
    expect(PAID_ELSEWHERE.code).to.equal('PAY_003');
  });

  for (const [blockTimeMs, waitMs] of [
    [1, 200],
    [250, 250],
    [2_000, 2_000],
    [12_000, 5_000],
  ] as const) {
    it(`a transaction on a chain with ${blockTimeMs} ms between blocks is looked at again after ${waitMs} ms`, () => {
      expect(decideNextLook(NOW, blockTimeMs)).to.deep.equal(addMs(NOW, waitMs));
    });
  }

  for (const [blockTimeMs, missingBlocks, waitMs] of [
    [1, 1, 200],
    [2_000, 0, 2_000],
    [2_000, 5, 10_000],
    [2_000, 29, 30_000],
    [12_000, 0, 5_000],
    [12_000, 1, 12_000],
    [12_000, 64, 30_000],
  ] as const) {
    it(`one that is mined is looked at again after ${waitMs} ms, with ${missingBlocks} blocks of ${blockTimeMs} ms to come`, () => {
      expect(decideDepthLook(NOW, blockTimeMs, missingBlocks)).to.deep.equal(addMs(NOW, waitMs));
    });
  }
});
