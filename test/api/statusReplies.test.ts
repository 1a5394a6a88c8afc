import { expect } from 'chai';
import { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

import type { Request, Response as OrdinaryResponse } from '../../api/http/request.ts';
import { createStatusReplies } from '../../api/http/statusReplies.ts';
import { cancelPayment } from '../../domain/payments/service.ts';
import { findIdentity } from '../../domain/stores/service.ts';
import { execute } from '../../platform/db.ts';
import { startTestApi, type TestApi } from './startTestApi.ts';

describe('a status request that was answered a moment ago', () => {
  let api: TestApi;
  before(async () => {
    api = await startTestApi();
  });
  after(() => api.close());

  /** The first answer goes the ordinary way, the second comes from memory. */
  async function askTwice(path: string): Promise<[Response, Response]> {
    return [await api.call(path), await api.call(path)];
  }

  it('is answered with the same body and headers, but for its own request id and what is left of the limit', async () => {
    const payment = await api.createTestPayment(api.store);
    const [first, second] = await askTwice(`/payments/${payment.id}/status`);
    expect(await second.text()).to.equal(await first.text());
    const headersOf = (response: Response) =>
      Object.fromEntries(
        [...response.headers].filter(
          ([name]) => !['x-request-id', 'ratelimit', 'date'].includes(name),
        ),
      );
    expect(headersOf(second)).to.deep.equal(headersOf(first));
    expect(second.headers.get('x-request-id'))
      .to.match(/^req_/)
      .and.not.to.equal(first.headers.get('x-request-id'));
    const leftOf = (response: Response) =>
      Number(/r=(\d+)/.exec(response.headers.get('ratelimit') ?? '')?.[1]);
    expect(leftOf(second)).to.equal(leftOf(first) - 1);
  });

  it('keeps the caller’s own request id', async () => {
    const payment = await api.createTestPayment(api.store);
    await api.call(`/payments/${payment.id}/status`);
    const response = await api.call(`/payments/${payment.id}/status`, {
      headers: { 'x-request-id': 'mine-1' },
    });
    expect(response.headers.get('x-request-id')).to.equal('mine-1');
  });

  it('is answered anew once the payment has changed', async () => {
    const payment = await api.createTestPayment(api.store);
    const path = `/payments/${payment.id}/status`;
    await askTwice(path);
    await cancelPayment(api.ctx, { storeId: api.store.storeId, paymentId: payment.id });
    expect(await (await api.call(path)).json()).to.include({ status: 'cancelled' });
  });

  it('is read again while it is asked for: what nobody told of shows within two seconds', async () => {
    const payment = await api.createTestPayment(api.store);
    const path = `/payments/${payment.id}/status`;
    const bodies: string[] = [];
    const askFor = async (ms: number) => {
      for (const end = performance.now() + ms; performance.now() < end; await sleep(50))
        bodies.push(await (await api.call(path)).text());
    };
    // Several times as long as a reply may be remembered.
    await askFor(4_500);
    expect(new Set(bodies).size).to.equal(1);
    const txHash = `0x${'ab'.repeat(32)}`;
    await execute(api.ctx.db, 'UPDATE payments SET tx_hash = ? WHERE id = ?', [txHash, payment.id]);
    await askFor(2_100);
    expect(JSON.parse(bodies.at(-1) ?? '')).to.include({ txHash });
  });

  it('goes on while it is read again, and when it cannot be read is told as ever', async () => {
    const payment = await api.createTestPayment(api.store);
    const path = `/payments/${payment.id}/status`;
    await askTwice(path);
    await execute(api.ctx.db, 'DELETE FROM events WHERE subject_id = ?', [payment.id]);
    await execute(api.ctx.db, 'DELETE FROM payments WHERE id = ?', [payment.id]);
    const statuses: number[] = [];
    for (const end = performance.now() + 2_500; performance.now() < end; await sleep(50))
      statuses.push((await api.call(path)).status);
    expect(statuses[0]).to.equal(200);
    expect(statuses.at(-1)).to.equal(404);
  });

  it('is never answered to another store, nor without a key', async () => {
    const payment = await api.createTestPayment(api.store);
    const path = `/payments/${payment.id}/status`;
    await askTwice(path);
    const other = await api.createTestStore('Another');
    await api.call('/tokens', { store: other });
    expect((await api.call(path, { store: other })).status).to.equal(404);
    expect((await api.call(path, { store: null })).status).to.equal(401);
    expect(
      (await api.call(path, { store: null, headers: { 'x-api-key': 'nonsense' } })).status,
    ).to.equal(401);
  });

  describe('and is read again meanwhile,', () => {
    /** Answers are remembered for a quarter of a second, and read again after four fifths of it. */
    const saying = (confirmations: number) => ({ status: 'processing', confirmations });
    const DUE_MS = 205;
    const RETRY_MS = 20;
    const HEADERS = { 'content-type': 'application/json', 'content-length': 41 };
    const realNow = performance.now.bind(performance);
    let now = 0;
    beforeEach(() => {
      now = realNow();
      performance.now = () => now;
    });
    afterEach(() => {
      performance.now = realNow;
    });

    /** @param read what it is read as, the first time, the second time … */
    async function startAsking(read: (times: number) => Promise<unknown>) {
      // A key that nobody has used: it is remembered for some seconds from now.
      const store = await api.createTestStore('Asking');
      const payment = await api.createTestPayment(store);
      const url = `/api/v1/payments/${payment.id}/status`;
      const identity = await findIdentity(api.ctx, store.apiKey);
      const isUpToDate = () => Promise.resolve(true);
      const ctx = { ...api.ctx, signals: { ...api.ctx.signals, isUpToDate } };
      let times = 0;
      let takeOrdinary: () => void = () => undefined;
      const replies = createStatusReplies(ctx, {
        countSoon: () => ({ totalHits: 1, leftMs: 1_000 }),
        countRequest: () => Promise.reject(new Error('it was counted')),
        readStatus: () => read(++times),
        passOn: () => takeOrdinary(),
      });
      const sent = Object.assign(new EventEmitter(), {
        statusCode: 200,
        json: () => undefined,
        getHeaders: () => HEADERS,
      });
      replies.remember(
        { originalUrl: url, identity } as unknown as Request,
        sent as unknown as OrdinaryResponse,
        () => undefined,
      );
      (sent as unknown as OrdinaryResponse).json(saying(9));
      sent.emit('finish');
      const request = {
        method: 'GET',
        url,
        headers: { 'x-api-key': store.apiKey },
      } as unknown as IncomingMessage;
      return {
        timesRead: () => times,
        /** @returns whether it took the ordinary way, or what it was answered with */
        ask: () =>
          new Promise<unknown>((resolve) => {
            takeOrdinary = () => resolve('ordinary');
            let headers: readonly string[] = [];
            const response = {
              writeHead: (_status: number, head: readonly string[]) => (headers = head),
              end(body: string) {
                const lengths = headers.filter((_, at) =>
                  /^content-length$/i.test(headers[at - 1] ?? ''),
                );
                expect(lengths).to.deep.equal([String(Buffer.byteLength(body))]);
                resolve(JSON.parse(body));
              },
            };
            if (!replies.tryAnswer(request, response as unknown as ServerResponse)) takeOrdinary();
          }),
      };
    }

    it('says what was read then, and nobody takes the ordinary way for it', async () => {
      const { ask } = await startAsking((times) => Promise.resolve(saying(9 + times)));
      for (let confirmations = 9; confirmations < 15; confirmations++) {
        expect(await ask()).to.deep.equal(saying(confirmations));
        now += DUE_MS;
        await ask();
        await sleep(1);
      }
    });

    it('is read once more when it could not be', async () => {
      const { ask, timesRead } = await startAsking((times) =>
        times === 1 ? Promise.reject(new Error('it is away')) : Promise.resolve(saying(10)),
      );
      now += DUE_MS;
      expect(await ask()).to.deep.equal(saying(9));
      await sleep(1);
      expect(await ask()).to.deep.equal(saying(9));
      expect(timesRead()).to.equal(1);
      now += RETRY_MS;
      await ask();
      await sleep(1);
      expect(await ask()).to.deep.equal(saying(10));
    });
  });

  it('counts against the limit like any other', async () => {
    const limited = await startTestApi({ env: { MSQPAY_RATE_LIMIT_PER_MINUTE: '5' } });
    try {
      const payment = await limited.createTestPayment(limited.store);
      const statuses: number[] = [];
      for (let asked = 0; asked < 7; asked++)
        statuses.push((await limited.call(`/payments/${payment.id}/status`)).status);
      expect(statuses).to.deep.equal([200, 200, 200, 200, 200, 429, 429]);
    } finally {
      await limited.close();
    }
  });
});
