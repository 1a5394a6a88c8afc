import { expect } from 'chai';
import dns from 'node:dns';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import sinon from 'sinon';

import { waitUntil } from '../support/waitUntil.ts';
import {
  API_KEY,
  DATA,
  HASH,
  PATIENCE_MS,
  SHORT_TIMEOUT_MS,
  success,
  TO,
  transaction,
  useOzServer,
  type Answer,
} from './ozFixture.ts';

describe('send of the OpenZeppelin Relayer', () => {
  const oz = useOzServer();
  afterEach(() => sinon.restore());

  it('is accepted: the wire request is what the API documents, and the hash comes later', async () => {
    oz.onRequest(() => ({
      status: 200,
      body: success(transaction({ hash: null, status: 'pending', nonce: null })),
    }));
    expect(await oz.send()).to.deep.equal({
      kind: 'accepted',
      transaction: { providerTransactionId: 'tx-1', hash: null, state: 'pending' },
    });
    expect(oz.received).to.have.length(1);
    const [{ method, url, headers, body } = {}] = oz.received;
    expect([method, url]).to.deep.equal(['POST', '/api/v1/relayers/anvil-main/transactions']);
    expect(headers).to.include({
      authorization: `Bearer ${API_KEY}`,
      'content-type': 'application/json',
    });
    expect(body).to.deep.equal({
      to: TO,
      value: 0,
      data: DATA,
      gas_limit: 250_000,
      speed: 'fast',
      valid_until: '2030-01-01T00:00:00.000Z',
    });
  });

  it('is accepted with the hash where there is one already, whatever the status code of success and the end of the URL', async () => {
    oz.onRequest(() => ({ status: 201, body: success(transaction()) }));
    expect(await oz.send(oz.createRelayer({ url: `${oz.url}/` }))).to.deep.equal({
      kind: 'accepted',
      transaction: { providerTransactionId: 'tx-1', hash: HASH.toLowerCase(), state: 'pending' },
    });
    expect(oz.received[0]?.url).to.equal('/api/v1/relayers/anvil-main/transactions');
  });

  const error = (message: string): object => ({ success: false, data: null, error: message });
  const cases: (Answer & { readonly expected: object })[] = [
    {
      status: 400,
      body: error('Transaction target address is not whitelisted'),
      expected: {
        kind: 'rejected',
        reason: 'the provider answered 400: Transaction target address is not whitelisted',
      },
    },
    { status: 422, body: error('Unprocessable'), expected: { kind: 'rejected' } },
    { status: 413, body: 'too large', expected: { kind: 'rejected' } },
    {
      status: 400,
      body: error('Insufficient balance error: 0 wei'),
      expected: { kind: 'refused', retryAfterMs: 30_000 },
    },
    {
      status: 401,
      body: { success: false, code: 401, error: 'Unauthorized', message: 'Unauthorized' },
      expected: {
        kind: 'refused',
        reason: 'the provider answered 401: Unauthorized',
        retryAfterMs: 30_000,
      },
    },
    {
      status: 403,
      body: error('Relayer paused'),
      expected: { kind: 'refused', retryAfterMs: 30_000 },
    },
    {
      status: 404,
      body: error('Relayer with ID anvil-main not found'),
      expected: { kind: 'refused', retryAfterMs: 30_000 },
    },
    {
      status: 429,
      body: {
        success: false,
        code: 429,
        error: 'TooManyRequests',
        message: 'Too many requests',
        after: 9,
      },
      expected: { kind: 'refused', retryAfterMs: 9_000 },
    },
    {
      status: 429,
      headers: { 'retry-after': '7' },
      body: { after: 9 },
      expected: { kind: 'refused', retryAfterMs: 7_000 },
    },
    { status: 429, body: '', expected: { kind: 'refused', retryAfterMs: 2_000 } },
    { status: 429, body: { after: 1e6 }, expected: { kind: 'refused', retryAfterMs: 600_000 } },
    { status: 408, body: {}, expected: { kind: 'ambiguous' } },
    { status: 409, body: error('Already in progress'), expected: { kind: 'ambiguous' } },
    { status: 500, body: error('An unknown error occurred'), expected: { kind: 'ambiguous' } },
    { status: 501, body: error('Not supported'), expected: { kind: 'ambiguous' } },
    { status: 502, body: '<html>Bad Gateway</html>', expected: { kind: 'ambiguous' } },
    { status: 503, expected: { kind: 'ambiguous' } },
    { status: 504, expected: { kind: 'ambiguous' } },
    { status: 520, body: {}, expected: { kind: 'ambiguous' } },
    {
      status: 200,
      body: '<html>all is well</html>',
      expected: { kind: 'ambiguous', reason: 'the provider’s answer is not JSON' },
    },
    { status: 200, body: '', expected: { kind: 'ambiguous' } },
    {
      status: 200,
      body: success({ hash: HASH }),
      expected: { kind: 'ambiguous', reason: 'the provider’s answer cannot be read' },
    },
    {
      status: 200,
      body: { ...error('something'), data: transaction() },
      expected: { kind: 'ambiguous' },
    },
    { status: 200, body: transaction(), expected: { kind: 'ambiguous' } },
    {
      status: 200,
      body: success(transaction({ data: `0x${'00'.repeat(9 * 1024 * 1024)}` })),
      expected: { kind: 'ambiguous' },
    },
  ];
  for (const { expected, ...answer } of cases) {
    const { status, headers = {}, body } = answer;
    const shown = `${status} ${JSON.stringify(headers)} ${String(JSON.stringify(body)).slice(0, 80)}`;
    it(`is ${(expected as { kind: string }).kind} after ${shown}, and is posted once`, async () => {
      oz.onRequest(() => answer);
      expect(await oz.send()).to.include(expected);
      await sleep(20);
      expect(oz.received).to.have.length(1);
    });
  }

  it('does not follow a redirect: the key and the transaction go nowhere else', async () => {
    oz.onRequest(() => ({ status: 307, headers: { location: `${oz.url}/elsewhere` } }));
    expect((await oz.send()).kind).to.equal('ambiguous');
    expect(oz.received.map(({ url }) => url)).to.deep.equal([
      '/api/v1/relayers/anvil-main/transactions',
    ]);
  });

  it('repeats the provider’s words without the key in them, and not all of them', async () => {
    oz.onRequest(() => ({ status: 400, body: error(`key ${API_KEY} may not ${'x'.repeat(500)}`) }));
    const outcome = await oz.send();
    expect(outcome)
      .to.have.property('reason')
      .that.matches(/^the provider answered 400: key \[redacted\] may not x+…$/)
      .and.has.length.below(300);
  });

  it('is ambiguous when no answer comes in time, is posted once, and gives up its connection', async () => {
    oz.onRequest(() => 'none');
    const startedAt = Date.now();
    const outcome = await oz.send(oz.createRelayer({ timeoutMs: SHORT_TIMEOUT_MS }));
    expect(outcome).to.deep.equal({
      kind: 'ambiguous',
      reason: `the provider gave no answer within ${SHORT_TIMEOUT_MS} ms`,
    });
    expect(Date.now() - startedAt).to.be.within(SHORT_TIMEOUT_MS - 5, PATIENCE_MS);
    await waitUntil(() => oz.sockets.size === 0, { what: 'the connection’s end' });
    expect(oz.received).to.have.length(1);
  });

  it('is ambiguous when the answer begins and does not end in time', async () => {
    oz.onRequest((_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write('{"success": true, ');
      return 'none';
    });
    const outcome = await oz.send(oz.createRelayer({ timeoutMs: SHORT_TIMEOUT_MS }));
    expect(outcome).to.deep.equal({
      kind: 'ambiguous',
      reason: `the provider gave no answer within ${SHORT_TIMEOUT_MS} ms`,
    });
  });

  it('is ambiguous when the provider hangs up after it has read the request, and is posted once', async () => {
    oz.onRequest(() => 'hangUp');
    expect((await oz.send()).kind).to.equal('ambiguous');
    await sleep(50);
    expect(oz.received).to.have.length(1);
  });

  it('has a connection of its own, that the provider cannot be hanging up from before', async () => {
    oz.onRequest(() => ({ status: 429 }));
    const relayer = oz.createRelayer();
    for (let sends = 0; sends < 4; sends++) {
      await oz.send(relayer);
      // An idle connection would be taken up again.
      await sleep(20);
    }
    expect(new Set(oz.received.map(({ socket }) => socket)).size).to.equal(4);
  });

  it('is refused when nobody listens: then nothing was sent', async () => {
    await oz.stopServer();
    expect(await oz.send()).to.deep.equal({
      kind: 'refused',
      reason: 'the provider cannot be reached: ECONNREFUSED',
      retryAfterMs: 5_000,
    });
  });

  for (const code of ['ENOTFOUND', 'EAI_AGAIN']) {
    it(`is refused when the host has no address (${code})`, async () => {
      const asked: string[] = [];
      sinon.stub(dns, 'lookup').callsFake(((
        hostname: string,
        _options: unknown,
        done: (error: Error) => void,
      ) => {
        asked.push(hostname);
        process.nextTick(
          done,
          Object.assign(new Error(`getaddrinfo ${code} ${hostname}`), {
            code,
            syscall: 'getaddrinfo',
            hostname,
          }),
        );
      }) as typeof dns.lookup);
      const outcome = await oz.send(oz.createRelayer({ url: 'http://relayer.example:8080' }));
      expect(outcome).to.deep.equal({
        kind: 'refused',
        reason: `the provider cannot be reached: ${code}`,
        retryAfterMs: 5_000,
      });
      expect(asked).to.deep.equal(['relayer.example']);
    });
  }

  it('is ambiguous when the connection stands and is lost without a word of HTTP', async () => {
    const sockets: Socket[] = [];
    const server = createServer((socket) => {
      sockets.push(socket);
      socket.once('data', () => socket.resetAndDestroy());
      socket.on('error', () => undefined);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    expect((await oz.send(oz.createRelayer({ url }))).kind).to.equal('ambiguous');
    await sleep(50);
    expect(sockets).to.have.length(1);
    await new Promise((resolve) => server.close(resolve));
  });

  describe('to a provider that does not work', () => {
    it('is refused at once while the circuit is open, and nothing is posted', async () => {
      oz.onRequest(() => ({ status: 503 }));
      const relayer = oz.createRelayer({ breaker: { failures: 2, openMs: 5_000 } });
      expect((await oz.send(relayer)).kind).to.equal('ambiguous');
      expect((await oz.send(relayer)).kind).to.equal('ambiguous');
      const outcome = await oz.send(relayer);
      expect(outcome.kind).to.equal('refused');
      expect(outcome).to.have.property('retryAfterMs').that.is.within(4_000, 5_000);
      expect(oz.posts()).to.equal(2);
    });

    it('comes after a harmless question once the provider may be back', async () => {
      let healthy = false;
      oz.onRequest(() =>
        healthy ? { status: 200, body: success(transaction()) } : { status: 503 },
      );
      const relayer = oz.createRelayer({ breaker: { failures: 1, openMs: 50 } });
      expect((await oz.send(relayer)).kind).to.equal('ambiguous');
      await sleep(60);
      expect((await oz.send(relayer)).kind).to.equal('refused');
      healthy = true;
      await sleep(60);
      expect((await oz.send(relayer)).kind).to.equal('accepted');
      expect(
        oz.received.map(
          ({ method, url }) => `${method} ${url.replace('/api/v1/relayers/anvil-main', '')}`,
        ),
      ).to.deep.equal(['POST /transactions', 'GET ', 'GET ', 'POST /transactions']);
    });

    it('goes on for answers that concern one request or our pace', async () => {
      oz.onRequest(() => ({ status: 429 }));
      const relayer = oz.createRelayer({ breaker: { failures: 1, openMs: 5_000 } });
      await oz.send(relayer);
      await oz.send(relayer);
      expect(oz.posts()).to.equal(2);
    });
  });
});
