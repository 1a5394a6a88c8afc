import { expect } from 'chai';
import fc from 'fast-check';

import { formatAmountUnits, formatDecimal, parseAmountUnits } from '../../shared/money.ts';

const MAX = 10n ** 65n - 1n;
const amounts = fc.bigInt({ min: 1n, max: MAX });

describe('amounts', () => {
  it('come back from their wire form as they were', () => {
    fc.assert(
      fc.property(
        amounts,
        (amount) => formatAmountUnits(parseAmountUnits(amount.toString())) === amount.toString(),
      ),
    );
  });

  it('of one digit and of 65 digits are taken', () => {
    expect(parseAmountUnits('1')).to.equal(1n);
    expect(parseAmountUnits('9'.repeat(65))).to.equal(MAX);
  });

  for (const text of [
    '',
    ' ',
    '0',
    '00',
    '01',
    '-1',
    '+1',
    '1.0',
    '1,000',
    '1e3',
    '0x10',
    '1n',
    ' 1',
    '1 ',
    '1\n',
    '１',
    '٣',
    'NaN',
    'Infinity',
    'null',
    '1'.repeat(66),
  ]) {
    it(`do not parse from ${JSON.stringify(text)}`, () => {
      expect(() => parseAmountUnits(text)).to.throw(
        RangeError,
        'an amount is a positive whole number',
      );
    });
  }

  it('parse from nothing but digits', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        fc.pre(!/^[1-9][0-9]{0,64}$/.test(text) || text.endsWith('\n'));
        expect(() => parseAmountUnits(text)).to.throw(RangeError);
      }),
    );
  });

  for (const [amount, decimals, text] of [
    ['1500000', 6, '1.5'],
    ['1000000', 6, '1'],
    ['1', 6, '0.000001'],
    ['10', 1, '1'],
    ['123', 0, '123'],
    ['100', 0, '100'],
    ['1', 18, '0.000000000000000001'],
    ['1', 77, `0.${'0'.repeat(76)}1`],
  ] as const) {
    it(`read as people write them: ${amount} with ${decimals} decimals is ${text}`, () => {
      expect(formatDecimal(parseAmountUnits(amount), decimals)).to.equal(text);
    });
  }

  it('lose nothing when they are read as people write them', () => {
    fc.assert(
      fc.property(amounts, fc.integer({ min: 0, max: 77 }), (amount, decimals) => {
        const [whole = '', fraction = ''] = formatDecimal(
          parseAmountUnits(amount.toString()),
          decimals,
        ).split('.');
        expect(fraction.length).to.be.at.most(decimals);
        expect(fraction.endsWith('0')).to.equal(false);
        expect(BigInt(whole + fraction.padEnd(decimals, '0'))).to.equal(amount);
      }),
    );
  });
});
