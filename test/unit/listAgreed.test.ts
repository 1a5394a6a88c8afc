import { expect } from 'chai';

import type { ChainPort, EventPoll, SeenEvent } from '../../domain/chain/ports.ts';
import { listAgreed } from '../../domain/payments/listAgreed.ts';
import type { Context } from '../../platform/context.ts';
import { asBytes32 } from '../../shared/hex.ts';
import { systemClock } from '../../shared/clock.ts';

const NOBODY: EventPoll = { final: 0, early: 0, absent: 0 };
const ALL: EventPoll = { final: 2, early: 0, absent: 0 };

describe('events that no RPC URL says anything of', () => {
  let logged: string[] = [];
  let asked: number[] = [];
  /** No URL answers a question about more. */
  let most = 0;

  const ctx = { db: {}, clock: systemClock, log: { warn: (_facts: object, words: string) => logged.push(words) } } as unknown as Context;
  const chain = {
    chainId: 1,
    pollEvents: (events: readonly SeenEvent[]) => {
      asked.push(events.length);
      return Promise.resolve(events.map(() => (events.length > most ? NOBODY : ALL)));
    },
  } as unknown as ChainPort;
  const events = Array.from({ length: 100 }, (_, index): SeenEvent => {
    const hash = asBytes32(`0x${index.toString(16).padStart(64, '0')}`);
    return { paymentId: hash, blockNumber: BigInt(index), blockHash: hash };
  });
  const look = async () => {
    [asked, logged] = [[], []];
    return (await listAgreed(ctx, chain, events)).length;
  };

  it('are asked about in smaller parts, down to one, and the log tells; then in larger ones again', async () => {
    most = 1;
    let looks = 0;
    while ((await look()) === 0 && looks < 10) {
      looks++;
      expect(logged.filter((words) => /no RPC URL says whether/.test(words))).to.have.length(1);
    }
    expect(looks).to.equal(7);
    expect(asked).to.deep.equal(Array.from({ length: 100 }, () => 1));
    expect(logged).to.deep.equal([]);
    most = 100;
    while (asked.length > 1) expect(await look()).to.equal(100);
    expect(asked).to.deep.equal([100]);
  });
});
