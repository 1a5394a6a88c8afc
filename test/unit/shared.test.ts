import { expect } from 'chai';
import fc from 'fast-check';

import { addMs, fromUnixSeconds, systemClock, toUnixSeconds } from '../../shared/clock.ts';
import { asBytes32, asHex, isBytes32 } from '../../shared/hex.ts';
import { newId } from '../../shared/ids.ts';

describe('ids', () => {
  const now = new Date('2031-05-06T07:08:09.010Z');

  it('have their prefix and 26 characters', () => {
    expect(newId('rla', now)).to.match(/^rla_[0-9A-HJKMNP-TV-Z]{26}$/);
  });

  it('never come twice', () => {
    expect(new Set(Array.from({ length: 5_000 }, () => newId('evt', now))).size).to.equal(5_000);
  });

  it('sort by their time', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 2 ** 46 }),
        fc.integer({ min: 1, max: 2 ** 40 }),
        (time, later) => {
          expect(newId('ob', new Date(time)) < newId('ob', new Date(time + later))).to.equal(true);
        },
      ),
    );
  });
});

describe('hex', () => {
  const bytes = `0x${'0123456789abcdef'.repeat(4)}`;

  it('of 32 bytes in lower case is taken', () => {
    expect(isBytes32(bytes)).to.equal(true);
    expect(asBytes32(bytes)).to.equal(bytes);
  });

  for (const [name, text] of [
    ['upper case', bytes.toUpperCase().replace('0X', '0x')],
    ['an upper-case prefix', bytes.replace('0x', '0X')],
    ['no prefix', bytes.slice(2)],
    ['31 bytes', bytes.slice(0, -2)],
    ['33 bytes', `${bytes}00`],
    ['half a byte missing', bytes.slice(0, -1)],
    ['a line break behind', `${bytes}\n`],
    ['another letter', bytes.replace('f', 'g')],
    ['nothing', ''],
  ] as const) {
    it(`with ${name} is not 32 bytes`, () => {
      expect(isBytes32(text)).to.equal(false);
      expect(() => asBytes32(text)).to.throw(TypeError);
    });
  }

  it('of any length and case is taken as hex', () => {
    for (const text of ['0x', '0xAb', bytes]) expect(asHex(text)).to.equal(text);
  });

  for (const text of ['', '0', 'ab', '0xg', '0x 1', '0x1\n']) {
    it(`is not ${JSON.stringify(text)}`, () => {
      expect(() => asHex(text)).to.throw(TypeError);
    });
  }
});

describe('time', () => {
  it('in whole seconds comes back as it was', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 2 ** 36 }),
        (seconds) => toUnixSeconds(fromUnixSeconds(seconds)) === seconds,
      ),
    );
  });

  it('is rounded down to the second, as blocks are', () => {
    expect(toUnixSeconds(new Date(1_999))).to.equal(1);
    expect(toUnixSeconds(new Date(2_000))).to.equal(2);
  });

  it('moves without changing the date it moves from', () => {
    const date = new Date(1_000);
    expect(addMs(date, -400).getTime()).to.equal(600);
    expect(date.getTime()).to.equal(1_000);
  });

  it('of the system is now', () => {
    const before = Date.now();
    expect(systemClock.now().getTime()).to.be.within(before, Date.now());
  });
});
