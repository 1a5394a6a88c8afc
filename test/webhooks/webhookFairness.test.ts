import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';

import { createWebhookEndpoint, recordEvents } from '../../domain/webhooks/service.ts';
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
/** How long a store's webhook may take beside them; it takes about 50 ms by itself, and waits for 15 s behind an endpoint that never answers. */
const SOON_MS = 1_500;

describe('webhooks: one store beside others that never answer', function () {
  this.timeout(120_000);

  let harness: Harness;
  let store: TestStore;
  let storeServer: StoreServer;
  let silent: { readonly url: string; readonly count: () => number; answer(): void; close(): Promise<void> };
  const workers: RunningWorkers[] = [];

  beforeEach(async () => {
    harness = await createHarness({ env: { MSQPAY_WEBHOOK_TIMEOUT_MS: '15000', MSQPAY_OUTBOX_REDRIVE_MS: '30000' } });
    storeServer = await startStoreServer();
    silent = await startSilentServer();
    store = await harness.createTestStore();
    const { secret } = await createWebhookEndpoint(harness.ctx, { storeId: store.storeId, url: storeServer.url, eventTypes: null });
    storeServer.trust(secret);
  });
  afterEach(async () => {
    await silent.close();
    await Promise.all(workers.splice(0).map((running) => running.stop(0)));
    await storeServer.close();
    await harness.close();
  });

  async function startAll(): Promise<void> {
    for (let index = 0; index < PROCESSES; index++) workers.push(await runWorkers(harness, ['webhook']));
  }

  /** So many events of one store, for each of its endpoints. */
  async function record(storeId: string, count: number): Promise<void> {
    const event = () => ({ storeId, type: 'payment.created' as const, paymentId: newPaymentId(), version: 1, data: { paymentId: '0x1' } });
    await inUnitOfWork(harness.ctx, (unit) => recordEvents(harness.ctx, unit, Array.from({ length: count }, event)));
  }

  async function openHostileStore(endpoints: number): Promise<string> {
    const { storeId } = await harness.createTestStore('Hostile');
    for (let index = 0; index < endpoints; index++) {
      await createWebhookEndpoint(harness.ctx, { storeId, url: `${silent.url}${storeId}-${index}`, eventTypes: null });
    }
    return storeId;
  }

  /** From the payment's creation to its webhook, in ms. */
  async function measureWebhook(): Promise<number> {
    const createdAt = Date.now();
    const { id } = await harness.createTestPayment(store);
    const [webhook] = await waitUntil(() => (storeServer.ofPayment(id).length > 0 ? storeServer.ofPayment(id) : undefined), {
      what: 'the webhook',
      everyMs: 5,
      timeoutMs: 60_000,
    });
    return (webhook?.receivedAt ?? Infinity) - createdAt;
  }

  async function expectSoon(): Promise<void> {
    const times = [];
    for (let index = 0; index < 20; index++) times.push(await measureWebhook());
    expect(Math.max(...times), `ms until the webhook: ${times.join(', ')}`).to.be.below(SOON_MS);
  }

  for (const { what, stores, endpoints } of [
    { what: 'one store with 16 endpoints', stores: 1, endpoints: 16 },
    { what: '16 stores with an endpoint each', stores: 16, endpoints: 1 },
    { what: '10 stores with 20 endpoints each', stores: 10, endpoints: 20 },
  ]) {
    it(`is told as soon as ever beside ${what}`, async () => {
      const hostile = await Promise.all(Array.from({ length: stores }, () => openHostileStore(endpoints)));
      for (const storeId of hostile) await record(storeId, Math.ceil(WAITING / stores / endpoints));
      await startAll();
      await waitUntil(() => silent.count() >= Math.min(16, stores), { what: 'the silent endpoints’ first POSTs' });
      await expectSoon();
      const { byKind, limit } = await reportPlaces(harness.ctx);
      expect(limit).to.equal(PROCESSES * harness.config.webhooks.places);
      expect(byKind.new + byKind.slow).to.be.at.most(limit * 0.75);
    });
  }

  it('sends what waited as soon as an endpoint answers, in whatever process', async () => {
    const hostile = await openHostileStore(1);
    await record(hostile, 400);
    await startAll();
    await waitUntil(() => silent.count() > 0, { what: 'the first POST' });
    silent.answer();
    const open = () => selectRows(harness.ctx.db, "SELECT id FROM outbox WHERE queue = 'webhook'", []);
    // By their turns alone it would take 100 seconds.
    await waitUntil(async () => (await open()).length === 0, { what: 'the end of all deliveries', timeoutMs: 60_000 });
    const statuses = await selectRows(harness.ctx.db, 'SELECT status, COUNT(*) AS count FROM webhook_deliveries GROUP BY status', []);
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
