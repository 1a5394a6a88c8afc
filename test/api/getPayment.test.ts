import { expect } from 'chai';

import { readProblem, startTestApi, type TestApi } from './startTestApi.ts';

describe('getPayment', () => {
  let api: TestApi;
  before(async () => {
    api = await startTestApi();
  });
  after(() => api.close());

  it('shows the payment with its timeline and relay attempts', async () => {
    const created = await api.createPayment();
    await api.call(`/payments/${created.paymentId}/cancel`, { method: 'POST' });
    const { data } = await api
      .client()
      .GET('/payments/{paymentId}', { params: { path: { paymentId: created.paymentId } } });
    expect(data?.status).to.equal('cancelled');
    expect(data?.timeline.map(({ type, version }) => [type, version])).to.deep.equal([
      ['payment.created', 1],
      ['payment.cancelled', 2],
    ]);
    expect(data?.relayAttempts).to.deep.equal([]);
  });

  it('answers 404 PAY_009 for an unknown id', async () => {
    const problem = await readProblem(await api.call(`/payments/0x${'0'.repeat(64)}`));
    expect([problem.status, problem.code]).to.deep.equal([404, 'PAY_009']);
  });

  for (const id of ['1', `0x${'A'.repeat(64)}`, `0x${'0'.repeat(63)}`, '%00', '..%2f..%2fetc']) {
    it(`answers 400 for the id ${id}`, async () => {
      const problem = await readProblem(await api.call(`/payments/${id}`));
      expect([problem.status, problem.code]).to.deep.equal([400, 'PAY_005']);
    });
  }

  it('answers 400 for an id that is no valid percent-encoding', async () => {
    const problem = await readProblem(await api.call('/payments/%zz'));
    expect([problem.status, problem.code]).to.deep.equal([400, 'PAY_005']);
  });
});
