import { expect } from 'chai';

import { confirmTransaction } from '../../domain/relay/confirmTransaction.ts';
import { sendAttempt } from '../../domain/relay/sendAttempt.ts';
import { listRelayAttempts } from '../../domain/relay/listAttempts.ts';
import { relayPayment } from '../../domain/relay/relayPayment.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import { getPayment } from '../../domain/payments/service.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { signGasless } from '../support/gasless.ts';
import { waitUntil } from '../support/waitUntil.ts';

describe('a gasless payment', () => {
  let harness: Harness;
  let store: TestStore;

  before(async function () {
    this.timeout(120_000);
    harness = await createHarness();
    store = await harness.createTestStore();
  });
  after(() => harness.close());

  for (const approve of [true, false]) {
    it(`of a customer who ${approve ? 'approved the gateway' : 'signs a permit'} is relayed once and completed`, async () => {
      const { ctx } = harness;
      const customer = await harness.chain.createCustomer({ token: harness.tokens.TUSD, approve });
      const payment = await harness.createTestPayment(store);
      const signed = await signGasless(ctx, customer, payment);
      expect(signed.permit === null).to.equal(approve);
      const accepted = await relayPayment(ctx, signed);
      expect(accepted.status).to.equal('processing');

      const [attempt] = await listRelayAttempts(ctx, { paymentId: payment.id });
      expect(await sendAttempt(ctx, attempt!.id)).to.deep.equal({ kind: 'done' });
      const [sent] = await listRelayAttempts(ctx, { paymentId: payment.id });
      expect(sent).to.include({ status: 'submitted' });
      await waitUntil(async () => {
        await scanChain(ctx, payment.chainId);
        return (await confirmTransaction(ctx, sent!.transactionId!)).kind === 'done';
      });

      const completed = await getPayment(ctx, { storeId: store.storeId, paymentId: payment.id });
      expect(completed).to.include({
        status: 'completed',
        payer: customer.address,
        txHash: sent!.txHash,
      });
      expect(
        (await listRelayAttempts(ctx, { paymentId: payment.id })).map(({ status }) => status),
      ).to.deep.equal(['succeeded']);
      expect(await harness.chain.countPayments(payment.id)).to.equal(1);
    });
  }
});
