import { expect } from 'chai';

import { CHAIN_ERRORS } from '../../domain/chain/errors.ts';
import type { Payment } from '../../domain/payments/model.ts';
import { rescanBlocks } from '../../domain/scan/rescanBlocks.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import type { Context } from '../../platform/context.ts';
import { AppError } from '../../shared/errors.ts';
import { expectRefusal } from '../support/expectRefusal.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { startOwnChain, type OwnChain } from '../support/ownChain.ts';
import { readPayment } from '../support/relayFlow.ts';
import { withChain } from '../support/varyContext.ts';

const CONFIRMATIONS = 3;

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

  it('is looked at under the next head when the first one is left meanwhile', async () => {
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
        heads === 1 && number === last
          ? Promise.resolve('otherBranch')
          : port.findBlockUnder(head, number),
    }));
    await rescanBlocks(moving, { chainId, fromBlock: first, toBlock: last, reason: 'audit' });
    expect(heads).to.equal(2);
    expect(await statusesOf(payments)).to.deep.equal(['completed', 'completed', 'completed']);
  });
});
