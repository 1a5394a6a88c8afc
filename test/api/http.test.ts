import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { pino } from 'pino';
import { setTimeout as sleep } from 'node:timers/promises';

import { startServer } from '../../api/startServer.ts';
import { startTestApi, paymentRequest, readProblem, type TestApi } from './startTestApi.ts';

describe('HTTP edge', () => {
  let api: TestApi;
  before(async () => {
    api = await startTestApi();
  });
  after(() => api.close());

  describe('request id', () => {
    it('is made up, or taken over when it is sane, and is in the problem too', async () => {
      expect((await api.call('/tokens')).headers.get('x-request-id')).to.match(/^req_[0-9A-Z]{26}$/);
      expect((await api.call('/tokens', { headers: { 'x-request-id': 'Order.7_a-b' } })).headers.get('x-request-id')).to.equal(
        'Order.7_a-b',
      );
      const problem = await readProblem(await api.call('/nowhere', { headers: { 'x-request-id': 'mine' } }));
      expect(problem.requestId).to.equal('mine');
    });

    for (const id of ['a b', 'x'.repeat(65), '<script>', 'a"b', '']) {
      it(`${JSON.stringify(id.slice(0, 10))} is not taken over`, async () => {
        expect((await api.call('/tokens', { headers: { 'x-request-id': id } })).headers.get('x-request-id')).to.match(/^req_/);
      });
    }

    it('is written to the event that the request caused', async () => {
      const answer = await api.call('/payments', { headers: { 'x-request-id': 'caused-it' }, json: paymentRequest(api) });
      const { paymentId } = (await answer.json()) as { paymentId: string };
      const events = await api.ctx.db('events').where({ payment_id: paymentId }).pluck('request_id');
      expect(events).to.deep.equal(['caused-it']);
    });
  });

  it('sends the security headers with data, and none that tells what runs here', async () => {
    for (const response of [await api.call('/tokens'), await api.call('/nowhere')]) {
      const headers = Object.fromEntries(response.headers);
      expect(headers).to.include({
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
        'referrer-policy': 'no-referrer',
        'cache-control': 'no-store',
      });
      expect(headers['content-security-policy']).to.equal("default-src 'none';frame-ancestors 'none'");
      expect(headers['strict-transport-security']).to.match(/^max-age=\d+/);
      expect(headers).not.to.have.any.keys('x-powered-by', 'server', 'access-control-allow-origin');
    }
  });

  describe('body', () => {
    it('of more than 64 kB is refused with 413 PAY_022, whether its length is told or not', async () => {
      const body = JSON.stringify(paymentRequest(api, { orderId: 'x'.repeat(65_536) }));
      const headers = { 'content-type': 'application/json' };
      const told = await readProblem(await api.call('/payments', { body, headers }));
      expect([told.status, told.code]).to.deep.equal([413, 'PAY_022']);
      const chunked = await fetch(`${api.url}/api/v1/payments`, {
        method: 'POST',
        headers: { ...headers, 'x-api-key': api.store.apiKey },
        body: new Blob([body]).stream(),
        duplex: 'half',
      });
      expect((await readProblem(chunked)).code).to.equal('PAY_022');
    });

    it('without a key is not even read: 401', async () => {
      expect((await api.call('/payments', { store: null, json: { orderId: 'x'.repeat(100_000) } })).status).to.equal(401);
    });

    it('that is broken JSON is refused with 400, without being repeated', async () => {
      const response = await api.call('/payments', { body: '{"orderId": secret-thing', headers: { 'content-type': 'application/json' } });
      const text = await response.clone().text();
      expect([response.status, (await readProblem(response)).code]).to.deep.equal([400, 'PAY_005']);
      expect(text).not.to.include('secret-thing');
    });

    for (const body of ['', 'null', '5', '"text"', '[]', 'true']) {
      it(`${body === '' ? 'that is empty' : body} is refused with 400`, async () => {
        const problem = await readProblem(await api.call('/payments', { body, headers: { 'content-type': 'application/json' } }));
        expect([problem.status, problem.code]).to.deep.equal([400, 'PAY_005']);
      });
    }

    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'application/xml',
      'application/jsonp',
    ]) {
      it(`as ${type} is refused with 415 PAY_024`, async () => {
        const problem = await readProblem(
          await api.call('/payments', { body: JSON.stringify(paymentRequest(api)), headers: { 'content-type': type } }),
        );
        expect([problem.status, problem.code]).to.deep.equal([415, 'PAY_024']);
      });
    }

    it('that is compressed is refused with 415', async () => {
      const body = gzipSync(JSON.stringify(paymentRequest(api)));
      const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
      expect((await readProblem(await api.call('/payments', { body, headers }))).code).to.equal('PAY_024');
    });

    it('with charset=utf-8 is understood', async () => {
      const body = JSON.stringify(paymentRequest(api, { orderId: '주문-1' }));
      const response = await api.call('/payments', { body, headers: { 'content-type': 'application/json; charset=utf-8' } });
      expect(await response.json()).to.include({ orderId: '주문-1' });
    });
  });

  describe('unknown', () => {
    it('routes are 404 PAY_009', async () => {
      for (const path of [
        '/nowhere',
        '/payments/x/y/z',
        `${api.url}/nowhere`,
        `${api.url}/api/v2/payments`,
        `${api.url}/api/v1/docs/nowhere.js`,
      ]) {
        const problem = await readProblem(await api.call(path));
        expect([path, problem.status, problem.code]).to.deep.equal([path, 404, 'PAY_009']);
      }
    });

    const METHODS: readonly [string, string, string][] = [
      ['PUT', '/payments', 'POST, GET'],
      ['DELETE', '/payments', 'POST, GET'],
      ['OPTIONS', '/payments', 'POST, GET'],
      ['POST', `/payments/0x${'0'.repeat(64)}`, 'GET'],
      ['GET', `/payments/0x${'0'.repeat(64)}/cancel`, 'POST'],
      ['PATCH', '/webhook-endpoints/we_00000000000000000000000000', 'DELETE'],
      ['POST', '/healthz', 'GET'],
    ];
    for (const [method, path, allow] of METHODS) {
      it(`${method} ${path.replace(/0{9,}/, '0…')} is 405 PAY_023 with Allow: ${allow}`, async () => {
        const response = await api.call(path, { method });
        expect(response.headers.get('allow')?.split(', ').sort()).to.deep.equal(allow.split(', ').sort());
        const problem = await readProblem(response);
        expect([problem.status, problem.code]).to.deep.equal([405, 'PAY_023']);
      });
    }

    it('HEAD is 405', async () => {
      expect((await api.call('/payments', { method: 'HEAD' })).status).to.equal(405);
    });
  });

  it('survives what is not HTTP', async () => {
    const socket = connect(Number(new URL(api.url).port), '127.0.0.1');
    socket.write('\x00\x01 nonsense\r\n\r\n');
    await new Promise((resolve) => socket.once('close', resolve).resume());
    expect((await api.call('/healthz')).status).to.equal(200);
  });

  describe('a reply that does not match the description', () => {
    const broken = (strictResponses: boolean, lines: string[] = []) =>
      startServer(
        {
          ...api.ctx,
          log: pino({ level: 'error' }, { write: (line: string) => void lines.push(line) }),
          config: {
            ...api.config,
            strictResponses,
            chains: api.config.chains.map((chain) => ({ ...chain, name: 5 as unknown as string })),
          },
        },
        [],
      );

    it('is a 500 where replies are strict', async () => {
      const server = await broken(true);
      try {
        const problem = await readProblem(await api.call(`${server.url}/api/v1/tokens`));
        expect([problem.status, problem.code, problem.detail]).to.deep.equal([500, 'PAY_025', undefined]);
      } finally {
        await server.stop();
      }
    });

    it('is sent, and logged, where they are not', async () => {
      const lines: string[] = [];
      const server = await broken(false, lines);
      try {
        expect((await api.call(`${server.url}/api/v1/tokens`)).status).to.equal(200);
        expect(lines.join('')).to.include('does not match openapi.yaml').and.include('listTokens');
      } finally {
        await server.stop();
      }
    });
  });

  describe('log', () => {
    it('has a line for a request, with no key, body or query in it, and none for health checks', async () => {
      const lines: string[] = [];
      const server = await startServer(
        { ...api.ctx, log: pino({ level: 'info' }, { write: (line: string) => void lines.push(line) }) },
        [],
      );
      try {
        await api.call(`${server.url}/healthz`);
        await api.call(`${server.url}/api/v1/readyz`);
        await api.call(`${server.url}/api/v1/payments`, { json: paymentRequest(api, { customerEmail: 'kim@example.com' }) });
        await api.call(`${server.url}/api/v1/payments?orderId=private`, { headers: { 'x-api-key': 'sk_live_wrong' } });
        await sleep(50);
      } finally {
        await server.stop();
      }
      const text = lines.join('');
      expect(lines).to.have.length(2);
      expect(JSON.parse(lines[0] ?? '')).to.include({
        method: 'POST',
        operationId: 'createPayment',
        status: 201,
        storeId: api.store.storeId,
      });
      expect(JSON.parse(lines[1] ?? '')).to.include({ path: '/api/v1/payments', status: 401, code: 'PAY_010' });
      for (const secret of [api.store.apiKey, 'sk_live_wrong', 'kim@example.com', 'private']) expect(text).not.to.include(secret);
    });
  });
});

describe('stopping', () => {
  it('answers who waits, does not wait for idle connections, and refuses new ones', async () => {
    const api = await startTestApi();
    try {
      const server = await startServer(api.ctx, []);
      const { paymentId } = await api.createPayment();
      await api.call(`${server.url}/api/v1/tokens`);
      const waiting = api.call(`${server.url}/api/v1/payments/${paymentId}/status?wait=50`);
      await sleep(200);
      const startedAt = performance.now();
      const [answer] = await Promise.all([waiting, server.stop()]);
      expect([answer.status, ((await answer.json()) as { status: string }).status]).to.deep.equal([200, 'pending']);
      expect(performance.now() - startedAt).to.be.below(2_000);
      const refused = await fetch(`${server.url}/healthz`).catch((error: unknown) => error);
      expect(refused).to.be.instanceOf(Error);
    } finally {
      await api.close();
    }
  });

  it('stops looking on behalf of a caller who has gone', async () => {
    const api = await startTestApi();
    try {
      const { paymentId } = await api.createPayment();
      const controller = new AbortController();
      const gone = api.call(`/payments/${paymentId}/status?wait=50`, { signal: controller.signal }).catch((error: unknown) => error);
      await sleep(200);
      controller.abort();
      expect(await gone).to.be.instanceOf(Error);
      const startedAt = performance.now();
      await api.server.stop();
      expect(performance.now() - startedAt).to.be.below(1_000);
    } finally {
      await api.close();
    }
  });
});
