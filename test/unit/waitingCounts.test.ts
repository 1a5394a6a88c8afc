import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';

import { countWaitingOfStoreLately } from '../../domain/relay/send/waitingCounts.ts';
import type { Context } from '../../platform/context.ts';

describe('how many wait', () => {
  it('is counted by one, however many ask at the same moment', async () => {
    const COUNTED = 500;
    let statements = 0;
    let answer: Promise<unknown> = Promise.resolve();
    const db = {
      raw: async () => {
        statements += 1;
        await answer;
        return [[{ count: String(COUNTED) }]];
      },
    };
    const ask = () => countWaitingOfStoreLately({ db } as unknown as Context, 1, 'st_1');
    expect(await ask()).to.equal(COUNTED);
    // So many are remembered for 50 ms.
    await sleep(60);
    let letAnswer = (): void => undefined;
    answer = new Promise<void>((resolve) => (letAnswer = resolve));
    const asked = Promise.all(Array.from({ length: 10 }, ask));
    // Also when counting takes longer than a count is remembered.
    await sleep(60);
    expect(await ask()).to.equal(COUNTED);
    letAnswer();
    expect(await asked).to.deep.equal(Array.from({ length: 10 }, () => COUNTED));
    expect(statements).to.equal(2);
  });
});
