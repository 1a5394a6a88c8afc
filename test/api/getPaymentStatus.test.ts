import { expect } from 'chai';

import { cancelPayment } from '../../domain/payments/service.ts';
import { asBytes32 } from '../../shared/hex.ts';
import { nextAnswer } from '../support/nextAnswer.ts';
import { readProblem, startTestApi, type TestApi } from './startTestApi.ts';

describe('getPaymentStatus', () => {
  let api: TestApi;
  before(async () => {
    api = await startTestApi();
  });
  after(() => api.close());

  it('answers the status alone, without a hash while there is none', async () => {
    const { paymentId } = await api.createPayment();
    const { data } = await api
      .client()
      .GET('/payments/{paymentId}/status', { params: { path: { paymentId } } });
    expect(data).to.deep.equal({ paymentId, status: 'pending', confirmations: 0 });
  });

  it('with wait, answers as soon as the payment changes', async () => {
    const { paymentId } = await api.createPayment();
    const startedAt = performance.now();
    const wasRead = nextAnswer(api.ctx.db, 'FROM payments');
    const waiting = api.call(`/payments/${paymentId}/status?wait=20`);
    await wasRead;
    await cancelPayment(api.ctx, { storeId: api.store.storeId, paymentId: asBytes32(paymentId) });
    expect(await (await waiting).json()).to.include({ status: 'cancelled' });
    expect(performance.now() - startedAt).to.be.below(10_000);
  });

  it('with wait, answers unchanged once the time is over', async () => {
    const { paymentId } = await api.createPayment();
    const startedAt = performance.now();
    expect(await (await api.call(`/payments/${paymentId}/status?wait=1`)).json()).to.include({
      status: 'pending',
    });
    expect(performance.now() - startedAt).to.be.within(950, 15_000);
  });

  it('sees a change at once, without wait', async () => {
    const { paymentId } = await api.createPayment();
    await api.call(`/payments/${paymentId}/status`);
    await api.call(`/payments/${paymentId}/cancel`, { method: 'POST' });
    expect(await (await api.call(`/payments/${paymentId}/status`)).json()).to.include({
      status: 'cancelled',
    });
  });

  it('answers 404 for an unknown id, with wait at once', async () => {
    const startedAt = performance.now();
    const problem = await readProblem(
      await api.call(`/payments/0x${'0'.repeat(64)}/status?wait=20`),
    );
    expect([problem.status, problem.code]).to.deep.equal([404, 'PAY_009']);
    expect(performance.now() - startedAt).to.be.below(15_000);
  });

  for (const wait of ['-1', '61', 'x', '1.5', '']) {
    it(`refuses wait=${wait}`, async () => {
      const { paymentId } = await api.createPayment();
      const problem = await readProblem(
        await api.call(`/payments/${paymentId}/status?wait=${wait}`),
      );
      expect([problem.status, problem.code]).to.deep.equal([400, 'PAY_005']);
    });
  }
});
