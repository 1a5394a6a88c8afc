import { expect } from 'chai';

import { findCursor } from '../../domain/chain/store.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import { cancelPayment, getPayment } from '../../domain/payments/service.ts';
import type { Context } from '../../platform/context.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { startOwnChain, type OwnChain } from '../support/ownChain.ts';
import { readHistory } from '../support/paymentHistory.ts';
import { withChain } from '../support/varyContext.ts';

const CONFIRMATIONS = 3;
const MAX_BLOCK_RANGE = 5;

describe('scanning a chain', () => {
  let chain: OwnChain;
  let harness: Harness;
  let store: TestStore;
  let chainId: number;

  before(async function () {
    this.timeout(120_000);
    chain = await startOwnChain();
    harness = await createHarness({
      config: chain.configure({ confirmations: CONFIRMATIONS, maxBlockRange: MAX_BLOCK_RANGE }),
    });
    store = await harness.createTestStore();
    chainId = harness.config.chains[0]?.chainId ?? 0;
  });
  after(async () => {
    await harness.close();
    await chain.close();
  });

  const createPayment = () => harness.createTestPayment(store, { token: chain.token });
  const read = (paymentId: `0x${string}`) =>
    getPayment(harness.ctx, { storeId: store.storeId, paymentId });
  const scan = () => scanChain(harness.ctx, chainId);

  it('completes a payment in the very block that is its last confirmation, not one block earlier', async () => {
    const customer = await chain.createCustomer();
    const payment = await createPayment();
    const { hash } = await chain.pay(customer, payment);
    await scan();
    expect(await read(payment.id)).to.include({ status: 'pending', txHash: null });

    for (let confirmations = 1; confirmations < CONFIRMATIONS; confirmations++) {
      await chain.mine();
      await scan();
      expect(await read(payment.id)).to.include({
        status: 'processing',
        txHash: hash,
        payer: customer.address,
      });
    }
    await chain.mine();
    await scan();
    const completed = await read(payment.id);
    expect(completed).to.include({ status: 'completed', late: false });
    expect(await readHistory(harness.ctx, completed)).to.deep.equal([
      'payment.created',
      'payment.processing',
      'payment.completed',
    ]);
  });

  it('takes a payment from whoever pays it, and keeps who that was', async () => {
    const [stranger, payment] = [await chain.createCustomer(), await createPayment()];
    await chain.pay(stranger, payment);
    await chain.mine(CONFIRMATIONS);
    await scan();
    expect(await read(payment.id)).to.include({ status: 'completed', payer: stranger.address });
  });

  it('passes over a payment of the gateway that this installation does not know', async () => {
    const customer = await chain.createCustomer();
    const payment = await createPayment();
    const foreign = {
      ...payment,
      terms: { ...payment.terms, salt: `0x${'ab'.repeat(32)}` as const },
    };
    await chain.pay(customer, foreign);
    await chain.pay(customer, payment);
    await chain.mine(CONFIRMATIONS);
    await scan();
    expect((await read(payment.id)).status).to.equal('completed');
    const known = await harness.ctx.db('payments').whereNot({ store_id: store.storeId });
    expect(known).to.deep.equal([]);
  });

  it('catches up after a long absence, chunk by chunk, and finds every payment once', async () => {
    await scan();
    const customer = await chain.createCustomer();
    const payments = [];
    for (let index = 0; index < 4; index++) {
      const payment = await createPayment();
      await chain.pay(customer, payment);
      await chain.mine(MAX_BLOCK_RANGE + 2);
      payments.push(payment);
    }
    await chain.mine(CONFIRMATIONS);
    const ranges: bigint[] = [];
    const ctx = withChain(harness.ctx, chainId, (port) => ({
      listGatewayLogs: (range) => {
        ranges.push(range.toBlock - range.fromBlock + 1n);
        return port.listGatewayLogs(range);
      },
    }));
    await scanChain(ctx, chainId);
    for (const { id } of payments) {
      const payment = await read(id);
      expect(await readHistory(harness.ctx, payment)).to.deep.equal([
        'payment.created',
        'payment.processing',
        'payment.completed',
      ]);
    }
    expect(ranges.length).to.be.greaterThan(5);
    // The most blocks that the RPC provider takes at once, the overlap included: that is what the
    // setting promises.
    expect(ranges.filter((size) => size > BigInt(MAX_BLOCK_RANGE))).to.deep.equal([]);
    expect((await findCursor(harness.ctx.db, chainId))?.nextBlock).to.equal(
      (await chain.getHeadNumber()) + 1n,
    );
  });

  it('reads few blocks again where the chain gives the logs of few at once', async () => {
    await scan();
    await chain.mine(1);
    const { nextBlock } = (await findCursor(harness.ctx.db, chainId))!;
    const from: bigint[] = [];
    const ctx = withChain(harness.ctx, chainId, (port) => ({
      getLogLimit: () => 1n,
      listGatewayLogs: (range) => {
        from.push(range.fromBlock);
        return port.listGatewayLogs(range);
      },
    }));
    await scanChain(ctx, chainId);
    expect(from[0]).to.equal(nextBlock - 4n);
  });

  it('stops where the chain stops answering and goes on from there', async () => {
    await scan();
    const customer = await chain.createCustomer();
    const early = await createPayment();
    await chain.pay(customer, early);
    await chain.mine(MAX_BLOCK_RANGE * 2);
    const late = await createPayment();
    await chain.pay(customer, late);
    await chain.mine(MAX_BLOCK_RANGE);
    const lateBlock = (await chain.getHeadNumber()) - BigInt(MAX_BLOCK_RANGE);
    const ctx = withChain(harness.ctx, chainId, (port) => ({
      listGatewayLogs: (range) =>
        range.toBlock >= lateBlock
          ? Promise.reject(new Error('gone'))
          : port.listGatewayLogs(range),
    }));
    await scanChain(ctx, chainId).then(
      () => expect.fail('the scan hid that the chain did not answer'),
      (error: unknown) => expect(error).to.have.property('message', 'gone'),
    );
    expect((await read(early.id)).status).to.equal('completed');
    expect((await read(late.id)).status).to.equal('pending');
    await scan();
    expect((await read(late.id)).status).to.equal('completed');
    expect(await readHistory(harness.ctx, await read(early.id))).to.have.length(3);
  });

  it('finds what a node whose logs lag behind its blocks kept back, also when few blocks may be asked for at once', async () => {
    await scan();
    const payment = await createPayment();
    await chain.pay(await chain.createCustomer(), payment);
    await chain.mine(MAX_BLOCK_RANGE);
    const lagging = withChain(harness.ctx, chainId, (port) => ({
      listGatewayLogs: async (range) => ({
        ...(await port.listGatewayLogs(range)),
        payments: [],
        refunds: [],
      }),
    }));
    await scanChain(lagging, chainId);
    expect((await findCursor(harness.ctx.db, chainId))?.nextBlock).to.equal(
      (await chain.getHeadNumber()) + 1n,
    );
    expect((await read(payment.id)).status).to.equal('pending');
    await chain.mine();
    await scan();
    expect((await read(payment.id)).status).to.equal('completed');
  });

  it('by several scanners at once tells each change once', async () => {
    await scan();
    const customer = await chain.createCustomer();
    const payments = await Promise.all([createPayment(), createPayment(), createPayment()]);
    for (const payment of payments) {
      await chain.pay(customer, payment);
      await chain.mine(MAX_BLOCK_RANGE);
    }
    await Promise.all([scan(), scan(), scan(), scan()]);
    await scan();
    for (const { id } of payments) {
      expect(await readHistory(harness.ctx, await read(id))).to.deep.equal([
        'payment.created',
        'payment.processing',
        'payment.completed',
      ]);
    }
  });

  it('does not take a node that lags behind for a reorganisation', async () => {
    const customer = await chain.createCustomer();
    const payment = await createPayment();
    await scan();
    const before = await chain.getHeadNumber();
    await chain.pay(customer, payment);
    await chain.mine(2);
    await scan();
    expect((await read(payment.id)).status).to.equal('processing');
    const behind = withChain(harness.ctx, chainId, (port) => ({
      getHead: async () => (await port.findBlock(before)) ?? port.getHead(),
      findBlock: (number) =>
        number > before ? Promise.resolve(undefined) : port.findBlock(number),
      listGatewayLogs: (range) =>
        range.toBlock > before
          ? Promise.reject(new Error('block not found'))
          : port.listGatewayLogs(range),
    }));
    await scanChain(behind, chainId);
    expect((await read(payment.id)).status).to.equal('processing');
    // Behind one address there may be several nodes: the head from one that is up to date, its
    // blocks from one that is not.
    await scanChain(
      {
        ...behind,
        chains: withChain(behind, chainId, () => ({ getHead: () => requireChain().getHead() }))
          .chains,
      },
      chainId,
    ).catch((error: unknown) => expect(error).to.have.property('message', 'block not found'));
    expect((await read(payment.id)).status).to.equal('processing');
    await chain.mine(CONFIRMATIONS);
    await scan();
    expect(await readHistory(harness.ctx, await read(payment.id))).to.deep.equal([
      'payment.created',
      'payment.processing',
      'payment.completed',
    ]);
  });

  it('says nothing, and changes nothing, when it is switched to a node that is a little behind and back', async () => {
    const customer = await chain.createCustomer();
    const payment = await createPayment();
    await chain.pay(customer, payment);
    for (let block = 0; block < 4; block++) {
      await chain.mine();
      await scan();
    }
    const completed = await read(payment.id);
    expect(completed.status).to.equal('completed');
    const cursor = await findCursor(harness.ctx.db, chainId);
    const lines: unknown[] = [];
    const log = Object.assign(Object.create(harness.ctx.log) as Context['log'], {
      warn: (...line: unknown[]) => lines.push(line),
      error: (...line: unknown[]) => lines.push(line),
    });
    const head = await chain.getHeadNumber();
    for (const lag of [1n, 3n, 2n, 4n, 0n]) {
      const last = head - lag;
      const behind = withChain({ ...harness.ctx, log }, chainId, (port) => ({
        getHead: async () => (await port.findBlock(last)) ?? port.getHead(),
        findBlock: (number) =>
          number > last ? Promise.resolve(undefined) : port.findBlock(number),
      }));
      await scanChain(behind, chainId);
      expect(await findCursor(harness.ctx.db, chainId)).to.deep.equal(cursor);
    }
    expect(lines).to.deep.equal([]);
    expect(await read(payment.id)).to.deep.equal(completed);
  });

  function requireChain() {
    const port = harness.ctx.chains.get(chainId);
    if (port === undefined) throw new Error('no chain');
    return port;
  }

  it('starts anew at the configured block when the gateway was replaced, whatever was scanned before', async () => {
    const customer = await chain.createCustomer();
    const payment = await createPayment();
    await chain.pay(customer, payment);
    await chain.mine(CONFIRMATIONS);
    await scan();
    const { db } = harness.ctx;
    // What an earlier gateway on an earlier chain would have left.
    await db('chain_cursors').update({ gateway: `0x${'11'.repeat(20)}`, next_block: 2_000 });
    await db('chain_blocks').delete();
    await db('chain_blocks').insert({
      chain_id: chainId,
      number: 1_999,
      hash: `0x${'22'.repeat(32)}`,
    });
    await db('payments')
      .where({ id: payment.id })
      .update({ status: 'pending', block_number: null, block_hash: null, log_index: null });
    await scan();
    expect((await read(payment.id)).status).to.equal('completed');
    await chain.mine();
    await scan();
    expect((await findCursor(db, chainId))?.nextBlock).to.equal((await chain.getHeadNumber()) + 1n);
  });

  describe('finding a payment that counted as over', () => {
    it('completes a cancelled payment that the customer paid all the same, marked late', async () => {
      const customer = await chain.createCustomer();
      const payment = await createPayment();
      await chain.pay(customer, payment);
      await cancelPayment(harness.ctx, { storeId: store.storeId, paymentId: payment.id });
      await chain.mine(CONFIRMATIONS);
      await scan();
      const completed = await read(payment.id);
      expect(completed).to.include({ status: 'completed', late: true });
      expect(await readHistory(harness.ctx, completed)).to.deep.equal([
        'payment.created',
        'payment.cancelled',
        'payment.processing',
        'payment.completed',
      ]);
    });

    it('completes an expired payment whose block was in time, marked late', async () => {
      const customer = await chain.createCustomer();
      const payment = await createPayment();
      await chain.pay(customer, payment);
      await harness.ctx.db('payments').where({ id: payment.id }).update({ status: 'expired' });
      await chain.mine(CONFIRMATIONS - 1);
      await scan();
      expect(await read(payment.id)).to.include({ status: 'processing', late: true });
      await chain.mine();
      await scan();
      expect(await read(payment.id)).to.include({ status: 'completed', late: true });
    });

    it('completes a failed payment, marked late', async () => {
      const customer = await chain.createCustomer();
      const payment = await createPayment();
      await harness.ctx.db('payments').where({ id: payment.id }).update({ status: 'failed' });
      await chain.pay(customer, payment);
      await chain.mine(CONFIRMATIONS);
      await scan();
      expect(await read(payment.id)).to.include({ status: 'completed', late: true });
    });
  });
});
