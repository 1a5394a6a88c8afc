import { expect } from 'chai';

import { judgeCompletion } from '../chaos/judging/judgeCompletions.ts';

describe('chaos: what was told as completed', () => {
  const hash = (digit: string) => `0x${digit.repeat(64)}` as const;
  const place = (digit: string) => ({
    txHash: hash(digit),
    blockHash: hash(digit),
    blockNumber: 1n,
  });
  const truth = {
    transfers: new Map([['0x1', [place('a')]]]),
    refunds: new Map([
      [
        '0x1',
        [
          { ...place('b'), amount: 1n, nonce: 7n },
          { ...place('c'), amount: 1n, nonce: 8n },
        ],
      ],
    ]),
  };
  const judge = (refundId: string, nonce: string | null, blockHash: string | undefined) =>
    judgeCompletion(
      {
        payment_id: '0x1',
        refund_id: refundId,
        nonce,
        data: { chain: blockHash === undefined ? null : { blockHash } },
      },
      truth,
    );

  it('names the block that holds it: a payment, and each part of what was given back', () => {
    expect(judge('', null, hash('a'))).to.deep.equal([]);
    expect(judge('rf_1', '7', hash('b'))).to.deep.equal([]);
    expect(judge('rf_2', '8', hash('c'))).to.deep.equal([]);
  });

  it('is a broken promise with the block of another part, of the payment, or of nothing', () => {
    for (const [refundId, nonce, blockHash] of [
      ['rf_1', '7', hash('c')],
      ['rf_2', '8', hash('b')],
      ['rf_1', '7', hash('a')],
      ['rf_3', null, hash('b')],
      ['rf_1', '7', undefined],
      ['', null, hash('b')],
    ] as const)
      expect(judge(refundId, nonce, blockHash), `${refundId} ${String(nonce)}`).to.have.length(1);
  });
});
