import { expect } from 'chai';

import { execute } from '../../platform/db.ts';
import { readProblem, startTestApi, type TestApi } from './startTestApi.ts';

describe('cancelPayment', () => {
  let api: TestApi;
  before(async () => {
    api = await startTestApi();
  });
  after(() => api.close());

  it('cancels a pending payment', async () => {
    const { paymentId } = await api.createPayment();
    const { data, response } = await api
      .client()
      .POST('/payments/{paymentId}/cancel', { params: { path: { paymentId } } });
    expect(response.status).to.equal(200);
    expect(data).to.include({ paymentId, status: 'cancelled', version: 2 });
  });

  it('refuses a second cancel with 409 PAY_004', async () => {
    const { paymentId } = await api.createPayment();
    await api.call(`/payments/${paymentId}/cancel`, { method: 'POST' });
    const problem = await readProblem(
      await api.call(`/payments/${paymentId}/cancel`, { method: 'POST' }),
    );
    expect([problem.status, problem.code]).to.deep.equal([409, 'PAY_004']);
  });

  it('refuses to cancel a completed payment with 409 PAY_003', async () => {
    const { paymentId } = await api.createPayment();
    await execute(api.ctx.db, "UPDATE payments SET status = 'completed' WHERE id = ?", [paymentId]);
    const problem = await readProblem(
      await api.call(`/payments/${paymentId}/cancel`, { method: 'POST' }),
    );
    expect([problem.status, problem.code]).to.deep.equal([409, 'PAY_003']);
  });

  it('lets one of many cancels at once through, and records one event', async () => {
    const { paymentId } = await api.createPayment();
    const answers = await Promise.all(
      Array.from({ length: 10 }, () =>
        api.call(`/payments/${paymentId}/cancel`, { method: 'POST' }),
      ),
    );
    expect(answers.map((answer) => answer.status).sort()).to.deep.equal([
      200,
      ...Array<number>(9).fill(409),
    ]);
    const { data } = await api
      .client()
      .GET('/payments/{paymentId}', { params: { path: { paymentId } } });
    expect(data?.timeline).to.have.length(2);
  });

  it('answers 404 for an unknown id', async () => {
    const problem = await readProblem(
      await api.call(`/payments/0x${'0'.repeat(64)}/cancel`, { method: 'POST' }),
    );
    expect([problem.status, problem.code]).to.deep.equal([404, 'PAY_009']);
  });
});
