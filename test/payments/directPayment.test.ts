import { expect } from 'chai';

import { getPayment } from '../../domain/payments/service.ts';
import { scanChain } from '../../domain/payments/scanChain.ts';
import { listPaymentEvents } from '../../domain/webhooks/service.ts';
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
    const events = await listPaymentEvents(ctx, { paymentId: payment.id });
    expect(events.map((event) => [event.type, event.version])).to.deep.equal([
      ['payment.created', 1],
      ['payment.processing', 2],
      ['payment.completed', 3],
    ]);
    expect(await harness.chain.balanceOf(harness.tokens.TUSD, store.payoutAddress)).to.equal(1_500_000n);
  });
});
