import { expect } from 'chai';

import { findUnbelievable, findVoters, type Head } from '../../adapters/chain/judgeHeads.ts';
import { addMs } from '../../shared/clock.ts';

const NOW = new Date('2030-01-01T00:00:00Z');
const MEASURE = { now: NOW, blockTimeMs: 2_000 };
const HOUR = 3_600;

/** @param age seconds by our clock */
const head = (number: number, age = 0): Head => ({
  number: BigInt(number),
  timestamp: addMs(NOW, -age * 1_000),
});

/** By their places. */
const voters = (...heads: Head[]) => votersOf(heads.length, ...heads);
const votersOf = (urls: number, ...heads: Head[]) =>
  findVoters(
    heads.map((one, place) => ({ head: one, readAt: NOW, place })),
    { urls, blockTimeMs: MEASURE.blockTimeMs },
  ).map(({ place }) => place);
const unbelievable = (...heads: Head[]) => [...findUnbelievable(heads, MEASURE)];

describe('whose head counts', () => {
  it('is everybody’s who is about as far, whoever is the furthest', () => {
    expect(voters(head(100), head(101), head(102))).to.deep.equal([0, 1, 2]);
    expect(voters(head(100, 4), head(102))).to.deep.equal([0, 1]);
    expect(voters(head(100, HOUR))).to.deep.equal([0]);
  });

  it('is that of two that are recent by our clock, whatever one of them says of itself', () => {
    expect(voters(head(100, 2), head(103))).to.deep.equal([0, 1]);
    expect(voters(head(100, 2), head(1_000_000_000))).to.deep.equal([0, 1]);
    expect(voters(head(100, 2), head(1))).to.deep.equal([0, 1]);
  });

  it('is not that of one that is stuck, or that lacks blocks which two others have', () => {
    expect(voters(head(100, HOUR), head(1_900))).to.deep.equal([1]);
    expect(voters(head(80, 40), head(100), head(100))).to.deep.equal([1, 2]);
    expect(voters(head(100, HOUR), head(1_900), head(1_900))).to.deep.equal([1, 2]);
  });

  it('is not that of one that is far above two others, or of a time that has not come', () => {
    expect(voters(head(100, 2), head(1_000_000_000), head(101))).to.deep.equal([0, 2]);
    expect(
      voters(head(100, 2), head(101, -31)),
      'of two, it may be our clock that is wrong',
    ).to.deep.equal([0, 1]);
    expect(voters(head(100, 2), head(101), head(101, -31))).to.deep.equal([0, 1]);
  });

  it('is that of one that goes on where our clock is late, though another one is stuck', () => {
    expect(unbelievable(head(400, -35), head(100, 600))).to.deep.equal([]);
    expect(voters(head(400, -35), head(100, 600))).to.deep.equal([0]);
  });

  it('is that of one which was heard at once, however long another one is waited for', () => {
    const read = (secondsAgo: number) => {
      const readAt = addMs(NOW, -secondsAgo * 1_000);
      return { head: { number: 100n, timestamp: addMs(readAt, -2_000) }, readAt };
    };
    for (const heard of [
      [read(80), read(0)],
      [read(0), read(80), read(0)],
    ])
      expect(findVoters(heard, { urls: heard.length, blockTimeMs: 2_000 })).to.deep.equal(heard);
  });

  it('is not that of one of three alone while the chain pauses, though the third one was not heard', () => {
    expect(votersOf(3, head(100, HOUR), head(101))).to.deep.equal([0, 1]);
    expect(votersOf(2, head(100, HOUR), head(101))).to.deep.equal([1]);
  });

  it('is not that of one that lags, where our clock is late and two others say so', () => {
    expect(voters(head(100, -35), head(100, -35), head(99))).to.deep.equal([0, 1, 2]);
    expect(unbelievable(head(100, -35), head(100, -35), head(99))).to.deep.equal([]);
    expect(unbelievable(head(100, -35), head(99), head(99))).to.deep.equal([0]);
  });

  it('is everybody’s when the chain pauses, or its clock is not ours', () => {
    expect(voters(head(100, HOUR), head(100, HOUR))).to.deep.equal([0, 1]);
    expect(voters(head(100, -HOUR), head(101, -HOUR))).to.deep.equal([0, 1]);
    // Nor does one silence the others with a block that only it has.
    expect(voters(head(100, HOUR), head(100, HOUR), head(101))).to.deep.equal([0, 1, 2]);
  });

  it('stays so where our clock and the chain’s differ by less than half a minute', () => {
    expect(voters(head(100, 30), head(101, 28))).to.deep.equal([0, 1]);
    expect(voters(head(100, -28), head(101, -30))).to.deep.equal([0, 1]);
    expect(unbelievable(head(100, -28), head(101, -30))).to.deep.equal([]);
  });

  it('is believed where so many blocks may have been made since the other’s, and not where they may not', () => {
    expect(unbelievable(head(100, HOUR), head(1_900))).to.deep.equal([]);
    expect(unbelievable(head(100, 20), head(110))).to.deep.equal([]);
    expect(unbelievable(head(100, 2), head(1_100))).to.deep.equal([1]);
    expect(unbelievable(head(1_100), head(100, 2), head(101))).to.deep.equal([0]);
    // One that says little of itself is no measure where two others agree.
    expect(unbelievable(head(1, 0), head(100), head(101))).to.deep.equal([]);
  });
});
