import { expect } from 'chai';

import { getPayment } from '../../domain/payments/service.ts';
import { insertPayments } from '../../domain/payments/store.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import { listEvents } from '../../domain/events/listEvents.ts';
import { inTransaction } from '../../platform/db.ts';
import { AppError } from '../../shared/errors.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { waitUntil } from '../support/waitUntil.ts';

describe('a direct payment', () => {
  let harness: Harness;
  let store: TestStore;

  before(async function () {
    this.timeout(120_000);
    harness = await createHarness();
    store = await harness.createTestStore();
  });
  after(() => harness.close());

  it('is found on the chain and completed once its block is deep enough, with one event of each kind', async () => {
    const { ctx } = harness;
    const customer = await harness.chain.createCustomer({ token: harness.tokens.TUSD });
    const payment = await harness.createTestPayment(store);
    const hash = await harness.chain.payDirectly(customer, payment);
    const completed = await waitUntil(async () => {
      await scanChain(ctx, payment.chainId);
      const current = await getPayment(ctx, { storeId: store.storeId, paymentId: payment.id });
      return current.status === 'completed' ? current : undefined;
    });
    expect(completed.txHash).to.equal(hash);
    expect(completed.payer).to.equal(customer.address);
    expect(completed.late).to.equal(false);
    const events = await listEvents(ctx, { type: 'payment', id: payment.id });
    expect(events.map((event) => [event.type, event.version])).to.deep.equal([
      ['payment.created', 1],
      ['payment.processing', 2],
      ['payment.completed', 3],
    ]);
    expect(await harness.chain.balanceOf(harness.tokens.TUSD, store.payoutAddress)).to.equal(
      1_500_000n,
    );
  });

  it('is not created from text that no database can hold, nor from more metadata than a webhook can carry', async () => {
    const refused = async (input: Parameters<Harness['createTestPayment']>[1]) => {
      const error: unknown = await harness
        .createTestPayment(store, input)
        .catch((thrown: unknown) => thrown);
      expect(error).to.be.instanceOf(AppError);
      return (error as AppError).code;
    };
    expect(await refused({ orderId: '\ud800x' })).to.equal('PAY_005');
    expect(await refused({ metadata: { note: 'a\udfff' } })).to.equal('PAY_005');
    expect(await refused({ metadata: { note: 'x'.repeat(13_000) } })).to.equal('PAY_005');
    expect(
      (await harness.createTestPayment(store, { orderId: '😀 주문', metadata: { note: '😀' } }))
        .orderId,
    ).to.equal('😀 주문');
  });

  it('that cannot be saved tells the log nothing of what it holds', async () => {
    const payment = await harness.createTestPayment(store, { customerEmail: 'buyer@example.org' });
    const error: unknown = await inTransaction(harness.ctx.db, (trx) =>
      insertPayments(trx, [payment]),
    ).catch((thrown: unknown) => thrown);
    expect(error).to.be.instanceOf(Error);
    expect((error as Error).message).not.to.contain('buyer@example.org');
  });
});
