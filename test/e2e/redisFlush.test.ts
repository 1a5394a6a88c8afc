import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';

import type { EngineControl } from '../../dev/startStack.ts';
import { createRedis } from '../../platform/redis.ts';
import { createRandom, type Random } from '../support/createRandom.ts';
import { prepareFlow, randomPause, type Flow } from '../support/flow.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { createServerProcess, type ServerProcess } from '../support/serverProcess.ts';
import { createStoreClient, type StoreClient } from '../support/storeClient.ts';

const PAYMENTS = 30;
const PATIENCE_MS = 60_000;
const SEED = 1;

/** A dependency that loses its data or goes away while payments are on their way. No process of ours is restarted for it, and none may end. */
describe('an outage of a dependency', function () {
  this.timeout(100_000);

  let harness: Harness;
  let store: TestStore;
  let api: ServerProcess;
  let workers: ServerProcess;
  let client: StoreClient;
  let flow: Flow;
  let random: Random;

  beforeEach(async () => {
    random = createRandom(SEED);
    harness = await createHarness({ env: { MSQPAY_WEBHOOK_SCHEDULE_SECONDS: '0,1,2,3,5,5,5' } });
    store = await harness.createTestStore();
    api = await createServerProcess(harness, 'api');
    workers = await createServerProcess(harness, 'workers');
    await Promise.all([api.start(), workers.start()]);
    client = createStoreClient({ url: api.url, apiKey: store.apiKey, patienceMs: PATIENCE_MS });
    flow = await prepareFlow(harness, store, client, PAYMENTS);
  });
  afterEach(async () => {
    await api.close();
    await workers.close();
    await flow.close();
    await harness.close();
  });

  /** The payments flow for some five seconds. */
  const startPaying = () => flow.run(client, { atOnce: 6, pauseMs: randomPause(random, 300, 1_500) });

  async function expectAllEndedWell(): Promise<void> {
    await flow.waitForEnd(60_000);
    await flow.expectExactlyOnce();
    for (const server of [api, workers]) expect(server.isRunning(), `${server.name}:\n${server.logTail()}`).to.equal(true);
  }

  it('that is Redis losing everything again and again: nothing is lost and nothing happens twice', async () => {
    const redis = createRedis(harness.config.redisUrl, 'worker');
    try {
      let wiped = 0;
      const paying = startPaying();
      let isPaying = true;
      const wiping = (async () => {
        while (isPaying) {
          await sleep(random.between(100, 1_200));
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
    await expectAllEndedWell();
  });

  it('that is Redis being killed: the API goes on, and everything completes once Redis is back', async () => {
    const redis = requireControl(harness.stack.redisControl, 'Redis', 'REDIS_URL');
    const paying = startPaying();
    await sleep(1_500);
    await redis.kill();
    try {
      const impatient = createStoreClient({ url: api.url, apiKey: (await harness.createTestStore()).apiKey });
      const slowest = { createMs: 0, statusMs: 0 };
      for (let count = 0; count < 10; count++) {
        const startedAt = Date.now();
        const payment = await impatient.createPayment({ orderId: `while-down-${count}`, amount: '1', token: harness.tokens.TUSD });
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
    await expectAllEndedWell();
  });

  it('that is Redis hanging: the API goes on answering, and everything completes once Redis goes on', async () => {
    const redis = requireControl(harness.stack.redisControl, 'Redis', 'REDIS_URL');
    const paying = startPaying();
    await sleep(1_500);
    // It does not end, so there is no end to wait for.
    void redis.kill('SIGSTOP');
    try {
      const impatient = createStoreClient({ url: api.url, apiKey: (await harness.createTestStore()).apiKey });
      const deadline = Date.now() + 4_000;
      let slowestMs = 0;
      for (let count = 0; Date.now() < deadline; count++) {
        const startedAt = Date.now();
        const { paymentId } = await impatient.createPayment({ orderId: `while-hanging-${count}`, amount: '1', token: harness.tokens.TUSD });
        await impatient.api.GET('/payments/{paymentId}/status', { params: { path: { paymentId } } });
        slowestMs = Math.max(slowestMs, Date.now() - startedAt);
      }
      expect(slowestMs, 'the slowest creation with a status request').to.be.below(3_000);
      expect([...impatient.answers.keys()].sort(), 'no request was refused').to.deep.equal(['200', '201']);
    } finally {
      void redis.kill('SIGCONT');
    }
    await paying;
    await expectAllEndedWell();
  });

  it('that is the database being killed: everything completes once it is back', async () => {
    const database = requireControl(harness.stack.databaseControl, 'the database', 'DATABASE_URL');
    const paying = startPaying();
    for (let count = 0; count < 2; count++) {
      await sleep(1_500);
      await database.kill();
      try {
        await sleep(random.between(200, 1_000));
      } finally {
        await database.restart();
      }
    }
    await paying;
    expect(client.answers.get('503'), 'requests that met the outage').to.be.greaterThan(0);
    expect([...client.answers.keys()].sort(), 'it was told as a passing one').to.deep.equal(['200', '201', '202', '503']);
    await expectAllEndedWell();
  });

  it('that is the database hanging: everything completes once it goes on', async () => {
    const database = requireControl(harness.stack.databaseControl, 'the database', 'DATABASE_URL');
    const paying = startPaying();
    for (let count = 0; count < 2; count++) {
      await sleep(1_000);
      void database.kill('SIGSTOP');
      try {
        await sleep(2_500);
      } finally {
        void database.kill('SIGCONT');
      }
    }
    await paying;
    expect([...client.answers.keys()].sort(), 'no request was refused').to.deep.equal(['200', '201', '202']);
    await expectAllEndedWell();
  });

  it('that is Redis being away when the server starts: it starts, serves, and takes up its work when Redis comes', async () => {
    const redis = requireControl(harness.stack.redisControl, 'Redis', 'REDIS_URL');
    await api.kill('SIGTERM');
    await workers.kill('SIGTERM');
    await redis.kill();
    let paying: Promise<void> | undefined;
    try {
      await Promise.all([api.start(), workers.spawn()]);
      paying = startPaying();
      await sleep(2_000);
    } finally {
      await redis.restart();
    }
    await paying;
    await expectAllEndedWell();
  });
});

function requireControl(control: EngineControl | undefined, name: string, variable: string): EngineControl {
  if (control === undefined) throw new Error(`this test kills ${name}, so it needs one of its own: run it without ${variable}`);
  return control;
}
