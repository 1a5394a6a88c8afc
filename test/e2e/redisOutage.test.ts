import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';

import { createRedis } from '../../platform/redis.ts';
import { createStoreClient } from '../support/storeClient.ts';
import { waitUntil } from '../support/waitUntil.ts';
import { prepareOutage, requireControl, type Outage } from './prepareOutage.ts';

/** Redis loses its data or goes away while payments are on their way. */
describe('an outage of Redis', function () {
  this.timeout(100_000);

  let outage: Outage;

  beforeEach(async () => {
    outage = await prepareOutage();
  });
  afterEach(() => outage.close());

  it('in which it loses everything again and again: nothing is lost and nothing happens twice', async () => {
    const redis = createRedis(outage.harness.config.redisUrl, 'worker');
    try {
      let wiped = 0;
      const paying = outage.startPaying();
      let isPaying = true;
      const wiping = (async () => {
        while (isPaying) {
          await sleep(outage.random.between(100, 1_200));
          await redis.flushall();
          wiped++;
        }
      })();
      await paying.finally(() => {
        isPaying = false;
      });
      await wiping;
      expect(wiped).to.be.greaterThan(2);
    } finally {
      redis.disconnect();
    }
    await outage.expectAllEndedWell();
  });

  it('that is the end of its process: the API goes on, and everything completes once Redis is back', async () => {
    const redis = requireControl(outage.harness.stack.redisControl, 'Redis', 'REDIS_URL');
    const paying = outage.startPaying();
    await sleep(1_500);
    await redis.kill();
    try {
      const impatient = createStoreClient({ url: outage.api.url, apiKey: (await outage.harness.createTestStore()).apiKey });
      const slowest = { createMs: 0, statusMs: 0 };
      for (let count = 0; count < 10; count++) {
        const startedAt = Date.now();
        const payment = await impatient.createPayment({ orderId: `while-down-${count}`, amount: '1', token: outage.harness.tokens.TUSD });
        const createdAt = Date.now();
        const { data } = await impatient.api.GET('/payments/{paymentId}/status', { params: { path: { paymentId: payment.paymentId } } });
        expect(data!.status).to.equal('pending');
        slowest.createMs = Math.max(slowest.createMs, createdAt - startedAt);
        slowest.statusMs = Math.max(slowest.statusMs, Date.now() - createdAt);
        await sleep(100);
      }
      expect(slowest.createMs, 'the slowest creation').to.be.below(2_000);
      expect(slowest.statusMs, 'the slowest status request').to.be.below(2_000);
      expect([...impatient.answers.keys()].sort(), 'no request was refused').to.deep.equal(['200', '201']);
    } finally {
      await redis.restart();
    }
    await paying;
    await outage.expectAllEndedWell();
  });

  it('during which it only hangs: the API goes on answering, and everything completes once Redis goes on', async () => {
    const redis = requireControl(outage.harness.stack.redisControl, 'Redis', 'REDIS_URL');
    const paying = outage.startPaying();
    await sleep(1_500);
    // It does not end, so there is no end to wait for.
    void redis.kill('SIGSTOP');
    try {
      const impatient = createStoreClient({ url: outage.api.url, apiKey: (await outage.harness.createTestStore()).apiKey });
      const deadline = Date.now() + 4_000;
      let slowestMs = 0;
      for (let count = 0; Date.now() < deadline; count++) {
        const startedAt = Date.now();
        const { paymentId } = await impatient.createPayment({
          orderId: `while-hanging-${count}`,
          amount: '1',
          token: outage.harness.tokens.TUSD,
        });
        await impatient.api.GET('/payments/{paymentId}/status', { params: { path: { paymentId } } });
        slowestMs = Math.max(slowestMs, Date.now() - startedAt);
      }
      expect(slowestMs, 'the slowest creation with a status request').to.be.below(3_000);
      expect([...impatient.answers.keys()].sort(), 'no request was refused').to.deep.equal(['200', '201']);
    } finally {
      void redis.kill('SIGCONT');
    }
    await paying;
    await outage.expectAllEndedWell();
  });

  it('before the server starts: the server starts, serves, and takes up its work when Redis comes', async () => {
    const redis = requireControl(outage.harness.stack.redisControl, 'Redis', 'REDIS_URL');
    await outage.api.kill('SIGTERM');
    await outage.workers.kill('SIGTERM');
    await redis.kill();
    let paying: Promise<void> | undefined;
    try {
      await Promise.all([outage.api.start(), outage.workers.spawn()]);
      paying = outage.startPaying();
      const health = () => fetch(`${outage.workers.url}/healthz`).then(({ status }) => status, String);
      await waitUntil(async () => (await health()) === 503, { what: 'the workers to say that they are not well', timeoutMs: 30_000 });
      await sleep(2_000);
    } finally {
      await redis.restart();
    }
    await paying;
    await outage.expectAllEndedWell();
  });
});
