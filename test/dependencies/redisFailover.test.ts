import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';

import { startRedis, type RedisServer } from '../../dev/redis.ts';
import { createRedis, type RedisConnection } from '../../platform/redis.ts';
import { startHealthServer } from '../../workers/startHealthServer.ts';
import { startTestApi, type TestApi } from '../api/startTestApi.ts';
import { closeAll } from '../support/closeAll.ts';
import { letGoOn } from '../support/letGoOn.ts';
import { runWorkers, type RunningWorkers } from '../support/runWorkers.ts';
import { startStoreServer, type StoreServer } from '../support/storeServer.ts';
import { createTcpSwitch, type TcpSwitch } from '../support/tcpSwitch.ts';
import { waitUntil } from '../support/waitUntil.ts';

/**
 * Two Redis behind one address. Neither ever dies: connections stay as they are, and only what they
 * lead to changes.
 */
describe('a fail-over of Redis', function () {
  this.timeout(120_000);

  let folder: string;
  let servers: RedisServer[];
  let admins: RedisConnection[];
  let address: TcpSwitch;
  let api: TestApi;
  let workers: RunningWorkers;
  let health: Awaited<ReturnType<typeof startHealthServer>>;
  let store: StoreServer;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'msqpay-failover-'));
    servers = [];
    for (const name of ['first', 'second']) {
      servers.push(
        await startRedis({ dataDir: join(folder, name), logPath: join(folder, `${name}.log`) }),
      );
    }
    admins = servers.map(({ url }) => createRedis(url, 'worker'));
    const first = servers[0]!;
    // One password for both, as behind one address there has to be.
    const { password } = new URL(first.url);
    for (const admin of admins) {
      await admin.config('SET', 'masterauth', password);
      await admin.config('SET', 'requirepass', password);
    }
    await admins[1]!.replicaof('127.0.0.1', first.port);
    await waitUntil(
      async () => (await admins[1]!.info('replication')).includes('master_link_status:up'),
      { what: 'the replica' },
    );

    address = await createTcpSwitch(first.port);
    const url = new URL(first.url);
    url.port = String(address.port);
    api = await startTestApi({
      env: {
        REDIS_URL: url.href,
        MSQPAY_RATE_LIMIT_PER_MINUTE: '100',
        MSQPAY_WEBHOOK_ALLOW_PRIVATE_NETWORKS: 'true',
      },
    });
    workers = await runWorkers(api, ['webhook', 'expire', 'maintenance']);
    health = await startHealthServer(workers.ctx, '127.0.0.1', 0);
    store = await startStoreServer();
    const endpoint = await api.call('/webhook-endpoints', { json: { url: store.url } });
    expect(endpoint.status).to.equal(201);
    store.trust(((await endpoint.json()) as { secret: string }).secret);
  });
  after(async () => {
    letGoOn(servers);
    await closeAll([
      () => health.close(),
      () => workers.stop(1_000),
      () => api.close(),
      () => store.close(),
      () => address.close(),
      ...admins.map((admin) => () => admin.disconnect()),
      ...servers.map((server) => () => server.close()),
      () => rmSync(folder, { recursive: true, force: true }),
    ]);
  });

  async function expectWebhook(): Promise<void> {
    const { paymentId } = await api.createPayment();
    await waitUntil(() => store.ofPayment(paymentId).length > 0, {
      what: 'the webhook',
      timeoutMs: 15_000,
    });
  }
  const leftOf = async () =>
    Number(/r=(\d+)/.exec((await api.call('/tokens')).headers.get('ratelimit') ?? '')?.[1]);
  const redisStatus = async () => {
    const { dependencies } = (await (await fetch(`${api.url}/readyz`)).json()) as {
      dependencies: { name: string; status: string }[];
    };
    return dependencies.find(({ name }) => name === 'redis')?.status;
  };

  const workersHealth = async () => {
    const response = await fetch(`${health.url}/healthz`);
    const { database, redis } = (await response.json()) as { database: boolean; redis: boolean };
    return [response.status, database, redis].join();
  };

  it('is followed by every connection: jobs go on, limits hold, readiness knows', async () => {
    await expectWebhook();
    expect(await redisStatus()).to.equal('up');
    await admins[1]!.replicaof('NO', 'ONE');
    address.leadTo(servers[1]!.port);
    await admins[0]!.replicaof('127.0.0.1', servers[1]!.port);

    await expectWebhook();
    await waitUntil(async () => (await redisStatus()) === 'up', { what: 'readiness' });
    // What Redis does not answer within a quarter of a second is let through uncounted, and so is
    // what comes within a second after it.
    let left = await leftOf();
    await waitUntil(
      async () => {
        const before = left;
        left = await leftOf();
        return left === before - 1;
      },
      { what: 'limits', timeoutMs: 30_000 },
    );
    expect(address.opened, 'connections to the new primary').to.be.above(3);
  });

  it('that takes no writes, for want of memory or of replicas, or as a replica, is told by the readiness of the API and of workers', async () => {
    const admin = admins[1]!;
    const set = (name: string, value: string) => () => admin.config('SET', name, value);
    for (const [what, begin, end] of [
      ['a full memory', set('maxmemory', '1'), set('maxmemory', '0')],
      ['too few replicas', set('min-replicas-to-write', '5'), set('min-replicas-to-write', '0')],
      // Of nobody who is there: it answers, and takes no writes.
      ['a replica', () => admin.replicaof('127.0.0.1', 1), () => admin.replicaof('NO', 'ONE')],
    ] as const) {
      await begin();
      await waitUntil(async () => (await redisStatus()) === 'down', {
        what: `readiness with ${what}`,
      });
      await waitUntil(async () => (await workersHealth()) === '503,true,false', {
        what: `workers with ${what}`,
      });
      await end();
      await waitUntil(async () => (await redisStatus()) === 'up', {
        what: `readiness without ${what}`,
      });
      await waitUntil(async () => (await workersHealth()) === '200,true,true', {
        what: `workers without ${what}`,
      });
    }
    await expectWebhook();
  });

  it('that leaves the former primary silent, with its connections open, is followed all the same', async () => {
    await admins[0]!.replicaof('NO', 'ONE');
    process.kill(servers[1]!.pid, 'SIGSTOP');
    address.leadTo(servers[0]!.port);
    await waitUntil(async () => (await redisStatus()) === 'up', {
      what: 'readiness',
      timeoutMs: 30_000,
    });
    const { paymentId } = await api.createPayment();
    await waitUntil(() => store.ofPayment(paymentId).length > 0, {
      what: 'the webhook',
      timeoutMs: 40_000,
    });
    const heard: string[] = [];
    const unsubscribe = workers.ctx.signals.onChanged('payment', (id) => heard.push(id));
    await waitUntil(
      async () => {
        await api.ctx.signals.changed([{ topic: 'payment', id: paymentId }]);
        return heard.includes(paymentId);
      },
      { what: 'a hint', timeoutMs: 30_000 },
    );
    unsubscribe();
  });
});
