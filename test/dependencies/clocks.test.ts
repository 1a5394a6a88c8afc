import { join } from 'node:path';
import { expect } from 'chai';

import type { components } from '../../api/generated/openapi.ts';
import { findCursor } from '../../domain/chain/store.ts';
import { PROJECT_ROOT } from '../../platform/projectRoot.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { createTcpSwitch } from '../support/tcpSwitch.ts';
import { createServerProcess, type ServerProcess } from '../support/serverProcess.ts';
import { createStoreClient, type StoreClient } from '../support/storeClient.ts';
import { startStoreServer, type StoreServer } from '../support/storeServer.ts';
import { waitUntil } from '../support/waitUntil.ts';

const MINUTE_MS = 60_000;

/** Machines whose clocks nobody sets: real processes, with a wall clock that is ahead or behind. */
describe('clocks that are wrong', function () {
  this.timeout(120_000);

  let harness: Harness;
  let testStore: TestStore;
  let store: StoreServer;
  let processes: ServerProcess[] = [];

  before(async function () {
    this.timeout(120_000);
    harness = await createHarness({
      env: {
        MSQPAY_WEBHOOK_ALLOW_PRIVATE_NETWORKS: 'true',
        MSQPAY_WEBHOOK_SCHEDULE_SECONDS: '0,2,2,2,2',
        // What is late shall not come because it is sent once more.
        MSQPAY_OUTBOX_REDRIVE_MS: '600000',
      },
    });
    testStore = await harness.createTestStore();
    store = await startStoreServer();
  });
  afterEach(async () => {
    await Promise.all(processes.map((one) => one.close()));
    processes = [];
    store.answerWith(() => 204);
  });
  after(async () => {
    await store.close();
    await harness.close();
  });

  async function start(
    kind: 'api' | 'workers',
    aheadMs: number,
    environment: Readonly<Record<string, string>> = {},
  ): Promise<ServerProcess> {
    const preload = `--import ${join(PROJECT_ROOT, 'test/support/shiftedClock.mjs')}`;
    const shifted = { ...environment, NODE_OPTIONS: preload, TEST_CLOCK_AHEAD_MS: String(aheadMs) };
    const one = await createServerProcess(harness, kind, shifted);
    processes.push(one);
    await one.start();
    return one;
  }

  async function createClient(api: ServerProcess): Promise<StoreClient> {
    const client = createStoreClient({ url: `${api.url}`, apiKey: testStore.apiKey });
    const { data: listed } = await client.api.GET('/webhook-endpoints');
    for (const { id: endpointId } of listed?.data ?? [])
      await client.api.DELETE('/webhook-endpoints/{endpointId}', {
        params: { path: { endpointId } },
      });
    const { data } = await client.api.POST('/webhook-endpoints', { body: { url: store.url } });
    if (data === undefined) throw new Error('no endpoint was made');
    store.trust(data.secret);
    return client;
  }

  let orders = 0;
  const order = () => ({
    orderId: `order-${++orders}`,
    amount: '1500000',
    token: harness.tokens.TUSD,
    expiresInSeconds: 900,
  });

  async function expectWebhook(paymentId: string, type: string, timeoutMs: number): Promise<void> {
    await waitUntil(() => store.ofPayment(paymentId).some((one) => one.type === type), {
      timeoutMs,
      what: `${type} of ${paymentId}`,
    });
  }

  async function readiness(api: ServerProcess): Promise<components['schemas']['Readiness']> {
    return (await (await fetch(`${api.url}/readyz`)).json()) as components['schemas']['Readiness'];
  }

  for (const [name, aheadMs] of [
    ['a minute ahead', MINUTE_MS],
    ['twenty minutes behind', -20 * MINUTE_MS],
  ] as const) {
    it(`an API that is ${name} dates its payments right, delays nothing, and says so`, async () => {
      await start('workers', 0);
      const api = await start('api', aheadMs);
      const client = await createClient(api);
      const before = Date.now();
      const payment = await client.createPayment(order());
      expect(Date.parse(payment.expiresAt)).to.be.within(before + 895_000, Date.now() + 905_000);
      await expectWebhook(payment.paymentId, 'payment.created', 10_000);
      const customer = await harness.chain.createCustomer({ token: harness.tokens.TUSD });
      await client.execute(customer, payment.paymentId);
      await expectWebhook(payment.paymentId, 'payment.completed', 30_000);
      const { status, dependencies } = await readiness(api);
      expect([status, dependencies.find((one) => one.name === 'clock')?.status]).to.deep.equal([
        'degraded',
        'down',
      ]);
    });

    it(`an API that is ${name}, and starts before its database, dates its first payment right`, async () => {
      const database = new URL(harness.databaseUrl);
      // Where nobody listens.
      const address = await createTcpSwitch(9);
      try {
        const direct = Number(database.port);
        database.port = String(address.port);
        const api = await start('api', aheadMs, { DATABASE_URL: database.href });
        expect(
          (await readiness(api)).dependencies.find((one) => one.name === 'clock')?.status,
          'never compared',
        ).to.equal('down');
        const headers = { 'x-api-key': testStore.apiKey, 'content-type': 'application/json' };
        const create = () =>
          fetch(`${api.url}/api/v1/payments`, {
            method: 'POST',
            headers,
            body: JSON.stringify(order()),
          });
        expect((await create()).status).to.equal(503);
        const before = Date.now();
        address.leadTo(direct);
        const first = await waitUntil(
          async () => {
            const answer = await create();
            return answer.status === 201
              ? ((await answer.json()) as { expiresAt: string })
              : undefined;
          },
          { timeoutMs: 30_000, everyMs: 10, what: 'the first payment' },
        );
        expect(Date.parse(first.expiresAt)).to.be.within(before + 895_000, Date.now() + 905_000);
      } finally {
        await address.close();
      }
    });

    it(`workers that are ${name} do in time what others promise, and what they promised themselves is done by others`, async () => {
      const wrong = await start('workers', aheadMs);
      const client = await createClient(await start('api', 0));
      let refusals = 0;
      store.answerWith(() => (refusals++ === 0 ? 500 : 204));
      const payment = await client.createPayment(order());
      // The second delivery is one that these workers have promised themselves, two seconds later.
      await waitUntil(() => store.ofPayment(payment.paymentId).length === 2, {
        timeoutMs: 15_000,
        what: 'the second delivery',
      });
      const [first, second] = store.ofPayment(payment.paymentId);
      expect(second!.receivedAt - first!.receivedAt).to.be.within(1_500, 10_000);

      // Their schedules are in their own time, and they die.
      await wrong.kill('SIGKILL');
      await start('workers', 0);
      const { chainId } = harness.config.chains[0]!;
      const scannedTo = async () => (await findCursor(harness.ctx.db, chainId))?.nextBlock ?? 0n;
      const stoodAt = await scannedTo();
      await waitUntil(async () => (await scannedTo()) > stoodAt + 2n, {
        timeoutMs: 30_000,
        what: 'the chain to be scanned',
      });
      const customer = await harness.chain.createCustomer({ token: harness.tokens.TUSD });
      await client.execute(customer, payment.paymentId);
      await expectWebhook(payment.paymentId, 'payment.completed', 30_000);
    });
  }
});
