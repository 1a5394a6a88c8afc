import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';

import { selectRows } from '../../platform/db.ts';
import { createCustomers, payFromWallet } from '../support/customers.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { createServerProcess, type ServerProcess } from '../support/serverProcess.ts';
import { createStoreClient, type StoreClient } from '../support/storeClient.ts';
import { startStoreServer, type StoreServer } from '../support/storeServer.ts';
import { waitUntil } from '../support/waitUntil.ts';

const WAITS = 3;
const ALL_EVENTS = ['payment.created', 'payment.processing', 'payment.completed'];

describe('the whole server, as processes of its own', function () {
  this.timeout(60_000);

  let harness: Harness;
  let store: TestStore;
  let api: ServerProcess;
  let workers: ServerProcess;
  let client: StoreClient;
  let storeServer: StoreServer;

  before(async () => {
    harness = await createHarness();
    store = await harness.createTestStore();
    api = await createServerProcess(harness, 'api', { MSQPAY_MAX_WAITS_PER_STORE: String(WAITS) });
    workers = await createServerProcess(harness, 'workers');
    await Promise.all([api.start(), workers.start()]);
    client = createStoreClient({ url: api.url, apiKey: store.apiKey });
    storeServer = await startStoreServer();
    const { data } = await client.api.POST('/webhook-endpoints', {
      body: { url: storeServer.url },
    });
    storeServer.trust(data!.secret);
  });
  afterEach(() => storeServer.answerWith(() => 204));
  after(async () => {
    await api.close();
    await workers.close();
    await storeServer.close();
    await harness.close();
  });

  const newPayment = (orderId: string) =>
    client.createPayment({ orderId, amount: '1500000', token: harness.tokens.TUSD });
  const newCustomer = async (gasless: boolean) =>
    (await createCustomers(harness, { count: 1, token: harness.tokens.TUSD, gasless }))[0]!;

  async function expectAllWebhooksOnce(paymentId: string): Promise<void> {
    await waitUntil(() => storeServer.ofPayment(paymentId).length >= 3, {
      what: `the webhooks of ${paymentId}`,
    });
    // Time for one too many.
    await sleep(1_000);
    const types = storeServer.ofPayment(paymentId).map(({ type }) => type);
    expect(types.sort()).to.deep.equal([...ALL_EVENTS].sort());
    expect(storeServer.refused).to.deep.equal([]);
  }

  /** Once one is answered because as many as may wait, the others do. */
  async function startWaiting(paymentId: string) {
    const params = { path: { paymentId }, query: { wait: 25 } };
    const requests = Array.from({ length: WAITS + 1 }, () =>
      client.api.GET('/payments/{paymentId}/status', { params }),
    );
    const first = await Promise.race(
      requests.map(async (request, index) => ({ index, answer: await request })),
    );
    expect(first.answer.data!.status).to.equal('pending');
    return { answers: Promise.all(requests.filter((_, index) => index !== first.index)) };
  }

  it('completes a payment made directly, and tells the store of each step once', async () => {
    const customer = await newCustomer(false);
    const payment = await newPayment('direct');
    expect(payment.status).to.equal('pending');
    const hash = await payFromWallet(harness, customer, payment);
    await expectAllWebhooksOnce(payment.paymentId);
    const { data } = await client.api.GET('/payments/{paymentId}', {
      params: { path: { paymentId: payment.paymentId } },
    });
    expect(data).to.include({
      status: 'completed',
      txHash: hash,
      payer: customer.address,
      late: false,
    });
    expect(data!.timeline.map(({ type }) => type)).to.deep.equal(ALL_EVENTS);
  });

  it('completes a gasless payment of a customer without any ether, who only signed', async () => {
    const customer = await newCustomer(true);
    const payment = await newPayment('gasless');
    expect(await harness.chain.publicClient.getBalance({ address: customer.address })).to.equal(0n);
    const accepted = await client.relay(customer, payment.paymentId);
    expect(accepted.status).to.equal('processing');
    await expectAllWebhooksOnce(payment.paymentId);
    const { data } = await client.api.GET('/payments/{paymentId}', {
      params: { path: { paymentId: payment.paymentId } },
    });
    expect(data).to.include({ status: 'completed', payer: customer.address });
    expect(data!.relayAttempts.map(({ status }) => status)).to.deep.equal(['succeeded']);
    expect(await harness.chain.publicClient.getBalance({ address: customer.address })).to.equal(0n);
  });

  it('sends every webhook of a payment that nobody ever asks about', async () => {
    const customer = await newCustomer(false);
    const payment = await newPayment('unasked');
    await payFromWallet(harness, customer, payment);
    await expectAllWebhooksOnce(payment.paymentId);
  });

  it('answers a waiting status request when another process changes the payment, long before the wait is over', async () => {
    const customer = await newCustomer(false);
    const payment = await newPayment('waiting');
    const waiting = await startWaiting(payment.paymentId);
    const paidAt = performance.now();
    await payFromWallet(harness, customer, payment);
    for (const { data } of await waiting.answers) expect(data!.status).to.equal('processing');
    expect(performance.now() - paidAt, 'they could have waited for 25 s').to.be.below(20_000);
  });

  it('leaves no failed job behind', async () => {
    for (const queue of harness.queues.all)
      expect(await queue.getFailed(), queue.name).to.deep.equal([]);
  });

  it('ends waiting status requests with their answer when the API is told to stop by Ctrl-C', async () => {
    const payment = await newPayment('stopping');
    const waiting = await startWaiting(payment.paymentId);
    const stoppedAt = Date.now();
    const exit = await api.kill('SIGINT');
    expect(Date.now() - stoppedAt, 'they would have waited for 25 s').to.be.below(15_000);
    expect(exit).to.deep.equal({ code: 0, signal: null });
    for (const { data, response } of await waiting.answers) {
      expect(response.status).to.equal(200);
      expect(data!.status).to.equal('pending');
    }
    await api.start();
  });

  it('lets a job that is being worked on finish when the workers are told to stop by SIGTERM', async () => {
    let exit: ReturnType<ServerProcess['kill']> | undefined;
    storeServer.answerWith(async () => {
      exit ??= workers.kill('SIGTERM');
      await sleep(1_000);
      return 204;
    });
    const payment = await newPayment('draining');
    await waitUntil(() => exit, { what: 'the webhook' });
    expect(await exit).to.deep.equal({ code: 0, signal: null });
    const deliveries = await selectRows<{ status: string; attempts: number }>(
      harness.ctx.db,
      'SELECT d.status, d.attempts FROM webhook_deliveries d JOIN events e ON e.id = d.event_id WHERE e.subject_id = ?',
      [payment.paymentId],
    );
    expect(deliveries).to.deep.equal([{ status: 'succeeded', attempts: 1 }]);
    expect(
      await selectRows(harness.ctx.db, "SELECT id FROM outbox WHERE queue = 'webhook'"),
    ).to.deep.equal([]);
    await workers.start();
    await sleep(1_000);
    expect(storeServer.ofPayment(payment.paymentId)).to.have.length(1);
  });
});
