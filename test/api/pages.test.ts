import { expect } from 'chai';
import { pino } from 'pino';

import { createFailureLimiter } from '../../api/http/middleware/createFailureLimiter.ts';
import { createRedisRateLimitStore } from '../../api/http/middleware/redisRateLimitStore.ts';
import type { Request } from '../../api/http/request.ts';
import { startServer } from '../../api/http/startServer.ts';
import type { AppError } from '../../shared/errors.ts';
import { nextRequest } from '../support/nextRequest.ts';
import { startTestApi, type TestApi } from './startTestApi.ts';

describe('pages', () => {
  let api: TestApi;
  before(async () => {
    api = await startTestApi();
  });
  after(() => api.close());

  const get = (path: string, headers: Record<string, string> = {}) =>
    fetch(api.url + path, { redirect: 'manual', headers });
  const basic = (user: string, password: string) => ({
    authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
  });
  const login = () => basic(api.config.admin.user, api.config.admin.password);

  /**
   * What a browser would load for this page; fails on anything that its Content-Security-Policy
   * forbids.
   */
  async function loadPage(path: string, headers: Record<string, string> = {}): Promise<string> {
    const response = await get(path, headers);
    expect(response.status).to.equal(200);
    const policy = response.headers.get('content-security-policy') ?? '';
    expect(policy)
      .to.include("script-src 'self'")
      .and.include("default-src 'none'")
      .and.include("frame-ancestors 'none'");
    const html = await response.text();
    const base = new URL(/<base href="([^"]+)"/.exec(html)?.[1] ?? path, api.url + path);
    const files = [...html.matchAll(/<(?:script|link)[^>]*?(?:src|href)="([^"]+)"[^>]*>/g)]
      .filter(([tag]) => tag.startsWith('<script') || tag.includes('stylesheet'))
      .map((match) => new URL(match[1] ?? '', base))
      .filter((url) => url.origin === api.url);
    expect(files.length).to.be.greaterThan(1);
    for (const url of files) {
      const file = await fetch(url, { headers });
      expect([url.pathname, file.status]).to.deep.equal([url.pathname, 200]);
      expect(file.headers.get('content-type')).to.match(/javascript|css/);
    }
    const inlineScripts = [
      ...html.matchAll(/<script(?![^>]*src=)(?![^>]*type="application\/json")[^>]*>/g),
    ];
    expect(inlineScripts, 'inline scripts').to.deep.equal([]);
    return html;
  }

  describe('the API’s description', () => {
    it('is served as JSON, the same as openapi.yaml, without a key', async () => {
      const response = await get('/api/v1/openapi.json');
      const document = (await response.json()) as { openapi: string; paths: object };
      expect(document.openapi).to.equal('3.1.0');
      expect(Object.keys(document.paths)).to.include('/payments/{paymentId}/relay');
    });

    it('is shown by Swagger UI, with every file that it loads', async () => {
      expect(await loadPage('/api/v1/docs/')).to.include('swagger-ui');
      expect(await (await get('/api/v1/docs/swagger-ui-init.js')).text()).to.include(
        '/api/v1/openapi.json',
      );
    });

    for (const path of ['/', '/docs', '/api/v1/docs']) {
      it(`is where ${path} leads to`, async () => {
        const response = await get(path);
        expect(response.status).to.be.within(301, 308);
        expect(response.headers.get('location')).to.equal('/api/v1/docs/');
      });
    }
  });

  describe('Bull Board', () => {
    it('asks for a login, in a way that makes a browser ask its user', async () => {
      for (const path of [
        '/admin/queues',
        '/admin/queues/',
        '/admin/queues/api/queues',
        '/admin/queues/static/js/main.js',
      ]) {
        const response = await get(path);
        expect([path, response.status]).to.deep.equal([path, 401]);
        expect(response.headers.get('www-authenticate')).to.match(/^Basic realm=/);
      }
    });

    it('refuses wrong logins, and an API key', async () => {
      const { user, password } = api.config.admin;
      for (const headers of [
        basic(user, `${password}x`),
        basic(`${user}x`, password),
        basic('', ''),
        { authorization: 'Basic' },
        { authorization: 'Basic !!!' },
        { authorization: `Bearer ${password}` },
        { 'x-api-key': api.store.apiKey },
      ]) {
        expect((await get('/admin/queues', headers)).status).to.equal(401);
      }
    });

    it('shows every queue to who has logged in, and allows no change to them', async () => {
      await loadPage('/admin/queues/', login());
      const { queues } = (await (await get('/admin/queues/api/queues', login())).json()) as {
        queues: { name: string; readOnlyMode: boolean }[];
      };
      expect(queues.map((queue) => queue.name)).to.have.members(
        api.queues.all.map((queue) => queue.name),
      );
      expect(new Set(queues.map((queue) => queue.readOnlyMode))).to.deep.equal(new Set([true]));

      const pause = await fetch(`${api.url}/admin/queues/api/queues/relay/pause`, {
        method: 'PUT',
        headers: login(),
      });
      expect(pause.status).to.be.within(400, 499);
      expect(await api.queues.get('relay').isPaused()).to.equal(false);
    });

    it('allows changes when the configuration says so', async () => {
      const open = await startTestApi({ env: { MSQPAY_BULL_BOARD_READ_ONLY: 'false' } });
      try {
        const pause = await fetch(`${open.url}/admin/queues/api/queues/relay/pause`, {
          method: 'PUT',
          headers: login(),
        });
        expect(pause.status).to.equal(200);
        expect(await open.queues.get('relay').isPaused()).to.equal(true);
      } finally {
        await open.close();
      }
    });

    it('answers 429 after ten wrong logins, slowly, tells the log from where, and still lets the right one in', async () => {
      const lines: string[] = [];
      const guessed = await startTestApi();
      const server = await startServer(
        {
          ...guessed.ctx,
          log: pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) }),
        },
        [],
      );
      try {
        const ask = (headers: Record<string, string>) =>
          fetch(`${server.url}/admin/queues`, { headers });
        for (let i = 0; i < 10; i++)
          expect((await ask(basic('admin', `guess ${i}`))).status).to.equal(401);
        expect((await ask(basic('admin', 'guess 11'))).status).to.equal(429);
        const askedAt = performance.now();
        expect((await ask(login())).status).to.equal(200);
        expect(performance.now() - askedAt, 'no faster than a wrong one').to.be.above(900);
        for (let i = 0; i < 3; i++)
          expect((await ask({})).status, 'no login is no attempt').to.equal(401);
        const told = lines
          .map((line) => JSON.parse(line) as Record<string, unknown>)
          .filter(({ address }) => address !== undefined);
        expect(told.map(({ address }) => address)).to.deep.equal(
          Array<string>(11).fill('127.0.0.1'),
        );
        expect(lines.join('')).not.to.include('guess');
      } finally {
        await server.stop();
        await guessed.close();
      }
    });
  });

  describe('a right login', () => {
    const GUESSES = 40;

    for (const path of ['/admin/queues', '/metrics']) {
      it(`is let in while ${GUESSES} wrong ones of its address wait, and waits as they do: ${path}`, async () => {
        const guessed = await startTestApi();
        try {
          const ask = async (headers: Record<string, string>) =>
            (await fetch(guessed.url + path, { headers })).status;
          for (let i = 0; i < 10; i++) await ask(basic('admin', `guess ${i}`));
          const received = nextRequest(path, GUESSES);
          const startedAt = performance.now();
          const guesses = Array.from({ length: GUESSES }, (_, i) =>
            ask(basic('admin', `guess ${i}`)),
          );
          await received;
          const right = Array.from({ length: 3 }, () => ask(login()));
          expect(await Promise.all(right)).to.deep.equal([200, 200, 200]);
          // Behind the wrong ones, each of which takes its second, but not behind all of them.
          expect(performance.now() - startedAt).to.be.within(4_900, GUESSES * 1_000);
          expect(new Set(await Promise.all(guesses))).to.deep.equal(new Set([429]));
        } finally {
          await guessed.close();
        }
      }).timeout(90_000);
    }

    it('is not refused either when as many wait as may', async () => {
      await createRedisRateLimitStore(api.ctx, 'full:').increment('127.0.0.1');
      const failures = createFailureLimiter(api.ctx, 'full', 1, 2);
      const req = { ip: '127.0.0.1' } as Request;
      const slowed = (isRight: boolean) =>
        failures.slowDown(req, isRight).then(
          () => 'compared',
          (error: unknown) => (error as AppError).code,
        );
      // Asked of Redis one after the other, and so in this order.
      const asked = [false, false, false, true].map(slowed);
      expect(await Promise.all(asked)).to.deep.equal([
        'compared',
        'compared',
        'PAY_012',
        'compared',
      ]);
    });
  });
});
