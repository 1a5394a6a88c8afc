import { expect } from 'chai';

import { createRandom } from '../../support/createRandom.ts';
import { startMining } from './miningChain.ts';

const HEAD = 100;

describe('a chain that mines its blocks itself', () => {
  it('replaces no block that anybody holds still, whoever else held the same one', async () => {
    let mined = 0;
    const chain = await startMining(
      ({ method }) => {
        if (method === 'evm_mine') mined++;
        const result =
          method === 'eth_blockNumber' ? HEAD : method === 'eth_getLogs' ? [] : undefined;
        return Promise.resolve({ result });
      },
      1,
      0,
    );
    try {
      const [first, second] = [chain.keepUntil(HEAD - 2), chain.keepUntil(HEAD - 2)];
      const reorganise = () => chain.reorganise(5, createRandom(1));
      expect(await reorganise()).to.equal(2);
      first.release();
      expect(await reorganise()).to.equal(2);
      second.release();
      expect(await reorganise()).to.equal(5);
    } finally {
      await chain.stop();
    }
    expect(mined).to.be.above(0);
  });
});
