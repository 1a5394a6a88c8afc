import { expect } from 'chai';

import type { operations } from '../../api/generated/openapi.ts';
import { execute } from '../../platform/db.ts';
import { readProblem, startTestApi, type Payment, type TestApi } from './startTestApi.ts';

describe('listPayments', () => {
  let api: TestApi;
  const created: Payment[] = [];
  before(async () => {
    api = await startTestApi();
    for (let i = 0; i < 7; i++) created.push(await api.createPayment({ orderId: i % 2 === 0 ? 'even' : 'odd' }));
    for (const [i, payment] of created.entries()) {
      await execute(api.ctx.db, 'UPDATE payments SET created_at = ? WHERE id = ?', [new Date(Date.UTC(2026, 0, 1 + i)), payment.paymentId]);
    }
    await api.call(`/payments/${created[0]?.paymentId}/cancel`, { method: 'POST' });
  });
  after(() => api.close());

  type Query = NonNullable<operations['listPayments']['parameters']['query']>;
  const list = async (query: Query) => {
    const { data } = await api.client().GET('/payments', { params: { query } });
    if (data === undefined) throw new Error('no answer');
    return data;
  };
  const idsOf = (payments: readonly { paymentId: string }[]) => payments.map((payment) => payment.paymentId);

  it('gives each payment exactly once over its pages, newest first', async () => {
    const seen: string[] = [];
    let cursor: string | undefined;
    let pages = 0;
    do {
      const page = await list({ limit: 3, ...(cursor === undefined ? {} : { cursor }) });
      expect(page.hasMore).to.equal(page.nextCursor !== null);
      seen.push(...idsOf(page.data));
      cursor = page.nextCursor ?? undefined;
      pages++;
    } while (cursor !== undefined);
    expect(pages).to.equal(3);
    expect(seen).to.deep.equal(idsOf(created).reverse());
  });

  it('skips none and repeats none when payments are made between two pages', async () => {
    const first = await list({ limit: 3 });
    const extra = await api.createPayment({ orderId: 'late' });
    const second = await list({ limit: 3, cursor: first.nextCursor ?? '' });
    expect(idsOf(second.data)).to.deep.equal(idsOf(created).reverse().slice(3, 6));
    await execute(api.ctx.db, 'DELETE FROM payments WHERE id = ?', [extra.paymentId]);
  });

  it('filters by status', async () => {
    expect(idsOf((await list({ status: 'cancelled' })).data)).to.deep.equal([created[0]?.paymentId]);
  });

  it('filters by orderId', async () => {
    const page = await list({ orderId: 'odd' });
    expect(page.data.map((payment) => payment.orderId)).to.deep.equal(['odd', 'odd', 'odd']);
  });

  it('filters by time: createdAfter includes its moment, createdBefore does not', async () => {
    const page = await list({ createdAfter: '2026-01-02T00:00:00Z', createdBefore: '2026-01-04T00:00:00Z' });
    expect(idsOf(page.data)).to.deep.equal([created[2]?.paymentId, created[1]?.paymentId]);
  });

  it('answers an empty page when nothing matches', async () => {
    expect(await list({ orderId: 'nothing' })).to.deep.equal({ data: [], hasMore: false, nextCursor: null });
  });

  const refused: readonly [string, string][] = [
    ['limit=0', '/query/limit'],
    ['limit=101', '/query/limit'],
    ['limit=ten', '/query/limit'],
    ['status=paid', '/query/status'],
    ['createdAfter=yesterday', '/query/createdAfter'],
    ['cursor=zzzz', '/query/cursor'],
    ['page=2', '/query/page'],
  ];
  for (const [query, path] of refused) {
    it(`refuses ?${query} with PAY_005 and names it`, async () => {
      const problem = await readProblem(await api.call(`/payments?${query}`));
      expect([problem.status, problem.code]).to.deep.equal([400, 'PAY_005']);
      expect(problem.errors?.map((error) => error.path)).to.include(path);
    });
  }
});
