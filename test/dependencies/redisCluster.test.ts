import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';

import { createRedis } from '../../platform/redis.ts';
import { closeAll } from '../support/closeAll.ts';
import { createCustomers } from '../support/customers.ts';
import { createHarness, type Harness } from '../support/harness.ts';
import { letGoOn } from '../support/letGoOn.ts';
import { createServerProcess, type ServerProcess } from '../support/serverProcess.ts';
import { startRedisCluster, type RedisCluster } from '../support/startRedisCluster.ts';
import { createStoreClient, type StoreClient } from '../support/storeClient.ts';
import { startStoreServer, type StoreServer } from '../support/storeServer.ts';
import { waitUntil } from '../support/waitUntil.ts';

/** They ask for a job for 10 seconds, wait for the answer a second more, and then connect anew. */
const LONGEST_WAIT_OF_CONSUMERS_MS = 12_000;

/**
 * Three nodes, each with a third of the slots and a replica of its own, and the server's own
 * processes on them.
 */
describe('Redis Cluster', function () {
  this.timeout(240_000);

  let cluster: RedisCluster;
  let harness: Harness;
  let api: ServerProcess;
  let workers: ServerProcess;
  let client: StoreClient;
  let storeServer: StoreServer;
  let apiKeys: string[];

  before(async () => {
    // Longer than a node of a busy machine is held up: only the last test wants a replica to take
    // over.
    cluster = await startRedisCluster({ hasReplicas: true, nodeTimeoutMs: 30_000 });
    harness = await createHarness({
      env: {
        REDIS_URL: `redis+cluster://:${cluster.password}@${cluster.hosts}`,
        MSQPAY_RATE_LIMIT_PER_MINUTE: '1000',
        MSQPAY_OUTBOX_REDRIVE_MS: '30000',
      },
    });
    const stores = await Promise.all(
      ['One', 'Two', 'Three', 'Four', 'Five', 'Six'].map((name) => harness.createTestStore(name)),
    );
    apiKeys = stores.map(({ apiKey }) => apiKey);
    api = await createServerProcess(harness, 'api');
    workers = await createServerProcess(harness, 'workers');
    await Promise.all([api.start(), workers.start()]);
    client = createStoreClient({ url: api.url, apiKey: apiKeys[0]! });
    storeServer = await startStoreServer();
    const { data } = await client.api.POST('/webhook-endpoints', {
      body: { url: storeServer.url },
    });
    storeServer.trust(data!.secret);
  });
  after(async () => {
    await closeAll([
      () => api.close(),
      () => workers.close(),
      () => storeServer.close(),
      () => harness.close(),
      () => cluster.close(),
    ]);
  });

  it('carries a gasless payment from its creation to its last webhook', async () => {
    const [customer] = await createCustomers(harness, {
      count: 1,
      token: harness.tokens.TUSD,
      gasless: true,
    });
    const payment = await client.createPayment({
      orderId: 'clustered',
      amount: '1500000',
      token: harness.tokens.TUSD,
    });
    expect((await client.relay(customer!, payment.paymentId)).status).to.equal('processing');
    await waitUntil(() => storeServer.ofPayment(payment.paymentId).length >= 3, {
      what: 'the webhooks',
      timeoutMs: 30_000,
    });
    expect(
      storeServer
        .ofPayment(payment.paymentId)
        .map(({ type }) => type)
        .sort(),
    ).to.deep.equal(['payment.completed', 'payment.created', 'payment.processing']);
    expect(storeServer.refused).to.deep.equal([]);
  });

  it('wakes up who waits for a payment, by a hint from another process', async () => {
    const payment = await client.createPayment({
      orderId: 'hinted',
      amount: '1500000',
      token: harness.tokens.TUSD,
    });
    const waiting = client.api.GET('/payments/{paymentId}/status', {
      params: { path: { paymentId: payment.paymentId }, query: { wait: 25 } },
    });
    const other = await harness.ctx.signals.isUpToDate();
    expect(other).to.be.a('boolean');
    await waitUntil(() => harness.ctx.signals.isUpToDate(), {
      what: 'a process to have heard of every change',
    });
    const told = performance.now();
    await client.api.POST('/payments/{paymentId}/cancel', {
      params: { path: { paymentId: payment.paymentId } },
    });
    const { data } = await waiting;
    expect(data!.status).to.equal('cancelled');
    expect(performance.now() - told).to.be.below(20_000);
  });

  it('counts the requests of each key, wherever its counter is', async () => {
    const leftOf = async (apiKey: string) => {
      const response = await fetch(`${api.url}/api/v1/tokens`, {
        headers: { 'x-api-key': apiKey },
      });
      return Number(/r=(\d+)/.exec(response.headers.get('ratelimit') ?? '')?.[1]);
    };
    // What Redis does not answer within a quarter of a second is let through uncounted: that may
    // be, on a busy machine.
    const [before, after] = await waitUntil(
      async () => {
        const looks = [
          await Promise.all(apiKeys.map(leftOf)),
          await Promise.all(apiKeys.map(leftOf)),
        ] as const;
        return looks.flat().some(Number.isNaN) ? undefined : looks;
      },
      { what: 'every key to be counted, twice in a row', timeoutMs: 30_000, everyMs: 250 },
    );
    expect(after).to.deep.equal(before.map((left) => left - 1));
    const counters = await Promise.all(
      cluster.admins.map(async (admin) => (await admin.keys('*:rate:*')).length),
    );
    expect(
      counters.filter((count) => count > 0).length,
      `nodes with counters (${counters.join(', ')})`,
    ).to.be.above(1);
  });

  it('is up for readiness, and its queues are shown to operators', async () => {
    const { dependencies } = (await (await fetch(`${api.url}/readyz`)).json()) as {
      dependencies: { name: string; status: string }[];
    };
    expect(dependencies.find(({ name }) => name === 'redis')?.status).to.equal('up');
    const { user, password: adminPassword } = harness.config.admin;
    const response = await fetch(
      `${api.url}/admin/queues/api/queues?activeQueue=webhook&status=completed&page=1&jobsPerPage=10`,
      {
        headers: {
          authorization: `Basic ${Buffer.from(`${user}:${adminPassword}`).toString('base64')}`,
        },
      },
    );
    expect(response.status).to.equal(200);
    const { queues } = (await response.json()) as {
      queues: { name: string; counts: { completed: number } }[];
    };
    expect(queues.find(({ name }) => name === 'webhook')?.counts.completed).to.be.above(0);
    expect(queues.find(({ name }) => name === 'relay')?.counts.completed).to.be.above(0);
  });

  it('leaves a node that falls silent with its connections open, once its replica has taken over', async () => {
    const { nodes, replicas, admins } = cluster;
    const silent = await cluster.indexOf(harness.config.queuePrefix);
    for (const admin of admins) await admin.call('CONFIG', 'SET', 'cluster-node-timeout', '2000');
    const replica = createRedis(replicas[silent]!.url, 'worker');
    // Longer than BullMQ's consumers wait for anything: each of them finds the cluster without that
    // node.
    await replica.call('CONFIG', 'SET', 'cluster-replica-no-failover', 'yes');
    const others = admins[(silent + 1) % nodes.length]!;
    const isWhole = async () =>
      /cluster_state:ok/.test(String(await others.call('CLUSTER', 'INFO')));
    process.kill(nodes[silent]!.pid, 'SIGSTOP');
    try {
      const [customer] = await createCustomers(harness, {
        count: 1,
        token: harness.tokens.TUSD,
        gasless: true,
      });
      const payment = await client.createPayment({
        orderId: 'silent',
        amount: '1500000',
        token: harness.tokens.TUSD,
      });
      expect((await client.relay(customer!, payment.paymentId)).status).to.equal('processing');
      await waitUntil(async () => !(await isWhole()), {
        what: 'the cluster to miss its node',
        timeoutMs: 30_000,
      });
      await sleep(LONGEST_WAIT_OF_CONSUMERS_MS);
      await replica.call('CONFIG', 'SET', 'cluster-replica-no-failover', 'no');
      await waitUntil(isWhole, { what: 'the replica to take over', timeoutMs: 60_000 });
      await waitUntil(() => storeServer.ofPayment(payment.paymentId).length >= 3, {
        what: 'the webhooks',
        timeoutMs: 60_000,
      });
      await waitUntil(() => harness.ctx.signals.isUpToDate(), { what: 'hints', timeoutMs: 30_000 });
    } finally {
      letGoOn([nodes[silent]!]);
      replica.disconnect();
    }
  });
});
