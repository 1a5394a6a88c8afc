import { once } from 'node:events';
import { Agent, get, request as sendRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { pino } from 'pino';
import { setTimeout as sleep } from 'node:timers/promises';

import { startServer } from '../../api/http/startServer.ts';
import { inTransaction, selectRows } from '../../platform/db.ts';
import { nextRequest } from '../support/nextRequest.ts';
import { waitUntil } from '../support/waitUntil.ts';
import {
  startTestApi,
  paymentRequest,
  readProblem,
  type Problem,
  type TestApi,
} from './startTestApi.ts';

describe('HTTP edge', () => {
  let api: TestApi;
  before(async () => {
    api = await startTestApi();
  });
  after(() => api.close());

  describe('request id', () => {
    it('is made up, or taken over when it is sane, and is in the problem too', async () => {
      expect((await api.call('/tokens')).headers.get('x-request-id')).to.match(
        /^req_[0-9A-Z]{26}$/,
      );
      expect(
        (await api.call('/tokens', { headers: { 'x-request-id': 'Order.7_a-b' } })).headers.get(
          'x-request-id',
        ),
      ).to.equal('Order.7_a-b');
      const problem = await readProblem(
        await api.call('/nowhere', { headers: { 'x-request-id': 'mine' } }),
      );
      expect(problem.requestId).to.equal('mine');
    });

    for (const id of ['a b', 'x'.repeat(65), '<script>', 'a"b', '']) {
      it(`${JSON.stringify(id.slice(0, 10))} is not taken over`, async () => {
        expect(
          (await api.call('/tokens', { headers: { 'x-request-id': id } })).headers.get(
            'x-request-id',
          ),
        ).to.match(/^req_/);
      });
    }

    it('is written to the event that the request caused', async () => {
      const answer = await api.call('/payments', {
        headers: { 'x-request-id': 'caused-it' },
        json: paymentRequest(api),
      });
      const { paymentId } = (await answer.json()) as { paymentId: string };
      const events = await api.ctx
        .db('events')
        .where({ subject_id: paymentId })
        .pluck('request_id');
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
      expect(headers['content-security-policy']).to.equal(
        "default-src 'none';frame-ancestors 'none'",
      );
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
      expect(
        (await api.call('/payments', { store: null, json: { orderId: 'x'.repeat(100_000) } }))
          .status,
      ).to.equal(401);
    });

    it('that is broken JSON is refused with 400, without being repeated', async () => {
      const response = await api.call('/payments', {
        body: '{"orderId": secret-thing',
        headers: { 'content-type': 'application/json' },
      });
      const text = await response.clone().text();
      expect([response.status, (await readProblem(response)).code]).to.deep.equal([400, 'PAY_005']);
      expect(text).not.to.include('secret-thing');
    });

    for (const body of ['', 'null', '5', '"text"', '[]', 'true']) {
      it(`${body === '' ? 'that is empty' : body} is refused with 400`, async () => {
        const problem = await readProblem(
          await api.call('/payments', { body, headers: { 'content-type': 'application/json' } }),
        );
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
          await api.call('/payments', {
            body: JSON.stringify(paymentRequest(api)),
            headers: { 'content-type': type },
          }),
        );
        expect([problem.status, problem.code]).to.deep.equal([415, 'PAY_024']);
      });
    }

    it('that is compressed is refused with 415', async () => {
      const body = gzipSync(JSON.stringify(paymentRequest(api)));
      const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
      expect((await readProblem(await api.call('/payments', { body, headers }))).code).to.equal(
        'PAY_024',
      );
    });

    for (const type of [
      'application/json; charset=utf-8',
      'application/json;charset=UTF8',
      'application/json; charset="utf-8"',
      'Application/JSON; charset=us-ascii',
      'application/json; profile=x; charset=utf8',
    ]) {
      it(`as ${type} is understood`, async () => {
        const body = JSON.stringify(paymentRequest(api, { orderId: '주문-1' }));
        const response = await api.call('/payments', { body, headers: { 'content-type': type } });
        expect(await response.json()).to.include({ orderId: '주문-1' });
      });
    }

    it('in another charset is refused with 415', async () => {
      for (const charset of ['iso-8859-1', 'utf-16', 'euc-kr']) {
        const body = JSON.stringify(paymentRequest(api));
        const response = await api.call('/payments', {
          body,
          headers: { 'content-type': `application/json; charset=${charset}` },
        });
        expect((await readProblem(response)).code, charset).to.equal('PAY_024');
      }
    });

    it('may be empty where none is needed, whatever its type says', async () => {
      const { paymentId } = await api.createPayment();
      // Whether fetch lets a caller say the length depends on which undici it is sent by.
      const headers = {
        'x-api-key': api.store.apiKey,
        'content-type': 'application/json',
        'content-length': '0',
      };
      const request = sendRequest(`${api.url}/api/v1/payments/${paymentId}/cancel`, {
        method: 'POST',
        headers,
      }).end();
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      response.resume();
      expect(response.statusCode).to.equal(200);
    });

    it('may begin with a byte order mark', async () => {
      const body = '\uFEFF' + JSON.stringify(paymentRequest(api));
      expect(
        (await api.call('/payments', { body, headers: { 'content-type': 'application/json' } }))
          .status,
      ).to.equal(201);
    });

    describe('that says more than one thing, or nothing that can be kept,', () => {
      const request = () =>
        JSON.stringify(paymentRequest(api, { orderId: 'ORDER', metadata: { note: 'NOTE' } }));
      const bodies: Record<string, () => string | Buffer> = {
        'with a name twice': () => request().replace('"amount":', '"amount":"1","amount":'),
        'with a name twice, once escaped': () =>
          request().replace('"amount":', '"\\u0061mount":"1","amount":'),
        'with a name twice further in': () => request().replace('"note":', '"note":"x","note":'),
        'with a name twice and colons in its strings': () =>
          request().replace('"note":', '"note":"a:\\":b","note":'),
        'with __proto__ twice': () =>
          request().replace('"note":', '"__proto__":"1","__proto__":"2","note":'),
        'that is not UTF-8': () => Buffer.from(request().replace('ORDER', 'caf\u00e9'), 'latin1'),
        'with a character cut in two': () =>
          Buffer.concat([
            Buffer.from('{"orderId":"'),
            Buffer.from('주').subarray(0, 2),
            Buffer.from('"}'),
          ]),
        'with U+0000 in the order': () => request().replace('ORDER', 'OR\\u0000DER'),
        'with U+0000 in a name of the metadata': () => request().replace('"note"', '"no\\u0000te"'),
        'with half of a surrogate pair': () => request().replace('NOTE', '\\ud83d'),
      };
      for (const [name, body] of Object.entries(bodies)) {
        it(`${name} is refused with 400`, async () => {
          const response = await api.call('/payments', {
            body: body(),
            headers: { 'content-type': 'application/json' },
          });
          const problem = await readProblem(response);
          expect([problem.status, problem.code]).to.deep.equal([400, 'PAY_005']);
          expect(problem.detail).to.be.a('string');
        });
      }

      it('and one that only looks like it is taken', async () => {
        const body = JSON.stringify(
          paymentRequest(api, {
            orderId: '"amount":"1" \\" 😀',
            metadata: { amount: ':::', a: '{"amount":1,"amount":2}', 'b:c': '\\' },
          }),
        );
        const response = await api.call('/payments', {
          body,
          headers: { 'content-type': 'application/json' },
        });
        expect(response.status).to.equal(201);
      });
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
      ['POST', '/healthz', 'GET, HEAD'],
    ];
    for (const [method, path, allow] of METHODS) {
      it(`${method} ${path.replace(/0{9,}/, '0…')} is 405 PAY_023 with Allow: ${allow}`, async () => {
        const response = await api.call(path, { method });
        expect(response.headers.get('allow')?.split(', ').sort()).to.deep.equal(
          allow.split(', ').sort(),
        );
        const problem = await readProblem(response);
        expect([problem.status, problem.code]).to.deep.equal([405, 'PAY_023']);
      });
    }

    it('HEAD is 405, except where no key is needed', async () => {
      expect((await api.call('/payments', { method: 'HEAD' })).status).to.equal(405);
      for (const path of ['/healthz', '/readyz', `${api.url}/healthz`, `${api.url}/readyz`]) {
        const response = await api.call(path, { method: 'HEAD', store: null });
        expect([path, response.status, await response.text()]).to.deep.equal([path, 200, '']);
      }
    });

    it('spellings of a path are 404: each operation has one', async () => {
      for (const path of [
        '/payments/',
        '/Payments',
        `${api.url}/API/v1/payments`,
        '/tokens/',
        `${api.url}/healthz/`,
        `${api.url}/Healthz`,
      ]) {
        const problem = await readProblem(await api.call(path));
        expect([path, problem.status]).to.deep.equal([path, 404]);
      }
      const post = await api.call('/payments/', {
        json: paymentRequest(api),
        headers: { 'idempotency-key': 'spelling' },
      });
      expect((await readProblem(post)).status).to.equal(404);
    });
  });

  describe('what Node cannot read', () => {
    /** All that comes back for these bytes, until the connection ends. */
    async function talk(url: string, ...parts: readonly string[]): Promise<string> {
      const socket = connect(Number(new URL(url).port), '127.0.0.1');
      const chunks: Buffer[] = [];
      socket.on('data', (chunk: Buffer) => void chunks.push(chunk));
      socket.on('error', () => undefined);
      const ended = once(socket, 'close');
      for (const part of parts) socket.write(part);
      await ended;
      return Buffer.concat(chunks).toString();
    }

    function expectProblem(answer: string, status: number, code: string): void {
      const [head = '', body = ''] = answer.split('\r\n\r\n');
      expect(head)
        .to.match(new RegExp(`^HTTP/1.1 ${status} `))
        .and.match(/^content-type: application\/problem\+json$/im)
        .and.match(/^connection: close$/im);
      const problem = JSON.parse(body) as Problem;
      expect(problem).to.include({ status, code, type: `urn:msqpay:error:${code}` });
      expect(head).to.include(`X-Request-Id: ${problem.requestId}`);
      expect(Number(/^content-length: (\d+)$/im.exec(head)?.[1])).to.equal(Buffer.byteLength(body));
    }

    it('is a problem: 400 for what is not HTTP', async () => {
      expectProblem(await talk(api.url, '\x00\x01 nonsense\r\n\r\n'), 400, 'PAY_005');
      expectProblem(
        await talk(api.url, 'GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: many\r\n\r\n'),
        400,
        'PAY_005',
      );
      expectProblem(await talk(api.url, 'GET /healthz HTTP/1.1\r\n\r\n'), 400, 'PAY_005');
      expect((await api.call('/healthz')).status).to.equal(200);
    });

    it('431 for headers that are too large', async () => {
      expectProblem(
        await talk(
          api.url,
          `GET /healthz HTTP/1.1\r\nHost: a\r\nx-much: ${'x'.repeat(20_000)}\r\n\r\n`,
        ),
        431,
        'PAY_052',
      );
    });

    it('408 for a request that does not arrive in time', async () => {
      const hasty = await startServer(api.ctx, [], { requestTimeoutMs: 200 });
      try {
        expectProblem(await talk(hasty.url, 'GET /healthz HTTP/1.1\r\nHost:'), 408, 'PAY_051');
        const begun = `POST /api/v1/payments HTTP/1.1\r\nHost: a\r\nx-api-key: ${api.store.apiKey}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{`;
        expectProblem(await talk(hasty.url, begun), 408, 'PAY_051');
      } finally {
        await hasty.stop();
      }
    });

    it('ends the connection itself when the client does not', async () => {
      const hasty = await startServer(api.ctx, [], { requestTimeoutMs: 200, idleMs: 10 });
      try {
        for (const begun of [
          'GET /healthz HTTP/1.1\r\nHost:',
          'GET /healthz HTTP/1.1\r\n\r\n',
          'nonsense\r\n\r\n',
        ]) {
          // It answers our end with nothing, and keeps its own half open.
          const socket = connect({
            port: Number(new URL(hasty.url).port),
            host: '127.0.0.1',
            allowHalfOpen: true,
          });
          socket.on('error', () => undefined).resume();
          socket.write(begun);
          await once(socket, 'end');
          // What is written to a connection that is gone comes back as an error.
          const broken = new Promise((resolve) =>
            socket.once('error', resolve).once('close', resolve),
          );
          const knocking = setInterval(() => socket.write('x'), 100);
          await broken;
          clearInterval(knocking);
          socket.destroy();
        }
      } finally {
        await hasty.stop();
      }
    });

    it('is answered behind what was asked before on the same connection, never instead of it', async () => {
      const body = JSON.stringify(paymentRequest(api, { orderId: 'first of two' }));
      const first = `POST /api/v1/payments HTTP/1.1\r\nHost: a\r\nx-api-key: ${api.store.apiKey}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
      const answer = await talk(api.url, `${first}GET /healthz HTTP/1.1\r\n\r\n`);
      const [one = '', two = ''] = answer.split(/(?=HTTP\/1\.1 \d)/);
      expect(one)
        .to.match(/^HTTP\/1.1 201 /)
        .and.include('first of two');
      expect(two)
        .to.match(/^HTTP\/1.1 400 /)
        .and.include('PAY_005');
      // Garbage behind a request breaks the connection off rather than being answered in its place.
      const broken = await talk(
        api.url,
        `${first.replace('first of two', 'first of few')}\x00\x01 garbage\r\n\r\n`,
      );
      expect(broken === '' || broken.startsWith('HTTP/1.1 201 '), broken).to.equal(true);
    });

    it('what is expected of us and unknown is passed over', async () => {
      const answer = await talk(
        api.url,
        'GET /healthz HTTP/1.1\r\nHost: a\r\nExpect: cake\r\nConnection: close\r\n\r\n',
      );
      expect(answer).to.match(/^HTTP\/1.1 200 /);
    });
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
        expect([problem.status, problem.code, problem.detail]).to.deep.equal([
          500,
          'PAY_025',
          undefined,
        ]);
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
        {
          ...api.ctx,
          log: pino({ level: 'info' }, { write: (line: string) => void lines.push(line) }),
        },
        [],
      );
      try {
        await api.call(`${server.url}/healthz`);
        await api.call(`${server.url}/api/v1/readyz`);
        await api.call(`${server.url}/api/v1/payments`, {
          json: paymentRequest(api, { customerEmail: 'kim@example.com' }),
        });
        await api.call(`${server.url}/api/v1/payments?orderId=private`, {
          headers: { 'x-api-key': 'sk_live_wrong' },
        });
        await waitUntil(() => lines.length >= 2, { what: 'the log' });
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
      expect(JSON.parse(lines[1] ?? '')).to.include({
        path: '/api/v1/payments',
        status: 401,
        code: 'PAY_010',
      });
      for (const secret of [api.store.apiKey, 'sk_live_wrong', 'kim@example.com', 'private'])
        expect(text).not.to.include(secret);
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
      const arrived = nextRequest(`/${paymentId}/status`);
      const waiting = api.call(`${server.url}/api/v1/payments/${paymentId}/status?wait=50`);
      await arrived;
      const startedAt = performance.now();
      const [answer] = await Promise.all([waiting, server.stop()]);
      expect([answer.status, ((await answer.json()) as { status: string }).status]).to.deep.equal([
        200,
        'pending',
      ]);
      // Longer than the moment that idle connections have, and shorter than what is not answered.
      expect(performance.now() - startedAt).to.be.below(8_000);
      const refused = await fetch(`${server.url}/healthz`).catch((error: unknown) => error);
      expect(refused).to.be.instanceOf(Error);
    } finally {
      await api.close();
    }
  });

  it('loses no request of those who use their connections again and again', async () => {
    const api = await startTestApi();
    let isOver = false;
    try {
      const server = await startServer(api.ctx, []);
      const outcomes: string[] = [];
      /** One connection, one request after the other, until a new connection is refused. */
      const loop = async (pauseMs: number) => {
        const agent = new Agent({ keepAlive: true, maxSockets: 1 });
        while (!isOver) {
          const outcome = await new Promise<string>((resolve) => {
            const request = get(
              `${server.url}/api/v1/tokens`,
              { agent, headers: { 'x-api-key': api.store.apiKey } },
              (response) => {
                response.resume().once('end', () => resolve(String(response.statusCode)));
              },
            );
            request.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'error'));
          });
          outcomes.push(outcome);
          if (outcome === 'ECONNREFUSED') break;
          await sleep(pauseMs);
        }
        agent.destroy();
      };
      const loops = Array.from({ length: 36 }, (_, i) => loop(i % 3 === 0 ? 200 : i % 5));
      await waitUntil(() => outcomes.length >= 500);
      await server.stop();
      await Promise.all(loops);
      expect(new Set(outcomes)).to.deep.equal(new Set(['200', 'ECONNREFUSED']));
    } finally {
      isOver = true;
      await api.close();
    }
  });

  it('ends connections that were never used, and none whose answer is still being sent', async () => {
    const api = await startTestApi();
    try {
      for (let i = 0; i < 40; i++)
        await api.createPayment({
          orderId: `large ${i}`,
          metadata: Object.fromEntries(
            Array.from({ length: 20 }, (_, n) => [`key ${n}`, 'x'.repeat(200)]),
          ),
        });
      const server = await startServer(api.ctx, [], { idleMs: 100 });
      const port = Number(new URL(server.url).port);
      const unused = connect(port, '127.0.0.1');
      const reader = connect(port, '127.0.0.1');
      reader.pause();
      // More than the kernel takes for a reader that does not read: the answer stays with the
      // server.
      const wasAsked = nextRequest('/payments');
      for (let i = 0; i < 40; i++) {
        reader.write(
          `GET /api/v1/payments?limit=100 HTTP/1.1\r\nHost: a\r\nx-api-key: ${api.store.apiKey}\r\n\r\n`,
        );
      }
      await wasAsked;
      // Time for as many answers as the server makes before it waits for the reader.
      await sleep(1_000);
      const unusedEnded = once(unused.resume(), 'close');
      const stopped = server.stop();
      await unusedEnded;
      const chunks: Buffer[] = [];
      reader.on('data', (chunk: Buffer) => void chunks.push(chunk));
      await once(reader.resume(), 'end');
      await stopped;
      const answers = Buffer.concat(chunks).toString().split('HTTP/1.1 200 ').slice(1);
      for (const answer of answers) {
        const [head = '', text = ''] = answer.split('\r\n\r\n');
        expect(Buffer.byteLength(text)).to.equal(
          Number(/^content-length: (\d+)/im.exec(head)?.[1]),
        );
      }
      expect(answers.length).to.be.above(0);
    } finally {
      await api.close();
    }
  });

  it('lets a request finish that has to wait for a lock', async () => {
    const api = await startTestApi();
    try {
      const server = await startServer(api.ctx, []);
      const { paymentId } = await api.createPayment();
      let cancelled: Promise<Response> | undefined;
      let stopped: Promise<void> | undefined;
      await inTransaction(api.ctx.db, async (trx) => {
        await selectRows(trx, 'SELECT id FROM payments WHERE id = ? FOR UPDATE', [paymentId]);
        const arrived = nextRequest(`/${paymentId}/cancel`);
        cancelled = api.call(`${server.url}/api/v1/payments/${paymentId}/cancel`, {
          method: 'POST',
        });
        await arrived;
        stopped = server.stop();
        // Longer than one lock wait.
        await sleep(10_500);
      });
      expect((await cancelled!).status).to.equal(200);
      await stopped;
    } finally {
      await api.close();
    }
  }).timeout(60_000);

  it('says Connection: close once it stops, also to requests that came before', async () => {
    const api = await startTestApi();
    try {
      const server = await startServer(api.ctx, []);
      const { paymentId } = await api.createPayment();
      const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
      const chunks: Buffer[] = [];
      socket.on('data', (chunk: Buffer) => void chunks.push(chunk));
      const text = () => Buffer.concat(chunks).toString();
      const ask = (path: string) =>
        socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\nx-api-key: ${api.store.apiKey}\r\n\r\n`);
      ask('/api/v1/tokens');
      await waitUntil(() => text().includes('"data"'));
      expect(text()).to.match(/^connection: keep-alive$/im);
      const arrived = nextRequest(`/${paymentId}/status`);
      ask(`/api/v1/payments/${paymentId}/status?wait=50`);
      await arrived;
      const ended = once(socket, 'end');
      const stopped = server.stop();
      await ended;
      await stopped;
      expect(text().split('HTTP/1.1 200')[2])
        .to.match(/^connection: close$/im)
        .and.include('"pending"');
    } finally {
      await api.close();
    }
  });

  it('stops looking on behalf of a caller who has gone', async () => {
    const api = await startTestApi();
    try {
      const { paymentId } = await api.createPayment();
      const controller = new AbortController();
      const arrived = nextRequest(`/${paymentId}/status`);
      const gone = api
        .call(`/payments/${paymentId}/status?wait=50`, { signal: controller.signal })
        .catch((error: unknown) => error);
      await arrived;
      controller.abort();
      expect(await gone).to.be.instanceOf(Error);
      const startedAt = performance.now();
      await api.server.stop();
      expect(performance.now() - startedAt).to.be.below(8_000);
    } finally {
      await api.close();
    }
  });
});
