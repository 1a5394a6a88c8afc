import { expect } from 'chai';

import { DONE } from '../../domain/outbox/model.ts';
import type { Payment } from '../../domain/payments/model.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import { expirePayment } from '../../domain/scan/expirePayment.ts';
import { sweepOverduePayments } from '../../domain/scan/sweepOverduePayments.ts';
import { findRefund } from '../../domain/refunds/service.ts';
import { confirmTransaction } from '../../domain/relay/confirmTransaction.ts';
import { getRefundRequest, refundPayment } from '../../domain/relay/refundPayment.ts';
import { sendAttempt } from '../../domain/relay/sendAttempt.ts';
import { findTransaction } from '../../domain/relay/attempts/transactionStore.ts';
import { createStore } from '../../domain/stores/service.ts';
import type { Context } from '../../platform/context.ts';
import { selectRows } from '../../platform/db.ts';
import { addMs } from '../../shared/clock.ts';
import { parseAmountUnits } from '../../shared/money.ts';
import { signTypedData } from '../support/gasless.ts';
import { createHarness, type Harness } from '../support/harness.ts';
import { startOwnChain, type OwnChain, type OwnRelayer } from '../support/ownChain.ts';
import { readHistory } from '../support/paymentHistory.ts';
import { acceptRelay, readAttempt, readPayment } from '../support/relayFlow.ts';
import { atTime, withRelayers } from '../support/varyContext.ts';

const CONFIRMATIONS = 2;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

describe('what waits for a chain that was taken out of the configuration', function () {
  this.timeout(30_000);

  let chain: OwnChain;
  let harness: Harness;
  let chainId: number;
  let relayer: OwnRelayer;
  let ctx: Context;
  let merchant: Awaited<ReturnType<OwnChain['createAccount']>>;
  let storeId: string;

  before(async function () {
    this.timeout(120_000);
    chain = await startOwnChain();
    harness = await createHarness({ config: chain.configure({ confirmations: CONFIRMATIONS }) });
    chainId = harness.config.chains[0]?.chainId ?? 0;
  });
  after(async () => {
    await harness.close();
    await chain.close();
  });
  beforeEach(async () => {
    relayer = await chain.createRelayer();
    ctx = withRelayers(harness.ctx, chainId, [relayer]);
    merchant = await chain.createAccount();
    storeId = (await createStore(ctx, { name: 'A shop', payoutAddress: merchant.address })).id;
  });

  const createPayment = () =>
    harness.createTestPayment(
      { storeId, apiKey: '', payoutAddress: merchant.address },
      { token: chain.token },
    );
  /** So long after the deadline, without the chain. */
  const removedAt = (deadline: Date, ms: number): Context => ({
    ...atTime(ctx, addMs(deadline, ms)),
    config: { ...ctx.config, chains: [] },
    chains: new Map(),
    relayers: new Map(),
  });
  const statusOf = async (payment: Payment) => (await readPayment(ctx, payment)).status;

  it('expires a day after its time is over, and is not looked at more than once an hour until then', async () => {
    const payment = await createPayment();
    const { expiresAt } = payment.terms;
    for (const [ms, next] of [
      [1_000, 1_000 + HOUR],
      [5 * HOUR, 6 * HOUR],
      [DAY - 60_000, DAY],
    ] as const) {
      expect(await expirePayment(removedAt(expiresAt, ms), payment.id)).to.deep.equal({
        kind: 'later',
        at: addMs(expiresAt, next),
      });
      expect(await statusOf(payment)).to.equal('pending');
    }
    expect(await expirePayment(removedAt(expiresAt, DAY), payment.id)).to.deep.equal(DONE);
    expect(await readHistory(ctx, await readPayment(ctx, payment))).to.deep.equal([
      'payment.created',
      'payment.expired',
    ]);
  });

  it('is expired by the sweep too', async () => {
    const payment = await createPayment();
    await sweepOverduePayments(removedAt(payment.terms.expiresAt, DAY + 1_000));
    expect(await statusOf(payment)).to.equal('expired');
  });

  it('is looked at every few seconds while it is in time: another process may have the chain', async () => {
    const payment = await createPayment();
    const { id, deadline } = await acceptRelay(ctx, await chain.createCustomer(), payment);
    const soon = { kind: 'later', at: addMs(deadline, -45_000) };
    expect(await sendAttempt(removedAt(deadline, -60_000), id)).to.deep.equal(soon);
    await sendAttempt(ctx, id);
    const { transactionId } = await readAttempt(ctx, payment);
    expect(
      await confirmTransaction(removedAt(deadline, -60_000), transactionId ?? ''),
    ).to.deep.equal(soon);
  });

  it('is told as it is when the chain is put back and shows that it was paid in time', async () => {
    await scanChain(ctx, chainId);
    const payment = await createPayment();
    await chain.pay(await chain.createCustomer(), payment);
    await chain.mine(CONFIRMATIONS);
    await expirePayment(removedAt(payment.terms.expiresAt, DAY), payment.id);
    expect(await statusOf(payment)).to.equal('expired');
    await scanChain(ctx, chainId);
    const completed = await readPayment(ctx, payment);
    expect(completed).to.include({ status: 'completed', late: true });
    expect(await readHistory(ctx, completed)).to.deep.equal([
      'payment.created',
      'payment.expired',
      'payment.processing',
      'payment.completed',
    ]);
  });

  it('fails as a relay that was not sent, and its payment expires', async () => {
    const payment = await createPayment();
    const { id, deadline } = await acceptRelay(ctx, await chain.createCustomer(), payment);
    expect(await sendAttempt(removedAt(deadline, 1_000), id)).to.deep.equal({
      kind: 'later',
      at: addMs(deadline, 1_000 + HOUR),
    });
    expect(await statusOf(payment)).to.equal('processing');
    const over = removedAt(deadline, DAY);
    expect(await sendAttempt(over, id)).to.deep.equal(DONE);
    expect(await readAttempt(ctx, payment)).to.include({ status: 'failed', errorCode: 'PAY_029' });
    await expirePayment(over, payment.id);
    expect(await statusOf(payment)).to.equal('expired');
  });

  it('fails as a relay that was sent, and is completed when the chain is put back and shows it', async () => {
    await scanChain(ctx, chainId);
    const payment = await createPayment();
    const { id, deadline } = await acceptRelay(ctx, await chain.createCustomer(), payment);
    await sendAttempt(ctx, id);
    const transactionId = (await readAttempt(ctx, payment)).transactionId ?? '';
    await chain.mine(CONFIRMATIONS);
    expect(await confirmTransaction(removedAt(deadline, 1_000), transactionId)).to.deep.equal({
      kind: 'later',
      at: addMs(deadline, 1_000 + HOUR),
    });
    expect(await confirmTransaction(removedAt(deadline, DAY), transactionId)).to.deep.equal(DONE);
    expect((await readAttempt(ctx, payment)).status).to.equal('failed');
    expect(await statusOf(payment)).not.to.equal('processing');
    await scanChain(ctx, chainId);
    const completed = await readPayment(ctx, payment);
    expect(completed.status).to.equal('completed');
    expect((await readHistory(ctx, completed)).at(-1)).to.equal('payment.completed');
  });

  it('is no load of a relayer any more when it carries nothing, a day after it would be valid no more', async () => {
    const payment = await createPayment();
    const { id } = await acceptRelay(ctx, await chain.createCustomer(), payment);
    await sendAttempt(ctx, id);
    const transactionId = (await readAttempt(ctx, payment)).transactionId ?? '';
    const impatient = {
      ...ctx,
      config: { ...ctx.config, relay: { ...ctx.config.relay, resendAfterMs: 1 } },
    };
    await confirmTransaction(impatient, transactionId);
    const abandoned = () =>
      selectRows(
        ctx.db,
        'SELECT id FROM relay_transactions WHERE id = ? AND abandoned_at IS NOT NULL',
        [transactionId],
      );
    expect(await abandoned()).to.have.length(1);
    const validUntil = (await findTransaction(ctx.db, transactionId))?.validUntil ?? new Date(0);
    // Another process may have the chain yet.
    expect((await confirmTransaction(removedAt(validUntil, DAY - 1), transactionId)).kind).to.equal(
      'later',
    );
    expect(await abandoned()).to.have.length(1);
    expect(await confirmTransaction(removedAt(validUntil, DAY), transactionId)).to.deep.equal(DONE);
    expect(await abandoned()).to.have.length(0);
  });

  it('fails as a refund, and is told as it is when the chain is put back', async () => {
    const payment = await createPayment();
    await chain.pay(await chain.createCustomer(), payment);
    await chain.mine(CONFIRMATIONS);
    await scanChain(ctx, chainId);
    await chain.approve(merchant);
    const request = { storeId, paymentId: payment.id, amount: parseAmountUnits('10') };
    const { refund: signed, typedData } = await getRefundRequest(ctx, request);
    const signature = await signTypedData(merchant, typedData);
    const refund = await refundPayment(ctx, {
      ...request,
      nonce: signed.nonce,
      deadline: signed.deadline,
      signature,
      permit: null,
    });
    await sendAttempt(ctx, refund.relayAttemptId ?? '');
    const [row] = await selectRows<{ transaction_id: string }>(
      ctx.db,
      'SELECT transaction_id FROM relay_attempts WHERE refund_id = ?',
      [refund.id],
    );
    expect(
      await confirmTransaction(removedAt(refund.deadline, DAY), row?.transaction_id ?? ''),
    ).to.deep.equal(DONE);
    expect(await findRefund(ctx, refund.id)).to.include({ status: 'failed', errorCode: 'PAY_029' });
    await chain.mine(CONFIRMATIONS);
    await scanChain(ctx, chainId);
    expect(await findRefund(ctx, refund.id)).to.include({ status: 'completed', errorCode: null });
  });
});
