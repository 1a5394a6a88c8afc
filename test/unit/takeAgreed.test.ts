import { expect } from 'chai';

import type { ChainPort, EventPoll, SeenEvent } from '../../domain/chain/ports.ts';
import { takeAgreed } from '../../domain/scan/judge/takeAgreed.ts';
import type { Context } from '../../platform/context.ts';
import { asBytes32 } from '../../shared/hex.ts';
import { addMs } from '../../shared/clock.ts';

const START = new Date('2030-01-01T00:00:00Z');
const NOBODY: EventPoll = { final: 0, early: 0, absent: 0, unheard: 0 };
const ALL: EventPoll = { final: 2, early: 0, absent: 0, unheard: 0 };

describe('events that no RPC URL says anything of', () => {
  let logged: string[] = [];
  let asked: number[] = [];
  /** No URL answers a question about more. */
  let most = 0;
  let said = ALL;
  let now = START;

  const ctx = {
    db: {},
    clock: { now: () => now },
    log: { warn: (_facts: object, words: string) => logged.push(words) },
  } as unknown as Context;
  const chain = {
    chainId: 1,
    pollEvents: (events: readonly SeenEvent[]) => {
      asked.push(events.length);
      return Promise.resolve(events.map(() => (events.length > most ? NOBODY : said)));
    },
  } as unknown as ChainPort;
  const events = Array.from({ length: 100 }, (_, index): SeenEvent => {
    const hash = asBytes32(`0x${index.toString(16).padStart(64, '0')}`);
    return { paymentId: hash, blockNumber: BigInt(index), blockHash: hash };
  });
  const look = async () => {
    [asked, logged] = [[], []];
    let agreed = 0;
    await takeAgreed(ctx, chain, events, (some) => (agreed += some.length));
    return agreed;
  };

  it('are asked about in smaller parts, down to one, and the log tells; then in larger ones again', async () => {
    most = 1;
    for (let looks = 0; looks < 6; looks++) {
      now = addMs(now, 15_000);
      expect(await look()).to.equal(0);
      expect(logged.filter((words) => /no RPC URL says whether/.test(words))).to.have.length(1);
    }
    now = addMs(now, 15_000);
    expect(await look()).to.be.within(90, 99);
    expect(await look()).to.equal(100);
    expect(asked).to.deep.equal(Array.from({ length: 100 }, () => 1));
    expect(logged).to.deep.equal([]);
    // Longer ones are tried now and then, which is too much for a few.
    now = addMs(now, 15_000);
    expect(await look()).to.be.within(90, 99);
    expect(await look()).to.equal(100);
    most = 100;
    now = addMs(now, 15_000);
    expect(await look()).to.equal(100);
    expect(asked.length).to.be.below(20);
    while (asked.length > 1) expect(await look()).to.equal(100);
    expect(asked).to.deep.equal([100]);
  });

  it('are asked about nearly as before after an outage in which all fail at once, and soon after a long one', async () => {
    const away = async (looks: number, everyMs: number) => {
      most = 0;
      for (let count = 0; count < looks; count++) {
        now = addMs(now, everyMs);
        expect(await look()).to.equal(0);
      }
      most = 100;
    };
    now = addMs(now, 15_000);
    await away(7, 1_000);
    expect(await look()).to.equal(100);
    expect(asked).to.deep.equal([50, 50]);
    await away(300, 1_000);
    expect(await look()).to.equal(100);
    expect(asked.length).to.be.below(20);
  });

  it('so are those that one says nothing of, which wait for it', async () => {
    said = { final: 1, early: 0, absent: 0, unheard: 1 };
    now = addMs(now, 15_000);
    expect(await look()).to.equal(0);
    const { length } = asked;
    now = addMs(now, 15_000);
    expect(await look()).to.equal(0);
    expect(asked.length, 'shorter ones').to.be.greaterThan(length);
    said = { ...said, final: 2 };
    expect(await look(), 'two against it').to.equal(100);
  });

  it('or that some are stuck before, are said when it lasts, and not for a lag', async () => {
    said = { final: 1, early: 2, absent: 0, unheard: 0 };
    const warned: number[] = [];
    const begun = addMs(now, 1_000);
    for (const seconds of [0, 30, 59, 61, 90, 120, 122]) {
      now = addMs(begun, seconds * 1_000);
      expect(await look()).to.equal(0);
      if (logged.some((words) => /stuck before events/.test(words))) warned.push(seconds);
    }
    expect(warned).to.deep.equal([61, 122]);
  });
});
