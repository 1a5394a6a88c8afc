import { expect } from 'chai';

import { scanChain } from '../../domain/scan/scanChain.ts';
import { cancelPayment, getPayment } from '../../domain/payments/service.ts';
import { expirePayment } from '../../domain/scan/expirePayment.ts';
import type { Payment } from '../../domain/payments/model.ts';
import { relayPayment } from '../../domain/relay/relayPayment.ts';
import type { Context } from '../../platform/context.ts';
import { addMs } from '../../shared/clock.ts';
import { AppError } from '../../shared/errors.ts';
import { expectRefusal } from '../support/expectRefusal.ts';
import { signGasless } from '../support/gasless.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { startOwnChain, type OwnChain } from '../support/ownChain.ts';
import { readHistory } from '../support/paymentHistory.ts';
import { atTime, withRelayers } from '../support/varyContext.ts';

const ROUNDS = 8;

describe('changes of one payment at the same time', () => {
  let chain: OwnChain;
  let harness: Harness;
  let store: TestStore;
  let chainId: number;
  let ctx: Context;

  before(async function () {
    this.timeout(120_000);
    chain = await startOwnChain();
    harness = await createHarness({ config: chain.configure({ confirmations: 1 }) });
    store = await harness.createTestStore();
    chainId = harness.config.chains[0]?.chainId ?? 0;
    ctx = withRelayers(harness.ctx, chainId, [await chain.createRelayer()]);
  });
  after(async () => {
    await harness.close();
    await chain.close();
  });

  const createPayment = () => harness.createTestPayment(store, { token: chain.token });
  const read = (payment: Pick<Payment, 'id'>) =>
    getPayment(ctx, { storeId: store.storeId, paymentId: payment.id });
  const cancel = (payment: Payment) =>
    cancelPayment(ctx, { storeId: store.storeId, paymentId: payment.id });
  const expire = (payment: Payment) =>
    expirePayment(atTime(ctx, addMs(payment.terms.expiresAt, 3_600_000)), payment.id);

  /** @returns the codes of those that were refused; anything but a refusal fails the test */
  async function refusalsOf(attempts: readonly Promise<unknown>[]): Promise<string[]> {
    const codes: string[] = [];
    for (const result of await Promise.allSettled(attempts)) {
      if (result.status === 'fulfilled') continue;
      if (!(result.reason instanceof AppError)) throw result.reason;
      codes.push(result.reason.code);
    }
    return codes;
  }

  it('cancelling and expiring end in one of the two, told once', async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const payment = await createPayment();
      const refusals = await refusalsOf([
        cancel(payment),
        expire(payment),
        cancel(payment),
        expire(payment),
      ]);
      const ended = await read(payment);
      const history = await readHistory(ctx, ended);
      if (ended.status === 'cancelled') {
        expect(refusals).to.deep.equal(['PAY_004']);
        expect(history).to.deep.equal(['payment.created', 'payment.cancelled']);
      } else {
        expect(ended.status).to.equal('expired');
        expect(refusals).to.deep.equal(['PAY_004', 'PAY_004']);
        expect(history).to.deep.equal(['payment.created', 'payment.expired']);
      }
    }
  });

  it('cancelling, expiring and being paid end completed, since the chain has the last word', async () => {
    const customer = await chain.createCustomer();
    for (let round = 0; round < ROUNDS; round++) {
      const payment = await createPayment();
      await chain.pay(customer, payment);
      await chain.mine();
      const refusals = await refusalsOf([
        scanChain(ctx, chainId),
        cancel(payment),
        expire(payment),
        scanChain(ctx, chainId),
      ]);
      expect(refusals.filter((code) => code !== 'PAY_003' && code !== 'PAY_004')).to.deep.equal([]);
      await scanChain(ctx, chainId);
      const ended = await read(payment);
      expect(ended.status).to.equal('completed');
      const history = await readHistory(ctx, ended);
      const detour = history.filter(
        (type) => type === 'payment.cancelled' || type === 'payment.expired',
      );
      expect(detour.length).to.be.at.most(1);
      expect(ended.late).to.equal(detour.length === 1);
      expect(history).to.deep.equal([
        'payment.created',
        ...detour,
        'payment.processing',
        'payment.completed',
      ]);
    }
  });

  it('cancelling and relaying: one is done, the other refused', async () => {
    const customer = await chain.createCustomer();
    for (let round = 0; round < ROUNDS; round++) {
      const payment = await createPayment();
      const signed = await signGasless(ctx, customer, payment);
      const refusals = await refusalsOf([relayPayment(ctx, signed), cancel(payment)]);
      expect(refusals).to.deep.equal(['PAY_004']);
      const current = await read(payment);
      expect(await readHistory(ctx, current)).to.deep.equal([
        'payment.created',
        current.status === 'cancelled' ? 'payment.cancelled' : 'payment.processing',
      ]);
      expect(current.relayAttemptId === null).to.equal(current.status === 'cancelled');
    }
  });

  it('cancelling twice is refused the second time', async () => {
    const payment = await createPayment();
    await cancel(payment);
    expect(await expectRefusal(cancel(payment))).to.include({
      code: 'PAY_004',
      detail: 'A payment that is cancelled does not allow this.',
    });
  });

  it('cancelling a completed payment says that it was paid', async () => {
    const customer = await chain.createCustomer();
    const payment = await createPayment();
    await chain.pay(customer, payment);
    await chain.mine();
    await scanChain(ctx, chainId);
    expect(await expectRefusal(cancel(payment))).to.include({ code: 'PAY_003' });
    expect((await read(payment)).status).to.equal('completed');
  });

  it('cancelling another store’s payment is answered like an unknown one, and changes nothing', async () => {
    const payment = await createPayment();
    const other = await harness.createTestStore();
    const foreign = await expectRefusal(
      cancelPayment(ctx, { storeId: other.storeId, paymentId: payment.id }),
    );
    const unknown = await expectRefusal(
      cancelPayment(ctx, { storeId: other.storeId, paymentId: `0x${'0e'.repeat(32)}` }),
    );
    expect([foreign.code, foreign.detail]).to.deep.equal([unknown.code, unknown.detail]);
    expect(foreign.code).to.equal('PAY_009');
    expect((await read(payment)).status).to.equal('pending');
  });
});
