import { expect } from 'chai';

import type { RelayTransaction } from '../../domain/relay/model.ts';
import {
  deleteTransaction,
  findLandedTransaction,
  findTransaction,
  insertItems,
  insertTransaction,
  insertTransactionHash,
} from '../../domain/relay/attempts/transactionStore.ts';
import { inTransaction } from '../../platform/db.ts';
import { addMs } from '../../shared/clock.ts';
import { asBytes32, asHex, type Address } from '../../shared/hex.ts';
import { countReads } from '../support/countReads.ts';
import { createHarness, type Harness } from '../support/harness.ts';

const GATEWAY: Address = '0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512';
const MANY = 2_000;
/** What the server reads for its own answers about itself differs by engine: some tens of rows. */
const OWN_READS = 200;
const NOW = new Date('2026-01-01T00:00:00Z');

const hashOf = (index: number) => asBytes32(`0x${index.toString(16).padStart(64, '0')}`);
const dataOf = (index: number) => asHex(`0xabcdef${index.toString(16).padStart(8, '0')}`);

describe('the transactions that were handed over', function () {
  this.timeout(60_000);

  let harness: Harness;
  before(async function () {
    this.timeout(120_000);
    harness = await createHarness();
    for (let start = 0; start < MANY; start += 200) {
      await inTransaction(harness.ctx.db, async (trx) => {
        for (let index = start; index < start + 200; index++) {
          const transaction = transactionOf(index);
          await insertTransaction(trx, transaction);
          await insertTransactionHash(trx, transaction, hashOf(2 * index));
          await insertTransactionHash(
            trx,
            { ...transaction, hashes: [hashOf(2 * index)] },
            hashOf(2 * index + 1),
          );
        }
      });
    }
  });
  after(() => harness.close());

  function transactionOf(index: number): RelayTransaction {
    return {
      ...{
        id: `rtx_${index}`,
        chainId: 31337,
        relayerId: 'main',
        to: GATEWAY,
        data: dataOf(index),
        gasLimit: 100_000n,
      },
      ...{
        validUntil: addMs(NOW, 3_600_000),
        items: 1,
        providerTransactionId: null,
        hash: null,
        hashes: [],
        sentAt: addMs(NOW, index),
      },
      ...{
        blockNumber: null,
        blockHash: null,
        gasUsed: null,
        effectiveGasPrice: null,
        abandonedAt: null,
      },
    };
  }

  /** Nothing that was handed over makes this call. */
  const otherCall = { to: GATEWAY, data: asHex('0xffff') };
  const find = (input: Partial<Parameters<typeof findLandedTransaction>[1]>) =>
    inTransaction(harness.ctx.db, (trx) =>
      countReads(trx, () =>
        findLandedTransaction(trx, {
          chainId: 31337,
          since: NOW,
          hash: hashOf(999_999),
          call: otherCall,
          ...input,
        }),
      ),
    );

  it('know every hash that they ever had, latest last', async () => {
    expect((await findTransaction(harness.ctx.db, 'rtx_7'))?.hashes).to.deep.equal([
      hashOf(14),
      hashOf(15),
    ]);
  });

  for (const [name, input] of [
    ['a hash that it has', { hash: hashOf(2 * 1_234 + 1) }],
    ['a hash that it had', { hash: hashOf(2 * 1_234) }],
    ['what it calls', { call: { to: GATEWAY, data: dataOf(1_234) } }],
    [
      'what it calls, in whatever spelling',
      { call: { to: GATEWAY.toLowerCase() as Address, data: dataOf(1_234) } },
    ],
  ] as const) {
    it(`are found by ${name}, without looking through the others`, async () => {
      const { result, reads } = await find(input);
      expect(result).to.include({ id: 'rtx_1234' });
      expect(reads).to.be.below(OWN_READS);
    });
  }

  it('are not found, at no more cost, by what is not theirs', async () => {
    for (const input of [
      {},
      { chainId: 1, hash: hashOf(2), call: { to: GATEWAY, data: dataOf(1) } },
      { since: addMs(NOW, 2_000), hash: hashOf(2), call: { to: GATEWAY, data: dataOf(1) } },
    ]) {
      const { result, reads } = await find(input);
      expect(result).to.equal(undefined);
      expect(reads).to.be.below(OWN_READS);
    }
  });

  it('leave neither hash nor item behind when they are deleted', async () => {
    await inTransaction(harness.ctx.db, (trx) => insertItems(trx, 'rtx_9', ['rla_1', 'rla_2']));
    const countIn = async (table: string) =>
      (await harness.ctx.db(table).where({ transaction_id: 'rtx_9' })).length;
    const countBoth = async () => [
      await countIn('relay_transaction_hashes'),
      await countIn('relay_transaction_items'),
    ];
    expect(await countBoth()).to.deep.equal([2, 2]);
    await inTransaction(harness.ctx.db, (trx) => deleteTransaction(trx, 'rtx_9'));
    expect((await find({ hash: hashOf(18) })).result).to.equal(undefined);
    expect(await countBoth()).to.deep.equal([0, 0]);
  });
});
