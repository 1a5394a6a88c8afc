import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';

import type { QueuedJob } from '../../domain/outbox/ports.ts';
import { createWebhookEndpoint } from '../../domain/webhooks/service.ts';
import { EVENT_SINKS } from '../../domain/modules.ts';
import { createContext } from '../../platform/createContext.ts';
import { selectRows } from '../../platform/db.ts';
import { startWorkers } from '../../workers/startWorkers.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { runWorkers, type RunningWorkers } from '../support/runWorkers.ts';
import { startStoreServer, type StoreServer } from '../support/storeServer.ts';
import { waitUntil } from '../support/waitUntil.ts';

describe('stopping the workers', function () {
  this.timeout(40_000);

  let harness: Harness;
  let store: TestStore;
  let storeServer: StoreServer;
  let running: RunningWorkers[] = [];

  before(async function () {
    this.timeout(120_000);
    harness = await createHarness({
      env: { MSQPAY_OUTBOX_REDRIVE_MS: '2000', MSQPAY_WEBHOOK_TIMEOUT_MS: '10000' },
    });
    storeServer = await startStoreServer();
    store = await harness.createTestStore();
    storeServer.trust(
      (
        await createWebhookEndpoint(harness.ctx, {
          storeId: store.storeId,
          url: storeServer.url,
          eventTypes: null,
        })
      ).secret,
    );
  });
  afterEach(async () => {
    await Promise.all(running.map((workers) => workers.stop()));
    running = [];
  });
  after(async () => {
    await storeServer.close();
    await harness.close();
  });

  async function start(): Promise<RunningWorkers> {
    const workers = await runWorkers(harness, ['webhook']);
    running.push(workers);
    return workers;
  }
  /** A payment whose first webhook is being posted, until `answer` is called. */
  async function beginDelivery(): Promise<{ readonly paymentId: string; answer(): void }> {
    let answer: () => void = () => undefined;
    const isAnswered = new Promise<void>((resolve) => (answer = resolve));
    storeServer.answerWith(async () => {
      await isAnswered;
      return 204;
    });
    const { id: paymentId } = await harness.createTestPayment(store);
    await waitUntil(() => storeServer.ofPayment(paymentId).length > 0, { what: 'the webhook' });
    return { paymentId, answer };
  }
  const webhookRows = () =>
    selectRows(harness.ctx.db, "SELECT id FROM outbox WHERE queue = 'webhook'");
  const deliveriesOf = (paymentId: string) =>
    selectRows<{ status: string; attempts: number }>(
      harness.ctx.db,
      'SELECT d.status, d.attempts FROM webhook_deliveries d JOIN events e ON e.id = d.event_id WHERE e.subject_id = ?',
      [paymentId],
    );

  it('waits for a job that is being worked on', async () => {
    const workers = await start();
    const { paymentId, answer } = await beginDelivery();
    const stopped = workers.stop().then(() => 'stopped');
    expect(await Promise.race([stopped, sleep(1_000, 'waiting')])).to.equal('waiting');
    answer();
    await stopped;
    expect(await deliveriesOf(paymentId)).to.deep.equal([{ status: 'succeeded', attempts: 1 }]);
    expect(await webhookRows()).to.deep.equal([]);
  });

  it('takes no new job meanwhile; the next process does', async () => {
    const workers = await start();
    const { answer } = await beginDelivery();
    const stopped = workers.stop();
    const later = await harness.createTestPayment(store);
    // As long as a publisher needs that went on.
    await sleep(500);
    answer();
    await stopped;
    expect(storeServer.ofPayment(later.id)).to.deep.equal([]);
    expect(await webhookRows()).to.have.length(1);
    await start();
    await waitUntil(async () => (await webhookRows()).length === 0, {
      what: 'the webhook of the other payment',
    });
    expect(storeServer.ofPayment(later.id)).to.have.length(1);
  });

  it('begins none either while what fills the queues is held up', async () => {
    const { ctx, close } = await createContext(harness.config, {
      name: 'workers',
      eventSinks: EVENT_SINKS,
    });
    let goOn: () => void = () => undefined;
    const isHeld = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    let held: readonly QueuedJob[] = [];
    const addAll = (jobs: readonly QueuedJob[]) => {
      held = jobs;
      return isHeld;
    };
    const workers = await startWorkers(ctx, { ...harness.queues, addAll }, ['webhook']);
    storeServer.answerWith(() => 204);
    const payment = await harness.createTestPayment(store);
    await waitUntil(() => held.length > 0, { what: 'the job to be published' });
    const stopped = workers.stop(10_000);
    let begunMeanwhile: number;
    try {
      // A job that comes while it stops listening may be begun still.
      const webhookQueue = harness.queues.get('webhook');
      await waitUntil(async () => (await webhookQueue.getWorkers()).length === 0, {
        what: 'the worker to stop listening',
      });
      await harness.queues.addAll(held);
      await sleep(1_000);
      begunMeanwhile = storeServer.ofPayment(payment.id).length;
    } finally {
      goOn();
      await stopped;
      await close();
    }
    expect(begunMeanwhile).to.equal(0);
    await start();
    await waitUntil(async () => (await webhookRows()).length === 0, { what: 'the webhook' });
    expect(storeServer.ofPayment(payment.id)).to.have.length(1);
  });

  it('gives up waiting in time, and another process finishes what was left, under the same webhook-id', async () => {
    const { ctx, close } = await createContext(harness.config, {
      name: 'workers',
      eventSinks: EVENT_SINKS,
    });
    const workers = await startWorkers(ctx, harness.queues, ['webhook']);
    const { paymentId, answer } = await beginDelivery();
    // The answer does not come before it has given up.
    const stopped = workers.stop(100).then(() => 'given up');
    expect(await Promise.race([stopped, sleep(8_000, 'waiting')])).to.equal('given up');
    // As the end of the process would: nothing that it learns from now on is written down.
    await ctx.db.destroy();
    answer();
    await start();
    await waitUntil(async () => (await webhookRows()).length === 0, {
      timeoutMs: 30_000,
      what: 'the second delivery',
    });
    const webhooks = storeServer.ofPayment(paymentId);
    expect(webhooks).to.have.length(2);
    expect(new Set(webhooks.map(({ id, body }) => `${id} ${body}`)).size).to.equal(1);
    expect(await deliveriesOf(paymentId)).to.deep.equal([{ status: 'succeeded', attempts: 1 }]);
    await close();
  });
});
