import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';

import { createRedis } from '../../platform/redis.ts';
import { createStoreClient } from '../support/storeClient.ts';
import { waitUntil } from '../support/waitUntil.ts';
import {
  prepareOutage,
  requireControl,
  startInstallation,
  type Installation,
  type Outage,
} from './prepareOutage.ts';

/**
 * How long the client waits for Redis's answer to a command, and so every request would that waits
 * for one.
 */
const COMMAND_TIMEOUT_MS = 2_000;
/** Of the one request that met whatever else the machine was busy with. */
const SLOWEST_MS = 10_000;

function expectNoWaiting(times: readonly number[], what: string): void {
  const inOrder = [...times].sort((one, other) => one - other);
  const told = `${what}, in ms: ${times.map(Math.round).join(', ')}`;
  expect(inOrder[Math.floor(times.length / 2)], told).to.be.below(COMMAND_TIMEOUT_MS);
  expect(inOrder.at(-1), told).to.be.below(SLOWEST_MS);
}

/** Redis loses its data or goes away while payments are on their way. */
describe('an outage of Redis', function () {
  this.timeout(300_000);

  let installation: Installation;
  let outage: Outage;

  before(async () => {
    installation = await startInstallation();
  });
  after(() => installation.close());
  beforeEach(async () => {
    outage = await prepareOutage(installation);
  });
  afterEach(() => outage.close());

  it('in which it loses everything again and again: nothing is lost and nothing happens twice', async () => {
    const redis = createRedis(installation.harness.config.redisUrl, 'worker');
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
    const redis = requireControl(installation.harness.stack.redisControl, 'Redis', 'REDIS_URL');
    const paying = outage.startPaying();
    await sleep(1_500);
    await redis.kill();
    try {
      const impatient = createStoreClient({
        url: installation.api.url,
        apiKey: (await installation.harness.createTestStore()).apiKey,
      });
      const creations: number[] = [];
      const statusRequests: number[] = [];
      for (let count = 0; count < 10; count++) {
        const startedAt = Date.now();
        const payment = await impatient.createPayment({
          orderId: `while-down-${count}`,
          amount: '1',
          token: installation.harness.tokens.TUSD,
        });
        const createdAt = Date.now();
        const { data } = await impatient.api.GET('/payments/{paymentId}/status', {
          params: { path: { paymentId: payment.paymentId } },
        });
        expect(data!.status).to.equal('pending');
        creations.push(createdAt - startedAt);
        statusRequests.push(Date.now() - createdAt);
        await sleep(100);
      }
      expectNoWaiting(creations, 'creations');
      expectNoWaiting(statusRequests, 'status requests');
      expect([...impatient.answers.keys()].sort(), 'no request was refused').to.deep.equal([
        '200',
        '201',
      ]);
    } finally {
      await redis.restart();
    }
    await paying;
    await outage.expectAllEndedWell();
  });

  it('during which it only hangs: the API goes on answering, and everything completes once Redis goes on', async () => {
    const redis = requireControl(installation.harness.stack.redisControl, 'Redis', 'REDIS_URL');
    const paying = outage.startPaying();
    await sleep(1_500);
    // It does not end, so there is no end to wait for.
    void redis.kill('SIGSTOP');
    try {
      const impatient = createStoreClient({
        url: installation.api.url,
        apiKey: (await installation.harness.createTestStore()).apiKey,
      });
      const deadline = Date.now() + 4_000;
      const times: number[] = [];
      for (let count = 0; Date.now() < deadline; count++) {
        const startedAt = Date.now();
        const { paymentId } = await impatient.createPayment({
          orderId: `while-hanging-${count}`,
          amount: '1',
          token: installation.harness.tokens.TUSD,
        });
        await impatient.api.GET('/payments/{paymentId}/status', {
          params: { path: { paymentId } },
        });
        times.push(Date.now() - startedAt);
      }
      expectNoWaiting(times, 'creations with a status request');
      expect([...impatient.answers.keys()].sort(), 'no request was refused').to.deep.equal([
        '200',
        '201',
      ]);
    } finally {
      void redis.kill('SIGCONT');
    }
    await paying;
    await outage.expectAllEndedWell();
  });

  it('before the server starts: the server starts, serves, and takes up its work when Redis comes', async () => {
    const redis = requireControl(installation.harness.stack.redisControl, 'Redis', 'REDIS_URL');
    await installation.api.kill('SIGTERM');
    await installation.workers.kill('SIGTERM');
    await redis.kill();
    let paying: Promise<void> | undefined;
    try {
      await Promise.all([installation.api.start(), installation.workers.spawn()]);
      paying = outage.startPaying();
      const health = () =>
        fetch(`${installation.workers.url}/healthz`).then(({ status }) => status, String);
      await waitUntil(async () => (await health()) === 503, {
        what: 'the workers to say that they are not well',
        timeoutMs: 30_000,
      });
      await sleep(2_000);
    } finally {
      await redis.restart();
    }
    await paying;
    await outage.expectAllEndedWell();
  });
});
