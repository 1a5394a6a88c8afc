import { expect } from 'chai';

import { listOperations, readOpenapiDocument } from '../../api/http/openapiDocument.ts';
import { selectRows } from '../../platform/db.ts';
import type { TestStore } from '../support/harness.ts';
import { listIdsInPath, makeSampleRequest } from './sampleRequest.ts';
import { startTestApi, type Payment, type TestApi } from './startTestApi.ts';

describe('two stores', () => {
  let api: TestApi;
  let other: TestStore;
  let theirs: Payment;
  let theirEndpoint: string;
  before(async () => {
    api = await startTestApi();
    other = await api.createTestStore();
    theirs = await api.createPayment({ orderId: 'theirs', metadata: { secret: 'theirs' } }, other);
    const endpoint = await api.call('/webhook-endpoints', {
      store: other,
      json: { url: 'https://other.example/' },
    });
    theirEndpoint = ((await endpoint.json()) as { id: string }).id;
  });
  after(() => api.close());

  /** By the name of a path's parameter: what of the other store it could name, and nothing. */
  const IDS: Readonly<Record<string, { readonly theirs: () => string; readonly unknown: string }>> =
    {
      paymentId: { theirs: () => theirs.paymentId, unknown: `0x${'0'.repeat(64)}` },
      endpointId: { theirs: () => theirEndpoint, unknown: 'we_00000000000000000000000000' },
    };

  const OPERATIONS = listOperations(readOpenapiDocument()).filter(
    (operation) => operation.permission !== 'none' && listIdsInPath(operation).length > 0,
  );
  const CASES = OPERATIONS.flatMap((operation) => [
    { operation, name: operation.operationId, query: '' },
    ...(operation.operationId === 'getPaymentStatus'
      ? [{ operation, name: 'getPaymentStatus, waiting', query: '?wait=5' }]
      : []),
  ]);
  for (const { operation, name, query } of CASES) {
    it(`${name}: another store’s id is answered byte for byte like an unknown one, and nothing changes`, async () => {
      const ask = async (whose: 'theirs' | 'unknown') => {
        const ids = Object.fromEntries(
          listIdsInPath(operation).map((id) => {
            const found = IDS[id];
            if (found === undefined)
              throw new Error(`${operation.operationId}: say in IDS what {${id}} could name`);
            return [id, whose === 'theirs' ? found.theirs() : found.unknown];
          }),
        );
        const { path, ...init } = makeSampleRequest(operation, ids);
        const response = await api.call(path + query, {
          ...init,
          headers: { 'x-request-id': 'same' },
        });
        const headers = Object.fromEntries(response.headers);
        // A rate limiter that does not hear from Redis in time lets the request pass, and tells
        // nothing.
        for (const volatile of ['date', 'ratelimit', 'ratelimit-policy']) delete headers[volatile];
        return { status: response.status, headers, body: await response.text() };
      };
      // As its owner has it already in this process's memory.
      await api.call(`/payments/${theirs.paymentId}/status`, { store: other });
      const before = await readEverything();
      const foreign = await ask('theirs');
      const unknown = await ask('unknown');
      expect(foreign.status).to.equal(404);
      expect(foreign).to.deep.equal(unknown);
      expect(await readEverything()).to.deep.equal(before);
    });
  }

  /** Every row of every table: nothing is too small to have been changed. */
  async function readEverything(): Promise<Record<string, unknown>> {
    const tables = await selectRows<{ name: string }>(
      api.ctx.db,
      `SELECT TABLE_NAME AS name FROM information_schema.TABLES
       WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = 'BASE TABLE' ORDER BY TABLE_NAME`,
    );
    const rows: Record<string, unknown> = {};
    for (const { name } of tables)
      rows[name] = await selectRows(api.ctx.db, `SELECT * FROM ${name}`);
    return rows;
  }

  it('what was tried on the other store’s things changed nothing', async () => {
    expect(
      await (await api.call(`/payments/${theirs.paymentId}`, { store: other })).json(),
    ).to.include({ status: 'pending', version: 1 });
    expect(await (await api.call('/webhook-endpoints', { store: other })).text()).to.include(
      theirEndpoint,
    );
  });

  it('lists hold only one’s own', async () => {
    const own = await api.createPayment({ orderId: 'theirs' });
    for (const query of ['', '?orderId=theirs', '?status=pending']) {
      const { data } = (await (await api.call(`/payments${query}`)).json()) as { data: Payment[] };
      expect(data.map((payment) => payment.paymentId)).to.deep.equal([own.paymentId]);
    }
    expect(await (await api.call('/webhook-endpoints')).json()).to.deep.equal({ data: [] });
  });

  it('a cursor of the other store’s list shows nothing of theirs', async () => {
    for (let i = 0; i < 2; i++) await api.createPayment({ orderId: 'page' }, other);
    const { nextCursor } = (await (
      await api.call('/payments?limit=1', { store: other })
    ).json()) as { nextCursor: string };
    const { data } = (await (await api.call(`/payments?cursor=${nextCursor}`)).json()) as {
      data: Payment[];
    };
    const foreign = data.filter(
      (payment) => payment.orderId === 'page' || payment.paymentId === theirs.paymentId,
    );
    expect(foreign).to.deep.equal([]);
  });
});
