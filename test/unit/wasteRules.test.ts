import { expect } from 'chai';

import {
  decideBlame,
  decideWasteVerdict,
  startOfWasteWindow,
  type Waste,
  type WasteRule,
} from '../../domain/relay/waste/decideWaste.ts';
import { addMs } from '../../shared/clock.ts';

const NOW = new Date('2030-01-01T12:34:56Z');
const LIMITS = {
  maxWastedPerPayerPerDay: 4,
  maxWastedPerPaymentPerDay: 3,
  maxWastedPerStorePerDay: 200,
};

describe('whom a request that was mined in vain is counted against', () => {
  const alone = {
    runsForeignCode: false,
    refusedFor: undefined,
    refusal: undefined,
    lateness: 'inTime',
    isOutOfGas: false,
    mayHaveBurned: false,
  } as const;
  const short = { kind: 'insufficientBalance', balance: 0n } as const;

  for (const [name, input, blame] of [
    ['its signer holds too little', { ...alone, refusal: short }, 'signer'],
    [
      'its signer took the approval back',
      { ...alone, refusal: { kind: 'insufficientAllowance', allowance: 0n } },
      'signer',
    ],
    [
      'the batch says that its signer held too little, though that is put right',
      { ...alone, refusedFor: 'ERC20InsufficientBalance(0x1, 0, 5)' },
      'signer',
    ],
    [
      'an older token’s text says so',
      { ...alone, refusedFor: 'ERC20: transfer amount exceeds balance' },
      'signer',
    ],
    ['its signer’s contract would not have it', { ...alone, runsForeignCode: true }, 'signer'],
    [
      'its signer’s contract used up the gas',
      { ...alone, runsForeignCode: true, isOutOfGas: true },
      'signer',
    ],
    [
      'its signer’s contract used up its part of a batch’s gas',
      { ...alone, runsForeignCode: true, refusedFor: 'no reason given' },
      'signer',
    ],
    [
      'the token was stopped',
      {
        ...alone,
        refusedFor: 'EnforcedPause()',
        refusal: { kind: 'other', reason: 'EnforcedPause()' },
      },
      'subject',
    ],
    ['nobody can tell why any more', alone, 'subject'],
    ['the relayer gave it too little gas', { ...alone, isOutOfGas: true }, 'nobody'],
    [
      'the relayer gave it too little gas, and the tokens went later',
      { ...alone, isOutOfGas: true, refusal: short },
      'nobody',
    ],
    [
      'its permit may have run code that used up the gas',
      { ...alone, isOutOfGas: true, mayHaveBurned: true },
      'subject',
    ],
    [
      'it came too late through us, the relayer or the chain',
      { ...alone, lateness: 'ours', refusal: short },
      'nobody',
    ],
    [
      'it came too late so, and its signer has a contract',
      { ...alone, lateness: 'ours', runsForeignCode: true },
      'nobody',
    ],
    [
      'it came too late though nobody was slow',
      { ...alone, lateness: 'signers', refusal: short },
      'late',
    ],
    [
      'it came too late though nobody was slow, which the batch says too',
      { ...alone, lateness: 'signers', refusedFor: 'AuthorizationExpired(0x1, 2, 3)' },
      'late',
    ],
    [
      'the batch says that it came too late',
      { ...alone, refusedFor: 'PaymentExpired(0x1, 2, 3)' },
      'nobody',
    ],
    [
      'the batch says that its request came too late',
      { ...alone, refusedFor: 'ERC2771ForwarderExpiredRequest(5)' },
      'nobody',
    ],
    [
      'somebody else paid first',
      { ...alone, refusedFor: 'PaymentAlreadyProcessed(0x1, 0x2)' },
      'nobody',
    ],
    ['the refund was made first', { ...alone, refusedFor: 'RefundNonceUsed(0x1, 2)' }, 'nobody'],
  ] as const satisfies [string, Parameters<typeof decideBlame>[0], string][]) {
    it(`${blame}, when ${name}`, () => {
      expect(decideBlame(input)).to.equal(blame);
    });
  }
});

describe('what failures lead to', () => {
  const of = (items: number): Waste => ({ items, latestAt: NOW });
  const waitSeconds = (kind: WasteRule, items: number) => {
    const verdict = decideWasteVerdict(kind, of(items), LIMITS, NOW);
    return verdict.kind === 'backOff'
      ? (verdict.until.getTime() - NOW.getTime()) / 1000
      : verdict.kind;
  };

  it('a wait that grows with each of a payer’s, then no relaying', () => {
    expect([1, 2, 3, 4, 20].map((items) => waitSeconds('signer', items))).to.deep.equal([
      30,
      120,
      480,
      'payDirectly',
      'payDirectly',
    ]);
  });

  it('the same for a payment, sooner', () => {
    expect([1, 2, 3].map((items) => waitSeconds('subject', items))).to.deep.equal([
      30,
      120,
      'payDirectly',
    ]);
  });

  it('nothing for a payer who was late now and then; the same when that is repeated', () => {
    expect([1, 2, 3, 4].map((items) => waitSeconds('late', items))).to.deep.equal([
      'welcome',
      'welcome',
      30,
      'payDirectly',
    ]);
  });

  it('nothing for a store before half of its limit, then waits that grow, then no relaying', () => {
    const seen = [1, 100, 101, 125, 126, 151, 199, 200].map((items) => waitSeconds('store', items));
    expect(seen).to.deep.equal(['welcome', 'welcome', 30, 30, 120, 480, 1920, 'payDirectly']);
  });

  it('that ends with the time, and nothing without failures', () => {
    expect(decideWasteVerdict('signer', undefined, LIMITS, NOW)).to.deep.equal({ kind: 'welcome' });
    expect(decideWasteVerdict('signer', of(1), LIMITS, addMs(NOW, 29_999)).kind).to.equal(
      'backOff',
    );
    expect(decideWasteVerdict('signer', of(1), LIMITS, addMs(NOW, 30_000)).kind).to.equal(
      'welcome',
    );
  });

  it('with limits of one, the first failure ends it', () => {
    const strict = {
      maxWastedPerPayerPerDay: 1,
      maxWastedPerPaymentPerDay: 1,
      maxWastedPerStorePerDay: 1,
    };
    for (const kind of ['signer', 'late', 'subject', 'store'] as const) {
      expect(decideWasteVerdict(kind, of(1), strict, NOW).kind).to.equal('payDirectly');
    }
  });

  it('within a window of 24 clock hours, the present one included', () => {
    expect(startOfWasteWindow(NOW)).to.deep.equal(new Date('2029-12-31T13:00:00Z'));
  });
});
