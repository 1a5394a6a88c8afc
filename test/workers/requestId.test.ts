import { Writable } from 'node:stream';
import { expect } from 'chai';
import { pino } from 'pino';

import { startServer } from '../../api/http/startServer.ts';
import { createWebhookEndpoint } from '../../domain/webhooks/service.ts';
import { createCustomers } from '../support/customers.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { runWorkers, type RunningWorkers } from '../support/runWorkers.ts';
import { createStoreClient } from '../support/storeClient.ts';
import { startStoreServer, type StoreServer } from '../support/storeServer.ts';
import { waitUntil } from '../support/waitUntil.ts';

describe('the id of a request', function () {
  this.timeout(40_000);

  let harness: Harness;
  let store: TestStore;
  let storeServer: StoreServer;
  let server: Awaited<ReturnType<typeof startServer>>;
  let workers: RunningWorkers;
  const lines: Record<string, unknown>[] = [];

  before(async function () {
    this.timeout(120_000);
    harness = await createHarness();
    store = await harness.createTestStore();
    storeServer = await startStoreServer();
    storeServer.trust(
      (
        await createWebhookEndpoint(harness.ctx, {
          storeId: store.storeId,
          url: storeServer.url,
          eventTypes: null,
        })
      ).secret,
    );
    server = await startServer(harness.ctx, harness.queues.all);
    const log = pino(
      { level: 'debug' },
      new Writable({
        write(chunk: Buffer, _encoding, done) {
          lines.push(JSON.parse(chunk.toString('utf8')) as Record<string, unknown>);
          done();
        },
      }),
    );
    workers = await runWorkers(harness, ['relay', 'confirm', 'webhook', 'chain-scan'], { log });
  });
  after(async () => {
    await workers.stop();
    await server.stop();
    await storeServer.close();
    await harness.close();
  });

  const linesOf = (requestId: string, message: string) =>
    lines.filter((line) => line['requestId'] === requestId && line['msg'] === message);

  it('is in the log lines of the jobs that it caused, in another process', async () => {
    const headers = {
      'x-api-key': store.apiKey,
      'content-type': 'application/json',
      'x-request-id': 'req-of-the-store',
    };
    const body = JSON.stringify({ orderId: 'order-1', amount: '1', token: harness.tokens.TUSD });
    const response = await fetch(`${server.url}/api/v1/payments`, {
      method: 'POST',
      headers,
      body,
    });
    expect(response.headers.get('x-request-id')).to.equal('req-of-the-store');
    const { paymentId } = (await response.json()) as { paymentId: string };
    await waitUntil(() => linesOf('req-of-the-store', 'a webhook was posted').length > 0, {
      what: 'the job’s log line',
    });
    const [line] = linesOf('req-of-the-store', 'a webhook was posted');
    expect(line).to.include({ queue: 'webhook', statusCode: 204 });
    expect(storeServer.ofPayment(paymentId)).to.have.length(1);
  });

  it('follows a gasless payment to the relayer and to its end', async () => {
    const client = createStoreClient({ url: server.url, apiKey: store.apiKey });
    const [customer] = await createCustomers(harness, {
      count: 1,
      token: harness.tokens.TUSD,
      gasless: true,
    });
    const payment = await client.createPayment({
      orderId: 'gasless',
      amount: '1',
      token: harness.tokens.TUSD,
    });
    client.api.use({
      onRequest: ({ request }) => request.headers.set('x-request-id', 'req-of-the-relay'),
    });
    await client.relay(customer!, payment.paymentId);
    await waitUntil(
      () =>
        linesOf('req-of-the-relay', 'relay attempt changed').some(
          (line) => line['to'] === 'succeeded',
        ),
      {
        what: 'the end of the attempt',
      },
    );
    expect(linesOf('req-of-the-relay', 'handed to the relayer')).to.have.length(1);
    expect(
      linesOf('req-of-the-relay', 'relay attempt changed').map((line) => line['to']),
    ).to.deep.equal(['submitting', 'submitted', 'mined', 'succeeded']);
  });
});
