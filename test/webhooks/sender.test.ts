import { fork } from 'node:child_process';
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import {
  createServer,
  type IncomingHttpHeaders,
  type RequestListener,
  type Server,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import {
  connect,
  createServer as createTcpServer,
  type AddressInfo,
  type Server as TcpServer,
  type Socket,
} from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';

import {
  createWebhookSender,
  type WebhookSender,
} from '../../adapters/webhookHttp/createWebhookSender.ts';
import { PROJECT_ROOT } from '../../platform/projectRoot.ts';
import { startNameServer, type NameServer } from '../support/nameServer.ts';
import { createTestClock } from './support.ts';

const slowReceiver = join(PROJECT_ROOT, 'test', 'support', 'receiverProcess.mjs');

/** Longer than any exchange takes here, however busy the machine is. */
const PATIENCE_MS = 10_000;
/** For receivers that have no end. */
const SHORT_TIMEOUT_MS = 400;

/** A certificate for localhost that nobody has signed but itself; used nowhere else. */
const TLS_KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg//HGix6xBRR4e6Q1
UfXJjct7KmANykLcP3IK+Hn4Q12hRANCAARIv/m5aptGZuH4OS49zwLi4MDxyjgP
18FRg8C8QP21BTLwQW+TSB7G0nJrdMjSL/iLeY6AKjymKpeN9B8gKYO4
-----END PRIVATE KEY-----`;
const TLS_CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBlTCCATugAwIBAgIUXY21mnsRh/NKwy1csCH4QjHefBcwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMTAzMzcyNloYDzIxMjYxMDI4
MDMzNzI2WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAARIv/m5aptGZuH4OS49zwLi4MDxyjgP18FRg8C8QP21BTLwQW+TSB7G
0nJrdMjSL/iLeY6AKjymKpeN9B8gKYO4o2kwZzAdBgNVHQ4EFgQUhT6SZgVvm38t
vW2RokTl+lDWqPcwHwYDVR0jBBgwFoAUhT6SZgVvm38tvW2RokTl+lDWqPcwDwYD
VR0TAQH/BAUwAwEB/zAUBgNVHREEDTALgglsb2NhbGhvc3QwCgYIKoZIzj0EAwID
SAAwRQIhAJ9SzYjjxYEZqpzke1YtfQxL1NsqzqsSHO8uspQMtvZVAiBEv8njPaiC
e5vqmmUvoctXBZTdpXWqjsxPPLkDU1kZPA==
-----END CERTIFICATE-----`;

describe('webhooks: sender', () => {
  const clock = createTestClock();
  const closers: (() => Promise<void>)[] = [];
  let sender: WebhookSender;
  let strictSender: WebhookSender;

  before(() => {
    sender = createWebhookSender({ allowPrivateNetworks: true, clock });
    strictSender = createWebhookSender({ allowPrivateNetworks: false, clock });
  });
  afterEach(async () => {
    await Promise.all(closers.splice(0).map((close) => close()));
  });
  after(async () => {
    await Promise.all([sender.close(), strictSender.close()]);
  });

  async function listen(server: Server | TcpServer): Promise<number> {
    const sockets = new Set<Socket>();
    server.on('connection', (socket: Socket) => sockets.add(socket));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    closers.push(async () => {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    });
    return (server.address() as AddressInfo).port;
  }

  async function serve(handler: RequestListener): Promise<string> {
    return `http://127.0.0.1:${await listen(createServer(handler))}/hooks?token=a`;
  }

  function post(url: string, from = sender, timeoutMs = PATIENCE_MS) {
    return from.post({
      url,
      headers: { 'webhook-id': 'evt_1' },
      body: '{"type":"payment.created"}',
      timeoutMs,
    });
  }
  const postBriefly = (url: string) => post(url, sender, SHORT_TIMEOUT_MS);

  it('posts the body byte for byte, as JSON, under its own name', async () => {
    let headers: IncomingHttpHeaders = {};
    let body = '';
    let target = '';
    const url = await serve((request, response) => {
      headers = request.headers;
      target = `${request.method ?? ''} ${request.url ?? ''}`;
      request.setEncoding('utf8').on('data', (text: string) => (body += text));
      request.on('end', () => response.end('thanks'));
    });
    const outcome = await post(url);
    expect(outcome).to.deep.include({
      statusCode: 200,
      error: null,
      responseBody: 'thanks',
      retryAfterSeconds: null,
    });
    expect(outcome.latencyMs).to.be.within(0, PATIENCE_MS);
    expect(target).to.equal('POST /hooks?token=a');
    expect(body).to.equal('{"type":"payment.created"}');
    expect(headers).to.include({
      'webhook-id': 'evt_1',
      'content-type': 'application/json',
      'user-agent': 'MSQPay-Webhooks/1.0',
    });
  });

  it('follows no redirect', async () => {
    let hits = 0;
    const url = await serve((_request, response) => {
      hits++;
      response.writeHead(307, { location: '/elsewhere' }).end();
    });
    expect(await post(url)).to.deep.include({ statusCode: 307, error: null });
    expect(hits).to.equal(1);
  });

  it('reports a 410 as it is', async () => {
    const url = await serve((_request, response) => response.writeHead(410).end('gone'));
    expect(await post(url)).to.deep.include({ statusCode: 410, responseBody: 'gone' });
  });

  it('gives up on a receiver that never answers', async () => {
    const url = await serve(() => undefined);
    const outcome = await postBriefly(url);
    expect(outcome).to.deep.include({ statusCode: null, error: 'timeout', responseBody: null });
    expect(outcome.latencyMs).to.be.within(SHORT_TIMEOUT_MS - 20, PATIENCE_MS);
  });

  it('gives up on an answer that drips, and keeps its status', async () => {
    const url = await serve((_request, response) => {
      response.writeHead(200);
      const timer = setInterval(() => response.write('.'), 50);
      response.on('close', () => clearInterval(timer));
    });
    const outcome = await postBriefly(url);
    expect(outcome).to.deep.include({ statusCode: 200, error: 'timeout' });
    expect(outcome.responseBody).to.match(/^\.+$/);
    expect(outcome.latencyMs).to.be.within(SHORT_TIMEOUT_MS - 20, PATIENCE_MS);
  });

  it('gives up on headers that drip', async () => {
    const port = await listen(
      createTcpServer((socket) => {
        socket.on('error', () => undefined);
        socket.write('HTTP/1.1 200 OK\r\n');
        const timer = setInterval(() => socket.write('x-more: 1\r\n'), 50);
        socket.on('close', () => clearInterval(timer));
      }),
    );
    expect(await postBriefly(`http://127.0.0.1:${port}/`)).to.deep.include({
      statusCode: null,
      error: 'timeout',
    });
  });

  it('reads 20 kB of a huge answer and hangs up', async () => {
    let hungUp: Promise<unknown> | undefined;
    let written = 0;
    const url = await serve((_request, response) => {
      hungUp = once(response, 'close');
      const pump = () => {
        while (!response.destroyed && written < 50_000_000) {
          written += 65_536;
          if (!response.write('x'.repeat(65_536))) return void response.once('drain', pump);
        }
      };
      pump();
    });
    const outcome = await post(url);
    expect(outcome).to.deep.include({ statusCode: 200, error: null });
    expect(outcome.responseBody).to.have.lengthOf(20 * 1024);
    await hungUp;
    expect(written).to.be.below(50_000_000);
  });

  it('cuts between characters', async () => {
    const url = await serve((_request, response) => response.end(`x${'한'.repeat(10_000)}`));
    const { responseBody } = await post(url);
    expect(responseBody).to.match(/^x한+$/);
    expect(Buffer.byteLength(responseBody ?? '')).to.be.within(20 * 1024 - 3, 20 * 1024);
  });

  it('tells a refused connection, a dropped one and nonsense apart, without naming addresses', async () => {
    const port = await listen(createTcpServer());
    await closers.pop()?.();
    expect(await post(`http://127.0.0.1:${port}/`)).to.deep.include({
      statusCode: null,
      error: 'connection refused',
    });

    const dropping = await listen(createTcpServer((socket) => socket.destroy()));
    expect(await post(`http://127.0.0.1:${dropping}/`)).to.deep.include({
      statusCode: null,
      error: 'connection closed',
    });

    const babbling = await listen(
      createTcpServer((socket) => socket.on('error', () => undefined).end('SSH-2.0-OpenSSH\r\n')),
    );
    expect(await post(`http://127.0.0.1:${babbling}/`)).to.deep.include({
      statusCode: null,
      error: 'not an HTTP answer',
    });

    expect(await post('not a url')).to.deep.include({ statusCode: null, error: 'invalid URL' });
  });

  it('hangs up on a receiver that changes the protocol, and can be closed afterwards', async () => {
    for (const headers of [
      '',
      'Connection: upgrade\r\nUpgrade: websocket\r\n',
      'Connection: upgrade\r\nUpgrade: x\r\n',
    ]) {
      let hungUp: Promise<unknown> | undefined;
      const port = await listen(
        createTcpServer((socket) => {
          hungUp = once(socket, 'close');
          socket.on('error', () => undefined).resume();
          socket.write(`HTTP/1.1 101 Switching Protocols\r\n${headers}\r\n`);
        }),
      );
      const closing = createWebhookSender({ allowPrivateNetworks: true, clock });
      const outcome = await post(`http://127.0.0.1:${port}/`, closing);
      expect(outcome, headers).to.deep.include(
        headers === ''
          ? { statusCode: 101, responseBody: '' }
          : { statusCode: null, error: 'not an HTTP answer' },
      );
      await closing.close();
      await hungUp;
    }
  });

  it('waits for the answer behind 100 Continue and other interim answers', async () => {
    const url = await serve((_request, response) => {
      response.writeContinue();
      response.writeEarlyHints({ link: '</style.css>; rel=preload' });
      response.writeProcessing();
      response.writeHead(204).end();
    });
    expect(await post(url)).to.deep.include({ statusCode: 204, error: null });
  });

  it('uses a connection again, and another one when the receiver has closed it meanwhile', async () => {
    const server = createServer((_request, response) => response.end('ok'));
    server.keepAliveTimeout = 60_000;
    const sockets: Socket[] = [];
    server.on('connection', (socket: Socket) => sockets.push(socket));
    const url = `http://127.0.0.1:${await listen(server)}/`;
    for (let i = 0; i < 3; i++) expect((await post(url)).statusCode).to.equal(200);
    expect(sockets).to.have.length(1);
    // Gone, without the sender having had the time to see it.
    sockets[0]?.resetAndDestroy();
    expect(await post(url)).to.deep.include({ statusCode: 200, error: null });
    expect(sockets).to.have.length(2);
  });

  describe('names', () => {
    let server: NameServer;
    let named: WebhookSender;
    let strictlyNamed: WebhookSender;

    beforeEach(async () => {
      server = await startNameServer({
        'shop.example': ['127.0.0.1'],
        'two.example': ['127.0.0.1', '127.0.0.2'],
        'half-dead.example': ['127.0.0.2', '127.0.0.1'],
        'silent.example': 'silent',
      });
      named = createWebhookSender({
        allowPrivateNetworks: true,
        nameServers: [server.address],
        clock,
      });
      // For development the machine is asked as well, which may ask name servers of its own.
      strictlyNamed = createWebhookSender({
        allowPrivateNetworks: false,
        nameServers: [server.address],
        clock,
      });
      closers.push(
        () => named.close(),
        () => strictlyNamed.close(),
        () => server.close(),
      );
    });

    it('are resolved by the name servers; one that is not there is told', async () => {
      const url = new URL(await serve((_request, response) => response.end(_request.headers.host)));
      url.hostname = 'shop.example';
      expect(await post(url.href, named)).to.deep.include({
        statusCode: 200,
        responseBody: url.host,
      });
      const missing = await post('http://does-not-exist.example/', strictlyNamed);
      expect(missing).to.deep.include({ statusCode: null, error: 'host not found' });
      expect(server.asked).to.include('does-not-exist.example');
      expect(await post('http://localhost:1/', named), 'the machine’s own names').to.deep.include({
        error: 'connection refused',
      });
    });

    it('whose servers keep silent hold up nothing else, and are asked for together', async () => {
      // Its name is looked up for each: a connection that is used again would need none.
      const url = new URL(
        await serve((_request, response) => response.setHeader('connection', 'close').end()),
      );
      url.hostname = 'shop.example';
      async function isHeldUp(): Promise<boolean> {
        let ended = 0;
        const silent = Array.from({ length: 20 }, () =>
          named
            .post({ url: 'http://silent.example/', headers: {}, body: '{}', timeoutMs: 20_000 })
            .finally(() => (ended += 1)),
        );
        const askedBefore = server.asked.length;
        expect((await post(url.href, named)).statusCode).to.equal(200);
        // What every other part of the process resolves names and reads files with.
        await lookup('localhost');
        const endedBefore = ended;
        for (const outcome of await Promise.all(silent))
          expect(outcome).to.deep.include({ error: 'name server does not answer' });
        // Two families, two tries.
        expect(
          server.asked.slice(askedBefore).filter((name) => name === 'silent.example').length,
        ).to.be.within(2, 4);
        return endedBefore > 0;
      }
      // What waits for them does so every time. What does not may still come after them, on a
      // machine that is busy for the seconds after which they are given up.
      for (let tries = 1; await isHeldUp(); tries++)
        expect(tries, 'rounds in which others came after them').to.be.below(4);
    }).timeout(60_000);

    it('with several addresses, each of which takes a second to connect, are reached', async () => {
      const receiver = fork(slowReceiver, { stdio: 'ignore' });
      closers.push(async () => {
        receiver.kill('SIGKILL');
        await once(receiver, 'exit');
      });
      const [port] = (await once(receiver, 'message')) as [number];
      // It takes no connection now; a few fill its queue, and those after them are let in when it
      // has gone on and they have knocked once more.
      receiver.kill('SIGSTOP');
      const waiting = ['127.0.0.1', '127.0.0.2'].flatMap((host) =>
        Array.from({ length: 4 }, () => connect(port, host).on('error', () => undefined)),
      );
      closers.push(() => Promise.resolve(waiting.forEach((socket) => socket.destroy())));
      await sleep(100);
      const posting = named.post({
        url: `http://two.example:${port}/`,
        headers: {},
        body: '{}',
        timeoutMs: 12_000,
      });
      await sleep(600);
      receiver.kill('SIGCONT');
      const outcome = await posting;
      expect(outcome).to.deep.include({ statusCode: 200, error: null });
      expect(outcome.latencyMs, 'it was slow').to.be.above(600);
    }).timeout(20_000);

    it('whose first address is dead are reached at the next one', async () => {
      const url = new URL(await serve((_request, response) => response.end()));
      const dead = fork(slowReceiver, ['127.0.0.2', url.port], { stdio: 'ignore' });
      closers.push(async () => {
        dead.kill('SIGKILL');
        await once(dead, 'exit');
      });
      await once(dead, 'message');
      dead.kill('SIGSTOP');
      const waiting = Array.from({ length: 4 }, () =>
        connect(Number(url.port), '127.0.0.2').on('error', () => undefined),
      );
      closers.push(() => Promise.resolve(waiting.forEach((socket) => socket.destroy())));
      await sleep(100);
      url.hostname = 'half-dead.example';
      const outcome = await named.post({
        url: url.href,
        headers: {},
        body: '{}',
        timeoutMs: 12_000,
      });
      expect(outcome).to.deep.include({ statusCode: 200, error: null });
      expect(outcome.latencyMs, 'the dead one was tried').to.be.above(1_000);
    }).timeout(20_000);
  });

  it('refuses an answer whose headers have no end', async () => {
    const url = await serve((_request, response) =>
      response.writeHead(200, { 'x-large': 'x'.repeat(60_000) }).end(),
    );
    expect(await post(url)).to.deep.include({
      statusCode: null,
      error: 'answer headers too large',
    });
  });

  it('does not talk to a receiver whose certificate is not trusted', async () => {
    let hits = 0;
    const port = await listen(
      createTlsServer({ key: TLS_KEY, cert: TLS_CERTIFICATE }, (_request, response) =>
        response.end(String(hits++)),
      ),
    );
    expect(await post(`https://localhost:${port}/`)).to.deep.include({
      statusCode: null,
      error: 'TLS certificate not accepted',
    });
    expect(hits).to.equal(0);
  });

  it('calls plain HTTP behind an https URL a TLS failure', async () => {
    const url = await serve((_request, response) => response.end());
    expect(await post(url.replace('http:', 'https:'))).to.deep.include({
      statusCode: null,
      error: 'TLS failed',
    });
  });

  describe('Retry-After', () => {
    const httpDate = (seconds: number) =>
      new Date(clock.now().getTime() + seconds * 1000).toUTCString();
    const cases: [string, string, number | null][] = [
      ['seconds', '120', 120],
      ['zero', '0', 0],
      ['a date', httpDate(90), 90],
      ['a date in the past as zero', httpDate(-90), 0],
      ['a number that looks like a year as seconds', '2026', 2026],
      ['words as nothing', 'soon', null],
      ['a negative number as nothing', '-5', null],
      ['a fraction as nothing', '1.5', null],
    ];
    for (const [name, header, seconds] of cases) {
      it(`reads ${name}`, async () => {
        const url = await serve((_request, response) =>
          response.writeHead(503, { 'retry-after': header }).end(),
        );
        expect(await post(url)).to.deep.include({ statusCode: 503, retryAfterSeconds: seconds });
      });
    }
  });

  describe('where private networks are not allowed', () => {
    for (const host of [
      '127.0.0.1',
      '[::1]',
      '[::ffff:127.0.0.1]',
      '[64:ff9b::7f00:1]',
      'localhost',
      '0.0.0.0',
      '2130706433',
    ]) {
      it(`does not connect to ${host}`, async () => {
        let connections = 0;
        const port = await listen(createServer().on('connection', () => connections++));
        expect(await post(`http://${host}:${port}/`, strictSender)).to.deep.include({
          statusCode: null,
          error: 'address not allowed',
          responseBody: null,
        });
        expect(await post(`https://${host}:${port}/`, strictSender)).to.deep.include({
          statusCode: null,
          error: 'address not allowed',
        });
        expect(connections).to.equal(0);
      });
    }
  });
});
