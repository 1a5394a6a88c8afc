import { expect } from 'chai';

import { findCursor } from '../../domain/chain/store.ts';
import type { Payment } from '../../domain/payments/model.ts';
import { moveBack } from '../../domain/scan/follow/moveBack.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import { getPayment } from '../../domain/payments/service.ts';
import type { Context } from '../../platform/context.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { startOwnChain, type OwnChain } from '../support/ownChain.ts';
import { readHistory } from '../support/paymentHistory.ts';
import { withChain } from '../support/varyContext.ts';

const CONFIRMATIONS = 3;
const CHUNK = 10;

describe('a rescan after a reorganisation', () => {
  let chain: OwnChain;
  let harness: Harness;
  let store: TestStore;
  let chainId: number;

  before(async function () {
    this.timeout(120_000);
    chain = await startOwnChain();
    harness = await createHarness({
      config: chain.configure({ confirmations: CONFIRMATIONS, maxBlockRange: CHUNK }),
    });
    store = await harness.createTestStore();
    chainId = harness.config.chains[0]?.chainId ?? 0;
  });
  after(async () => {
    await harness.close();
    await chain.close();
  });

  const createPayment = () => harness.createTestPayment(store, { token: chain.token });
  const read = ({ id }: Pick<Payment, 'id'>) =>
    getPayment(harness.ctx, { storeId: store.storeId, paymentId: id });
  const scan = (ctx: Context = harness.ctx) => scanChain(ctx, chainId);
  const readCursor = async () => {
    const cursor = await findCursor(harness.ctx.db, chainId);
    if (cursor === undefined) throw new Error('there is no cursor');
    return cursor;
  };

  /** As for one who has found that this block is another than the one that was scanned. */
  const scanAgain = (block: bigint) =>
    moveBack(harness.ctx, chainId, {
      nextBlock: block,
      withdraw: { after: block - 1n, until: block },
    });

  /** A node that does not answer about logs of the blocks from one on. */
  const brokenFrom = (block: bigint) =>
    withChain(harness.ctx, chainId, (port) => ({
      listGatewayLogs: (range) =>
        range.toBlock >= block ? Promise.reject(new Error('gone')) : port.listGatewayLogs(range),
    }));

  async function scanAndFail(ctx: Context): Promise<void> {
    await scan(ctx).then(
      () => expect.fail('the scan hid that the chain did not answer'),
      (error: unknown) => expect(error).to.have.property('message', 'gone'),
    );
  }

  it('that is interrupted after its first chunk goes on withdrawing', async () => {
    const customer = await chain.createCustomer();
    const payment = await createPayment();
    await scan();
    const fork = await chain.getHeadNumber();
    const goBack = await chain.takeSnapshot();
    // The payment is in the second chunk from the fork on, 23 blocks are replaced.
    await chain.mine(14);
    await chain.pay(customer, payment);
    await chain.mine(9);
    await scan();
    expect((await read(payment)).status).to.equal('completed');

    await goBack();
    await chain.mine(24);
    await scanAndFail(brokenFrom(fork + BigInt(CHUNK) + 1n));
    const { nextBlock, withdraw } = await readCursor();
    expect(nextBlock).to.equal(fork + BigInt(CHUNK) + 1n);
    expect(withdraw?.until).to.equal(fork + 23n);
    await scan();
    const withdrawn = await read(payment);
    expect(withdrawn).to.deep.include({ status: 'pending', position: null, completedAt: null });
    expect((await readHistory(harness.ctx, withdrawn)).at(-1)).to.equal('payment.reorged');
    expect(await readCursor()).to.deep.include({ withdraw: null, withdrawn: 0 });
  });

  it('of a scan that was moved back before withdraws what was seen above the place that it was moved back to', async () => {
    const customer = await chain.createCustomer();
    const payment = await createPayment();
    await scan();
    const fork = await chain.getHeadNumber();
    const goBack = await chain.takeSnapshot();
    await chain.mine(8);
    await chain.pay(customer, payment);
    await chain.mine(2);
    await scan();
    expect((await read(payment)).status).to.equal('processing');
    // Below the payment's block, and above the fork to come.
    expect(await scanAgain(fork + 3n)).not.to.equal(undefined);
    await goBack();
    // Too few for the last look, which would find it too.
    await chain.mine(10);
    await scan();
    expect((await read(payment)).status).to.equal('pending');
  });

  it('takes nothing away from a block that stands, though the node has forgotten its logs', async () => {
    const customer = await chain.createCustomer();
    const payment = await createPayment();
    await scan();
    await chain.pay(customer, payment);
    await chain.mine(5);
    const goBack = await chain.takeSnapshot();
    await chain.mine(1);
    // One chunk: only its last block is remembered, so that the fork may lie anywhere in it.
    await scan();
    expect((await read(payment)).status).to.equal('completed');
    const before = await readHistory(harness.ctx, await read(payment));

    await goBack();
    await chain.mine(2);
    const forgetful = withChain(harness.ctx, chainId, (port) => ({
      listGatewayLogs: async (range) => ({
        ...(await port.listGatewayLogs(range)),
        payments: [],
        refunds: [],
      }),
    }));
    await scan(forgetful);
    expect((await readCursor()).withdraw).to.equal(null);
    expect((await read(payment)).status).to.equal('completed');
    expect(await readHistory(harness.ctx, await read(payment))).to.deep.equal(before);
  });

  it('never begins later than the scan stands', async () => {
    // Further than blocks are read again with every scan.
    const far = 60n;
    await chain.mine(70);
    await scan();
    const { nextBlock } = await readCursor();
    const goBack = await chain.takeSnapshot();
    await chain.mine(2);
    await scan();
    // Moved back below a block that still stands; the one above it is replaced.
    expect(await scanAgain(nextBlock - far)).not.to.equal(undefined);
    await goBack();
    await chain.createCustomer();
    await chain.mine(3);
    const asked: bigint[] = [];
    await scan(
      withChain(harness.ctx, chainId, (port) => ({
        listGatewayLogs: (range) => {
          asked.push(range.fromBlock);
          return port.listGatewayLogs(range);
        },
      })),
    );
    const lowest = asked.reduce((least, block) => (block < least ? block : least));
    expect(lowest <= nextBlock - far).to.equal(true);
    expect((await readCursor()).nextBlock).to.equal((await chain.getHeadNumber()) + 1n);
  });

  it('withdraws nothing because somebody had the scan moved back', async () => {
    const customer = await chain.createCustomer();
    const payment = await createPayment();
    await chain.pay(customer, payment);
    await chain.mine(CONFIRMATIONS);
    await scan();
    expect((await read(payment)).status).to.equal('completed');
    const block = (await read(payment)).position?.blockNumber ?? 0n;
    await scanAgain(block);
    // And then a node answers whose logs lag.
    await scan(
      withChain(harness.ctx, chainId, (port) => ({
        listGatewayLogs: async (range) => ({
          ...(await port.listGatewayLogs(range)),
          payments: [],
        }),
      })),
    );
    expect((await read(payment)).status).to.equal('completed');
  });
});
