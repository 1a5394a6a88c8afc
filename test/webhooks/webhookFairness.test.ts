import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';

import { recordEvents } from '../../domain/events/recordEvents.ts';
import { createWebhookEndpoint } from '../../domain/webhooks/service.ts';
import { reportPlaces } from '../../domain/webhooks/places.ts';
import { selectRows } from '../../platform/db.ts';
import { inUnitOfWork } from '../../platform/unitOfWork.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { runWorkers, type RunningWorkers } from '../support/runWorkers.ts';
import { startStoreServer, type StoreServer } from '../support/storeServer.ts';
import { waitUntil } from '../support/waitUntil.ts';
import { newPaymentId } from './support.ts';

/** Of all hostile endpoints together. */
const WAITING = 2_000;
const PROCESSES = 2;
/** How long a POST to them takes, and what waits behind one. */
const SILENT_MS = 60_000;
/**
 * A store’s webhook takes about 50 ms beside them, and its first one some two seconds: until
 * endpoints of which nothing was known count as slow. On a busy machine that is several times as
 * long, and still far from what one takes that waits for an endpoint that never answers.
 */
const SOON_MS = SILENT_MS / 3;

describe('webhooks: one store beside others that never answer', function () {
  this.timeout(300_000);

  let timeoutMs = SILENT_MS;
  let soonMs = SOON_MS;
  let harness: Harness;
  let store: TestStore;
  let storeServer: StoreServer;
  let silent: {
    readonly url: string;
    readonly count: () => number;
    answer(): void;
    close(): Promise<void>;
  };
  const workers: RunningWorkers[] = [];

  beforeEach(async () => {
    harness = await createHarness({
      env: { MSQPAY_WEBHOOK_TIMEOUT_MS: String(timeoutMs), MSQPAY_OUTBOX_REDRIVE_MS: '30000' },
    });
    storeServer = await startStoreServer();
    silent = await startSilentServer();
    store = await harness.createTestStore();
    const { secret } = await createWebhookEndpoint(harness.ctx, {
      storeId: store.storeId,
      url: storeServer.url,
      eventTypes: null,
    });
    storeServer.trust(secret);
  });
  afterEach(async () => {
    await silent.close();
    await Promise.all(workers.splice(0).map((running) => running.stop(0)));
    await storeServer.close();
    await harness.close();
  });

  async function startAll(processes = PROCESSES): Promise<void> {
    for (let index = 0; index < processes; index++)
      workers.push(await runWorkers(harness, ['webhook']));
  }

  /** So many events of one store, for each of its endpoints. */
  async function record(storeId: string, count: number): Promise<void> {
    const event = () => ({
      storeId,
      type: 'payment.created' as const,
      subject: { type: 'payment' as const, id: newPaymentId() },
      version: 1,
      data: { paymentId: '0x1' },
    });
    await inUnitOfWork(harness.ctx, (unit) =>
      recordEvents(harness.ctx, unit, Array.from({ length: count }, event)),
    );
  }

  /** @returns the secret of the last endpoint */
  async function listen({ storeId }: TestStore, url: string, endpoints = 1): Promise<string> {
    let secret = '';
    for (let index = 0; index < endpoints; index++) {
      const endpoint = await createWebhookEndpoint(harness.ctx, { storeId, url, eventTypes: null });
      ({ secret } = endpoint);
    }
    return secret;
  }

  async function openHostileStore(endpoints: number): Promise<string> {
    const { storeId } = await harness.createTestStore('Hostile');
    for (let index = 0; index < endpoints; index++) {
      await createWebhookEndpoint(harness.ctx, {
        storeId,
        url: `${silent.url}${storeId}-${index}`,
        eventTypes: null,
      });
    }
    return storeId;
  }

  /** From the payment's creation to its webhook, in ms. */
  async function measureWebhook(of = store, server = storeServer): Promise<number> {
    const createdAt = Date.now();
    const { id } = await harness.createTestPayment(of);
    const [webhook] = await waitUntil(
      () => (server.ofPayment(id).length > 0 ? server.ofPayment(id) : undefined),
      {
        what: 'the webhook',
        everyMs: 5,
        timeoutMs: timeoutMs * 2,
      },
    );
    return (webhook?.receivedAt ?? Infinity) - createdAt;
  }

  async function expectSoon(of = store, count = 20): Promise<void> {
    const times = [];
    for (let index = 0; index < count; index++) times.push(await measureWebhook(of));
    expect(Math.max(...times), `ms until the webhook: ${times.join(', ')}`).to.be.below(soonMs);
  }

  for (const { what, stores, endpoints } of [
    { what: 'one store with 16 endpoints', stores: 1, endpoints: 16 },
    { what: '16 stores with an endpoint each', stores: 16, endpoints: 1 },
    { what: '10 stores with 20 endpoints each', stores: 10, endpoints: 20 },
  ]) {
    it(`is told as soon as ever beside ${what}`, async () => {
      const hostile = await Promise.all(
        Array.from({ length: stores }, () => openHostileStore(endpoints)),
      );
      for (const storeId of hostile) await record(storeId, Math.ceil(WAITING / stores / endpoints));
      await startAll();
      await waitUntil(() => silent.count() >= Math.min(16, stores), {
        what: 'the silent endpoints’ first POSTs',
      });
      await expectSoon();
      const { byKind, limit } = await reportPlaces(harness.ctx);
      expect(limit).to.equal(PROCESSES * harness.config.webhooks.places);
      expect(byKind.new + byKind.slow).to.be.at.most(limit * 0.75);
    });
  }

  it('is told at a thirteenth endpoint as soon as ever, though its other twelve never answer and much waits for them', async () => {
    const own = await harness.createTestStore();
    await listen(own, silent.url, 12);
    await record(own.storeId, 100);
    await startAll(1);
    await waitUntil(() => silent.count() >= 8, { what: 'the silent endpoints’ first POSTs' });
    storeServer.trust(await listen(own, storeServer.url));
    expect(
      await measureWebhook(own),
      'the first, which goes out beside those of which nothing is known',
    ).to.be.below(SOON_MS);
    await expectSoon(own);
  });

  describe('or that are slow', () => {
    before(() => {
      // They are posted to again and again meanwhile.
      timeoutMs = 8_000;
      soonMs = timeoutMs - 1_000;
    });
    after(() => {
      timeoutMs = SILENT_MS;
      soonMs = SOON_MS;
    });

    it('is told when it is slow itself, without waiting for seventy that never answer; another store as soon as ever', async () => {
      const hostile = await Promise.all(Array.from({ length: 70 }, () => openHostileStore(1)));
      for (const storeId of hostile) await record(storeId, 20);
      const slow = await harness.createTestStore();
      const slowServer = await startStoreServer();
      slowServer.trust(await listen(slow, slowServer.url));
      slowServer.answerWith(async () => {
        await sleep(1_200);
        return 204;
      });
      await startAll(1);
      await measureWebhook(slow, slowServer);
      const times: number[] = [];
      while (silent.count() < 120) {
        times.push(await measureWebhook(slow, slowServer));
        await expectSoon(store, 3);
      }
      await slowServer.close();
      expect(Math.max(...times), `ms until the webhook: ${times.join(', ')}`).to.be.below(soonMs);
    });
  });

  it('sends what waited as soon as an endpoint answers, in whatever process', async () => {
    const hostile = await openHostileStore(1);
    await record(hostile, 400);
    await startAll();
    await waitUntil(() => silent.count() > 0, { what: 'the first POST' });
    silent.answer();
    const open = () =>
      selectRows(harness.ctx.db, "SELECT id FROM outbox WHERE queue = 'webhook'", []);
    // By their turns alone it would take longer: one as long as a POST may take.
    await waitUntil(async () => (await open()).length === 0, {
      what: 'the end of all deliveries',
      timeoutMs: 60_000,
    });
    const statuses = await selectRows(
      harness.ctx.db,
      'SELECT status, COUNT(*) AS count FROM webhook_deliveries GROUP BY status',
      [],
    );
    expect(statuses).to.deep.equal([{ status: 'succeeded', count: '400' }]);
  });
});

async function startSilentServer() {
  let count = 0;
  let isAnswering = false;
  const server = createServer((request, response) => {
    count += 1;
    request.resume();
    if (isAnswering) response.writeHead(204).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/`,
    count: () => count,
    answer() {
      isAnswering = true;
      server.closeAllConnections();
    },
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
