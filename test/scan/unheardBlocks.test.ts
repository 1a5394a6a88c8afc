import { expect } from 'chai';

import { CHAIN_ERRORS } from '../../domain/chain/errors.ts';
import { getChain } from '../../domain/chain/service.ts';
import type { Payment } from '../../domain/payments/model.ts';
import { rescanBlocks } from '../../domain/scan/rescanBlocks.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import type { Context } from '../../platform/context.ts';
import { addMs } from '../../shared/clock.ts';
import { AppError } from '../../shared/errors.ts';
import { asBytes32 } from '../../shared/hex.ts';
import { expectRefusal } from '../support/expectRefusal.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { startOwnChain, type OwnChain } from '../support/ownChain.ts';
import { readPayment } from '../support/relayFlow.ts';
import { atTime, withChain } from '../support/varyContext.ts';

const CONFIRMATIONS = 3;
const FOREIGN = asBytes32(`0x${'ab'.repeat(32)}`);

/** E.g. of an old block whose header all nodes have pruned. */
describe('a block that nobody answers for', function () {
  this.timeout(60_000);

  let chain: OwnChain;
  let harness: Harness;
  let store: TestStore;
  let chainId: number;

  before(async function () {
    this.timeout(120_000);
    chain = await startOwnChain();
    harness = await createHarness({
      config: chain.configure({ confirmations: CONFIRMATIONS, maxBlockRange: 100 }),
    });
    store = await harness.createTestStore();
    ({ chainId } = chain);
    await chain.mine(CONFIRMATIONS);
  });
  after(async () => {
    await harness.close();
    await chain.close();
  });

  /** Of these blocks, nobody says anything. */
  const silentAbout = (...blocks: readonly bigint[]): Context =>
    withChain(harness.ctx, chainId, (port) => ({
      findBlockUnder: (head, number) =>
        blocks.includes(number)
          ? Promise.reject(new AppError(CHAIN_ERRORS.unavailable))
          : port.findBlockUnder(head, number),
    }));
  const statusesOf = async (payments: readonly Payment[]) =>
    Promise.all(payments.map(async (one) => (await readPayment(harness.ctx, one)).status));
  /** Each in a block of its own. */
  async function payThree(): Promise<{ payments: Payment[]; blocks: bigint[] }> {
    const paid: { payments: Payment[]; blocks: bigint[] } = { payments: [], blocks: [] };
    for (let count = 0; count < 3; count++) {
      const payment = await harness.createTestPayment(store, {
        token: chain.token,
        expiresInSeconds: 3_600,
      });
      await chain.pay(await chain.createCustomer(), payment);
      await chain.mine();
      paid.payments.push(payment);
      paid.blocks.push(await chain.getHeadNumber());
    }
    return paid;
  }

  it('keeps no other payment from being completed, and is told of as a failure', async () => {
    const { payments, blocks } = await payThree();
    await chain.mine(CONFIRMATIONS);
    const [oldest] = blocks;
    const failure = await expectRefusal(scanChain(silentAbout(oldest ?? 0n), chainId));
    expect(failure.code).to.equal(CHAIN_ERRORS.unavailable.code);
    expect(await statusesOf(payments)).to.deep.equal(['processing', 'completed', 'completed']);
    await scanChain(harness.ctx, chainId);
    expect(await statusesOf(payments)).to.deep.equal(['completed', 'completed', 'completed']);
  });

  it('keeps nothing else of a range from being read again, and is told of as a failure', async () => {
    const blind = withChain(harness.ctx, chainId, (port) => ({
      listGatewayLogs: async (range) => ({
        ...(await port.listGatewayLogs(range)),
        payments: [],
        refunds: [],
      }),
    }));
    const { payments, blocks } = await payThree();
    const [first = 0n, , last = 0n] = blocks;
    await chain.mine(100);
    await scanChain(blind, chainId);
    const again = (ctx: Context) =>
      rescanBlocks(ctx, { chainId, fromBlock: first, toBlock: last, reason: 'audit' });
    expect(await statusesOf(payments)).to.deep.equal(['pending', 'pending', 'pending']);
    const failure = await expectRefusal(again(silentAbout(first)));
    expect(failure.code).to.equal(CHAIN_ERRORS.unavailable.code);
    expect(await statusesOf(payments)).to.deep.equal(['pending', 'processing', 'processing']);
    expect((await again(harness.ctx)).paymentIds).to.deep.equal([payments[0]?.id]);
  });

  for (const { name, says } of [
    { name: 'the first one is left', says: () => Promise.resolve('otherBranch' as const) },
    {
      name: 'it is not answered for',
      says: () => Promise.reject(new AppError(CHAIN_ERRORS.unavailable)),
    },
  ])
    it(`is looked at under the next head when ${name} once`, async () => {
      const { payments, blocks } = await payThree();
      const [first = 0n, , last = 0n] = blocks;
      await chain.mine(100);
      await scanChain(harness.ctx, chainId);
      let heads = 0;
      const moving = withChain(harness.ctx, chainId, (port) => ({
        getHead: () => {
          heads++;
          return port.getHead();
        },
        findBlockUnder: (head, number) =>
          heads === 1 && number === last ? says() : port.findBlockUnder(head, number),
      }));
      await rescanBlocks(moving, { chainId, fromBlock: first, toBlock: last, reason: 'audit' });
      expect(heads).to.equal(2);
      expect(await statusesOf(payments)).to.deep.equal(['completed', 'completed', 'completed']);
    });

  it('keeps no later ones of those that were completed from being judged again', async () => {
    const completed: Payment[] = [];
    // More than are looked at together.
    const config = {
      ...harness.config,
      chains: harness.config.chains.map((one) => ({ ...one, blockTimeMs: 60_000 })),
    };
    const nowMs = Date.now() + 60_000;
    const look = (ctx: Context, looks: number) =>
      scanChain(atTime({ ...ctx, config }, addMs(new Date(nowMs), looks * 15_000)), chainId);
    await chain.mine(100);
    await scanChain(harness.ctx, chainId);
    const port = getChain(harness.ctx, chainId);
    const head = await port.getHead();
    const from = head.number - 90n;
    for (let count = 0n; count < 12n; count++) {
      const payment = await harness.createTestPayment(store, { token: chain.token });
      const block = await port.findBlock(from + count);
      const blockHash = count === 11n ? FOREIGN : block?.hash;
      await harness.ctx
        .db('payments')
        .where({ id: payment.id })
        .update({
          ...{ status: 'completed', completed_at: new Date(), tx_hash: FOREIGN },
          ...{ block_number: Number(from + count), block_hash: blockHash, log_index: 7 },
        });
      completed.push(payment);
    }
    const last = async () => (await statusesOf(completed)).at(-1);
    for (let looks = 0; looks < 4; looks++) {
      expect(await last()).to.equal('completed');
      await look(silentAbout(from), looks).catch(() => undefined);
      if ((await last()) !== 'completed') return;
    }
    expect(await last()).not.to.equal('completed');
  });
});
