import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import axios from 'axios';
import { expect } from 'chai';

import type { operations } from '../../api/generated/openapi.ts';
import { execute } from '../../platform/db.ts';
import { readProblem, startTestApi, type Payment, type TestApi } from './startTestApi.ts';

describe('listPayments', () => {
  let api: TestApi;
  const created: Payment[] = [];
  before(async () => {
    api = await startTestApi();
    for (let i = 0; i < 7; i++)
      created.push(await api.createPayment({ orderId: i % 2 === 0 ? 'even' : 'odd' }));
    for (const [i, payment] of created.entries()) {
      await execute(api.ctx.db, 'UPDATE payments SET created_at = ? WHERE id = ?', [
        new Date(Date.UTC(2026, 0, 1 + i)),
        payment.paymentId,
      ]);
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
  const idsOf = (payments: readonly { paymentId: string }[]) =>
    payments.map((payment) => payment.paymentId);

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
    expect(idsOf((await list({ status: 'cancelled' })).data)).to.deep.equal([
      created[0]?.paymentId,
    ]);
  });

  it('filters by orderId', async () => {
    const page = await list({ orderId: 'odd' });
    expect(page.data.map((payment) => payment.orderId)).to.deep.equal(['odd', 'odd', 'odd']);
  });

  it('filters by time: createdAfter includes its moment, createdBefore does not', async () => {
    const page = await list({
      createdAfter: '2026-01-02T00:00:00Z',
      createdBefore: '2026-01-04T00:00:00Z',
    });
    expect(idsOf(page.data)).to.deep.equal([created[2]?.paymentId, created[1]?.paymentId]);
  });

  it('answers an empty page when nothing matches', async () => {
    expect(await list({ orderId: 'nothing' })).to.deep.equal({
      data: [],
      hasMore: false,
      nextCursor: null,
    });
  });

  describe('takes queries as clients write them', () => {
    const orderIds = [
      'gift card 7',
      'a*b',
      'a/b',
      'a@b',
      "it's (1)",
      'a+b',
      '50%',
      'a&b=c',
      'a,b;c:d',
      '[1]',
      '{"a":1}',
      '주문 7',
      'a?b#c',
    ];
    before(async () => {
      for (const orderId of orderIds) await api.createPayment({ orderId });
    });

    type Ask = (
      query: Record<string, string>,
    ) => Promise<Response | { status: number; data: unknown }>;
    const headers = () => ({ 'x-api-key': api.store.apiKey });
    const url = () => `${api.url}/api/v1/payments`;
    const asked = async (ask: Ask, query: Record<string, string>): Promise<readonly Payment[]> => {
      const answer = await ask(query);
      expect(answer.status).to.equal(200);
      return (('json' in answer ? await answer.json() : answer.data) as { data: Payment[] }).data;
    };
    /**
     * As little encoded as RFC 3986 allows in a query, which is what many hand-written clients
     * send.
     */
    const encodeLeast = (text: string) =>
      encodeURIComponent(text).replace(
        /%(3A|2F|3F|40|21|24|27|28|29|2A|2C|3B|5B|5D)/g,
        decodeURIComponent,
      );
    const encodeMost = (text: string) =>
      encodeURIComponent(text).replace(
        /[!'()*]/g,
        (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`,
      );
    const joined = (query: Record<string, string>, encode: (text: string) => string) =>
      Object.entries(query)
        .map(([name, value]) => `${name}=${encode(value)}`)
        .join('&');
    const ENCODED_AS_CURL = 'all but unreserved encoded, as curl -G --data-urlencode does';
    const clients: Record<string, Ask> = {
      axios: (query) => axios.get(url(), { params: query, headers: headers() }),
      'URLSearchParams (form encoding)': (query) =>
        fetch(`${url()}?${new URLSearchParams(query)}`, { headers: headers() }),
      encodeURIComponent: (query) =>
        fetch(`${url()}?${joined(query, encodeURIComponent)}`, { headers: headers() }),
      [ENCODED_AS_CURL]: (query) =>
        fetch(`${url()}?${joined(query, encodeMost)}`, { headers: headers() }),
      'only what has to be encoded': (query) =>
        fetch(`${url()}?${joined(query, encodeLeast)}`, { headers: headers() }),
    };
    const hasCurl = spawnSync('curl', ['--version']).status === 0;
    if (hasCurl) clients['curl -G --data-urlencode'] = askWithCurl;
    else
      clients['curl -G --data-urlencode, as far as it can be had: curl is not installed here'] =
        clients[ENCODED_AS_CURL]!;

    /** The program itself: as it is, without what its user has configured. */
    async function askWithCurl(
      query: Record<string, string>,
    ): Promise<{ status: number; data: unknown }> {
      const parameters = Object.entries(query).flatMap(([name, value]) => [
        '--data-urlencode',
        `${name}=${value}`,
      ]);
      const common = [
        '-q',
        '--silent',
        '--show-error',
        '--noproxy',
        '*',
        '--write-out',
        '\n%{http_code}',
      ];
      const { stdout } = await promisify(execFile)('curl', [
        ...common,
        '-H',
        `x-api-key: ${api.store.apiKey}`,
        '-G',
        url(),
        ...parameters,
      ]);
      const end = stdout.lastIndexOf('\n');
      return { status: Number(stdout.slice(end + 1)), data: JSON.parse(stdout.slice(0, end)) };
    }

    for (const [name, ask] of Object.entries(clients)) {
      it(name, async () => {
        for (const orderId of orderIds) {
          expect(
            (await asked(ask, { orderId })).map((payment) => payment.orderId),
            orderId,
          ).to.deep.equal([orderId]);
        }
        const inTime = await asked(ask, {
          createdAfter: '2026-01-02T09:00:00+09:00',
          createdBefore: '2026-01-04T00:00:00.000Z',
        });
        expect(idsOf(inTime)).to.deep.equal([created[2]?.paymentId, created[1]?.paymentId]);
      });
    }

    it('a plus sign of an offset that nobody encoded', async () => {
      const answer = await api.call(
        '/payments?createdAfter=2026-01-02T09:00:00+09:00&createdBefore=2026-01-04T09:00:00+09:00',
      );
      expect(idsOf(((await answer.json()) as { data: Payment[] }).data)).to.deep.equal([
        created[2]?.paymentId,
        created[1]?.paymentId,
      ]);
    });
  });

  it('tells an orderId from one that ends with spaces', async () => {
    const plain = await api.createPayment({ orderId: 'sp-1' });
    const spaced = await api.createPayment({ orderId: 'sp-1 ' });
    expect(idsOf((await list({ orderId: 'sp-1' })).data)).to.deep.equal([plain.paymentId]);
    expect(idsOf((await list({ orderId: 'sp-1 ' })).data)).to.deep.equal([spaced.paymentId]);
    expect((await list({ orderId: 'sp-1  ' })).data).to.deep.equal([]);
  });

  for (const moment of [
    '2026-11-27T20:00:00+01',
    '2026-11-27T20:00:60Z',
    '2026-02-30T00:00:00Z',
    '2026-11-27T24:00:00Z',
    '2026-11-27',
    '2026-11-27T20:00:00',
    '9999-12-31T23:59:59-12:00',
    '0000-01-01T00:00:00Z',
    '1969-12-31T23:59:59Z',
    '+012026-11-27T20:00:00Z',
    '1764273600',
  ]) {
    it(`refuses ${moment} as a moment`, async () => {
      const problem = await readProblem(
        await api.call(`/payments?createdAfter=${encodeURIComponent(moment)}`),
      );
      expect([problem.status, problem.errors?.map(({ path }) => path)]).to.deep.equal([
        400,
        ['/query/createdAfter'],
      ]);
    });
  }

  it('takes every moment that the database can hold', async () => {
    for (const moment of [
      '1970-01-01T00:00:00Z',
      '9999-12-31T23:59:59.999Z',
      '2024-02-29t12:00:00.123456789z',
      '2026-11-27T23:59:59-23:59',
    ]) {
      expect(
        (await api.call(`/payments?createdBefore=${encodeURIComponent(moment)}`)).status,
        moment,
      ).to.equal(200);
    }
  });

  for (const query of [
    'orderId=%FF',
    'orderId=%C3%28',
    'orderId=%',
    'orderId=a%00b',
    'orderId=%ED%A0%80',
  ]) {
    it(`refuses ?${query}, which is no text`, async () => {
      const problem = await readProblem(await api.call(`/payments?${query}`));
      expect([problem.status, problem.code]).to.deep.equal([400, 'PAY_005']);
    });
  }

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
