import { expect } from 'chai';
import type { Options } from 'express-rate-limit';

import { createRedisRateLimitStore } from '../../api/http/middleware/redisRateLimitStore.ts';
import { startServer } from '../../api/http/startServer.ts';
import { createRedis } from '../../platform/redis.ts';
import type { TestStore } from '../support/harness.ts';
import { waitUntil } from '../support/waitUntil.ts';
import { readProblem, startTestApi, type TestApi } from './startTestApi.ts';

describe('rate limit', () => {
  let api: TestApi;
  beforeEach(async () => {
    api = await startTestApi({ env: { MSQPAY_RATE_LIMIT_PER_MINUTE: '10' } });
  });
  afterEach(() => api.close());

  /**
   * What Redis does not answer within a quarter of a second is let through uncounted, which may
   * happen on a busy machine: then another store does the same.
   * @returns the answers to one store, all of which were counted
   */
  function counted(ask: (store: TestStore) => Promise<Response[]>): Promise<Response[]> {
    return waitUntil(
      async () => {
        const answers = await ask(await api.createTestStore());
        return answers.every(({ headers }) => headers.has('ratelimit')) && answers;
      },
      // Redis is left alone for a second after a failure.
      { what: 'every request to be counted', everyMs: 1_000 },
    );
  }
  async function askInTurn(store: TestStore, times: number): Promise<Response[]> {
    const answers: Response[] = [];
    while (answers.length < times) answers.push(await api.call('/tokens', { store }));
    return answers;
  }

  it('tells what is left in RateLimit and RateLimit-Policy, and answers 429 PAY_012 with Retry-After beyond', async () => {
    const answers = await counted((store) => askInTurn(store, 11));
    for (const [index, answer] of answers.slice(0, 10).entries()) {
      expect(answer.status).to.equal(200);
      expect(answer.headers.get('ratelimit')).to.match(
        new RegExp(`^"api-key"; r=${9 - index}; t=\\d+$`),
      );
      expect(answer.headers.get('ratelimit-policy')).to.match(/^"api-key"; q=10; w=60; pk=:/);
    }
    const refused = answers[10]!;
    expect(Number(refused.headers.get('retry-after'))).to.be.within(1, 60);
    const problem = await readProblem(refused);
    expect([problem.status, problem.code]).to.deep.equal([429, 'PAY_012']);
  });

  it('lets exactly the limit through when all come at once, to two processes', async () => {
    const second = await startServer(api.ctx, [], { idleMs: 10 });
    try {
      const answers = await counted((store) =>
        Promise.all(
          Array.from({ length: 40 }, (_, i) =>
            api.call(i % 2 === 0 ? '/tokens' : `${second.url}/api/v1/tokens`, { store }),
          ),
        ),
      );
      expect(answers.filter((answer) => answer.status === 200)).to.have.length(10);
      expect(answers.filter((answer) => answer.status === 429)).to.have.length(30);
    } finally {
      await second.stop();
    }
  });

  it('counts each key by itself', async () => {
    const answers = await counted((store) => askInTurn(store, 12));
    expect(answers[11]!.status).to.equal(429);
    expect((await api.call('/tokens')).status, 'another one’s').to.equal(200);
  });

  it('counts no health checks', async () => {
    for (let i = 0; i < 15; i++) expect((await api.call('/healthz')).status).to.equal(200);
    const [answer] = await counted((store) => askInTurn(store, 1));
    expect(answer!.headers.get('ratelimit')).to.include('r=9;');
  });
});

describe('rate limit without Redis', () => {
  it('lets requests through, soon, whether Redis refuses or keeps silent', async () => {
    const api = await startTestApi({ env: { MSQPAY_RATE_LIMIT_PER_MINUTE: '1' } });
    const gone = createRedis('redis://127.0.0.1:1', 'command');
    gone.on('error', () => undefined);
    const silent = Object.create(api.ctx.redis, {
      evalsha: { value: () => new Promise(() => undefined) },
    }) as typeof api.ctx.redis;
    try {
      for (const redis of [gone, silent]) {
        const server = await startServer({ ...api.ctx, redis }, [], { idleMs: 10 });
        try {
          const startedAt = performance.now();
          for (let i = 0; i < 5; i++)
            expect((await api.call(`${server.url}/api/v1/tokens`)).status).to.equal(200);
          // The client waits two seconds for an answer; five requests would wait for ten.
          expect(performance.now() - startedAt).to.be.below(8_000);
        } finally {
          await server.stop();
        }
      }
    } finally {
      gone.disconnect();
      await api.close();
    }
  });
});

describe('createRedisRateLimitStore', () => {
  let api: TestApi;
  before(async () => {
    api = await startTestApi();
  });
  after(() => api.close());

  const newStore = (windowMs: number) => {
    const store = createRedisRateLimitStore(api.ctx, `t${Math.random()}:`);
    void store.init?.({ windowMs } as Options);
    return store;
  };

  it('gives each of many requests at once a place of its own in the row', async () => {
    const store = newStore(60_000);
    const counts = await Promise.all(
      Array.from({ length: 100 }, (_, i) =>
        Promise.resolve(store.increment(i % 2 === 0 ? 'a' : 'b')),
      ),
    );
    const ofA = counts.filter((_, i) => i % 2 === 0).map((info) => info.totalHits);
    expect(ofA).to.deep.equal(Array.from({ length: 50 }, (_, i) => i + 1));
    expect((await store.get?.('b'))?.totalHits).to.equal(50);
  });

  it('counts at once what is far below the limit, tells Redis a moment later, and loses none of it', async () => {
    const store = newStore(60_000);
    expect(store.countSoon('a', 100), 'nothing is known yet').to.equal(undefined);
    await store.increment('a');
    expect([1, 2, 3].map(() => store.countSoon('a', 100)?.totalHits)).to.deep.equal([2, 3, 4]);
    expect(store.countSoon('a', 4), 'too near').to.equal(undefined);
    // Whoever waits is told the exact place, with those before it that Redis has not heard of.
    expect((await store.increment('a')).totalHits).to.equal(5);
    store.countSoon('a', 100);
    await waitUntil(async () => (await store.get?.('a'))?.totalHits === 6, {
      what: 'Redis to be told',
    });
    expect((await store.increment('a')).totalHits).to.equal(7);
  });

  it('learns from Redis what other processes have counted', async () => {
    const name = `t${Math.random()}:`;
    const [one, other] = [1, 2].map(() => {
      const store = createRedisRateLimitStore(api.ctx, name);
      void store.init?.({ windowMs: 60_000, limit: 100 } as Options);
      return store;
    });
    await one!.increment('a');
    for (let count = 0; count < 95; count++) await other!.increment('a');
    one!.countSoon('a', 90);
    // Redis answers in order: what it says of this count has arrived before.
    await waitUntil(async () => (await one!.get?.('a'))?.totalHits === 97, {
      what: 'Redis to be told',
    });
    expect(one!.countSoon('a', 90)).to.equal(undefined);
    expect((await one!.increment('a')).totalHits).to.equal(98);
  });

  it('begins anew when the window is over, and leaves no counter behind for ever', async () => {
    const store = newStore(300);
    await store.increment('a');
    const { resetTime } = await store.increment('a');
    expect(resetTime?.getTime()).to.be.within(Date.now(), Date.now() + 300);
    await waitUntil(async () => (await store.get?.('a')) === undefined, {
      what: 'the end of the window',
    });
    expect((await store.increment('a')).totalHits).to.equal(1);
  });

  it('counts on after Redis forgot its scripts', async () => {
    const store = newStore(60_000);
    await store.increment('a');
    await api.ctx.redis.script('FLUSH');
    expect((await store.increment('a')).totalHits).to.equal(2);
  });
});
