import { expect } from 'chai';

import type { TestStore } from '../support/harness.ts';
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

  const forwardRequest = {
    from: `0x${'1'.repeat(40)}`,
    to: `0x${'2'.repeat(40)}`,
    value: '0',
    gas: '1',
    nonce: '0',
    deadline: '9999999999',
    data: '0x',
  };
  const execution = { customerAddress: `0x${'1'.repeat(40)}`, signature: `0x${'0'.repeat(130)}` };
  const refund = {
    amount: '1',
    nonce: '1',
    deadline: '9999999999',
    signature: `0x${'0'.repeat(130)}`,
  };
  const CALLS: readonly [
    string,
    (id: { payment: string; endpoint: string }) => [string, { method?: string; json?: unknown }],
  ][] = [
    ['getPayment', ({ payment }) => [`/payments/${payment}`, {}]],
    ['getPaymentStatus', ({ payment }) => [`/payments/${payment}/status`, {}]],
    ['getPaymentStatus, waiting', ({ payment }) => [`/payments/${payment}/status?wait=5`, {}]],
    ['cancelPayment', ({ payment }) => [`/payments/${payment}/cancel`, { method: 'POST' }]],
    [
      'getGaslessRequest',
      ({ payment }) => [`/payments/${payment}/gasless?userAddress=0x${'1'.repeat(40)}`, {}],
    ],
    [
      'relayPayment',
      ({ payment }) => [
        `/payments/${payment}/relay`,
        { json: { forwardRequest, signature: `0x${'0'.repeat(130)}` } },
      ],
    ],
    [
      'getAuthorizationRequest',
      ({ payment }) => [
        `/payments/${payment}/authorization?customerAddress=0x${'1'.repeat(40)}`,
        {},
      ],
    ],
    ['executePayment', ({ payment }) => [`/payments/${payment}/execute`, { json: execution }]],
    [
      'getRefundRequest',
      ({ payment }) => [`/payments/${payment}/refunds/authorization?amount=1`, {}],
    ],
    ['refundPayment', ({ payment }) => [`/payments/${payment}/refunds`, { json: refund }]],
    ['listRefunds', ({ payment }) => [`/payments/${payment}/refunds`, {}]],
    [
      'deleteWebhookEndpoint',
      ({ endpoint }) => [`/webhook-endpoints/${endpoint}`, { method: 'DELETE' }],
    ],
  ];
  for (const [operation, toCall] of CALLS) {
    it(`${operation}: another store’s id is answered byte for byte like an unknown one`, async () => {
      const ask = async (id: { payment: string; endpoint: string }) => {
        const [path, init] = toCall(id);
        const response = await api.call(path, { ...init, headers: { 'x-request-id': 'same' } });
        const headers = Object.fromEntries(response.headers);
        // A rate limiter that does not hear from Redis in time lets the request pass, and tells
        // nothing.
        for (const volatile of ['date', 'ratelimit', 'ratelimit-policy']) delete headers[volatile];
        return { status: response.status, headers, body: await response.text() };
      };
      // As its owner has it already in this process's memory.
      await api.call(`/payments/${theirs.paymentId}/status`, { store: other });
      const foreign = await ask({ payment: theirs.paymentId, endpoint: theirEndpoint });
      const unknown = await ask({
        payment: `0x${'0'.repeat(64)}`,
        endpoint: 'we_00000000000000000000000000',
      });
      expect(foreign.status).to.equal(404);
      expect(foreign).to.deep.equal(unknown);
    });
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
