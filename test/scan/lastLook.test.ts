import { expect } from 'chai';

import type { Payment } from '../../domain/payments/model.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import { getPayment } from '../../domain/payments/service.ts';
import type { Context } from '../../platform/context.ts';
import { addMs } from '../../shared/clock.ts';
import { asBytes32 } from '../../shared/hex.ts';
import { fakeLog } from '../support/fakeChain.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { startOwnChain, type OwnChain } from '../support/ownChain.ts';
import { readHistory } from '../support/paymentHistory.ts';
import { atTime, withChain } from '../support/varyContext.ts';

const CONFIRMATIONS = 3;
const FOREIGN = asBytes32(`0x${'ab'.repeat(32)}`);

describe('the last look before money counts', () => {
  let chain: OwnChain;
  let harness: Harness;
  let store: TestStore;
  let chainId: number;

  before(async function () {
    this.timeout(120_000);
    chain = await startOwnChain();
    // As most chains are configured.
    harness = await createHarness({
      config: chain.configure({ confirmations: CONFIRMATIONS, maxBlockRange: 1_000 }),
    });
    store = await harness.createTestStore();
    chainId = harness.config.chains[0]?.chainId ?? 0;
    await chain.mine(CONFIRMATIONS);
  });
  after(async () => {
    await harness.close();
    await chain.close();
  });

  const createPayment = () => harness.createTestPayment(store, { token: chain.token });
  const read = ({ id }: Pick<Payment, 'id'>) =>
    getPayment(harness.ctx, { storeId: store.storeId, paymentId: id });
  const scan = (ctx: Context = harness.ctx) => scanChain(ctx, chainId);

  it('completes no payment for a log of a block that is not on the chain, however deep it claims to be and however often it is shown', async () => {
    const payment = await createPayment();
    await scan();
    await chain.mine();
    const head = await chain.getHeadNumber();
    const foreign = {
      ...fakeLog(payment, head - BigInt(CONFIRMATIONS) + 1n, 0),
      blockHash: FOREIGN,
    };
    const lying = withChain(harness.ctx, chainId, (port) => ({
      listGatewayLogs: async (range) => {
        const logs = await port.listGatewayLogs(range);
        const isAsked =
          foreign.blockNumber >= range.fromBlock && foreign.blockNumber <= range.toBlock;
        return isAsked ? { ...logs, payments: [...logs.payments, foreign] } : logs;
      },
    }));
    for (let tries = 0; tries < 4; tries++) {
      await scan(lying);
      expect((await read(payment)).status).not.to.equal('completed');
      await chain.mine();
    }
    // A node that tells the truth takes it back.
    await scan();
    const after = await read(payment);
    expect(after).to.deep.include({ status: 'pending', position: null });
    expect(await readHistory(harness.ctx, after)).not.to.include('payment.completed');
  });

  it('believes no logs of a node whose last block is another than the head that was asked for', async () => {
    const payment = await createPayment();
    await chain.pay(await chain.createCustomer(), payment);
    await chain.mine(CONFIRMATIONS);
    const forked = withChain(harness.ctx, chainId, (port) => ({
      listGatewayLogs: async (range) => {
        const logs = await port.listGatewayLogs(range);
        return { ...logs, last: { ...logs.last, hash: FOREIGN } };
      },
    }));
    await scan(forked);
    expect((await read(payment)).status).to.equal('pending');
    await scan();
    expect((await read(payment)).status).to.equal('completed');
  });

  it('is taken again at completed payments, for as long as reorganisations are followed', async () => {
    const [paid, payment] = [await createPayment(), await createPayment()];
    await chain.pay(await chain.createCustomer(), paid);
    await chain.mine();
    const block = await chain.getHeadNumber();
    // Deeper than what is read again with every scan.
    await chain.mine(200);
    await scan();
    expect((await read(paid)).status).to.equal('completed');
    // As if a wrong block had passed the look once.
    const place = {
      block_number: Number(block),
      block_hash: FOREIGN,
      log_index: 7,
      tx_hash: FOREIGN,
    };
    await harness.ctx
      .db('payments')
      .where({ id: payment.id })
      .update({ status: 'completed', completed_at: new Date(), ...place });
    await chain.mine();
    await scan(atTime(harness.ctx, addMs(new Date(), 20_000)));
    const withdrawn = await read(payment);
    expect(withdrawn).to.deep.include({
      status: 'pending',
      position: null,
      completedAt: null,
      version: 2,
    });
    expect((await readHistory(harness.ctx, withdrawn)).at(-1)).to.equal('payment.reorged');
    expect((await read(paid)).status).to.equal('completed');
  });

  it('is taken at refunds as well, before and after they are completed', async () => {
    const payment = await createPayment();
    await chain.pay(await chain.createCustomer(), payment);
    await chain.mine();
    const block = await chain.getHeadNumber();
    await chain.mine(200);
    await scan(atTime(harness.ctx, addMs(new Date(), 40_000)));
    const now = new Date();
    const refund = (status: string, nonce: number) => ({
      id: `rfd_${String(nonce).padStart(26, '0')}`,
      payment_id: payment.id,
      store_id: store.storeId,
      chain_id: chainId,
      amount: '5',
      nonce,
      deadline: now,
      status,
      version: 1,
      tx_hash: FOREIGN,
      block_number: Number(block),
      block_hash: FOREIGN,
      log_index: nonce,
      created_at: now,
      updated_at: now,
      completed_at: status === 'completed' ? now : null,
    });
    await harness.ctx.db('refunds').insert([refund('completed', 1), refund('processing', 2)]);
    await chain.mine();
    await scan(atTime(harness.ctx, addMs(new Date(), 60_000)));
    // One look finds the one that is to be completed, the next one the one that was.
    await chain.mine();
    await scan(atTime(harness.ctx, addMs(new Date(), 80_000)));
    const rows = await harness.ctx
      .db('refunds')
      .where({ payment_id: payment.id })
      .select<{ status: string; block_hash: string | null }[]>();
    expect(rows.map(({ status, block_hash }) => [status, block_hash])).to.deep.equal([
      ['failed', null],
      ['failed', null],
    ]);
  });
});
