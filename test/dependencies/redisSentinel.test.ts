import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';

import { startRedis, type RedisServer } from '../../dev/redis.ts';
import { selectRows } from '../../platform/db.ts';
import { createContext } from '../../platform/createContext.ts';
import { createLogger } from '../../platform/logger.ts';
import { createRedis, type RedisConnection } from '../../platform/redis.ts';
import type { Bytes32 } from '../../shared/hex.ts';
import { startTestApi, type TestApi } from '../api/startTestApi.ts';
import { runWorkers, type RunningWorkers } from '../support/runWorkers.ts';
import { startStoreServer, type StoreServer } from '../support/storeServer.ts';
import { waitUntil } from '../support/waitUntil.ts';

/** A primary and a replica, each a process, and three sentinels that decide which is which. */
describe('Redis with Sentinel', function () {
  this.timeout(180_000);

  const password = randomBytes(16).toString('hex');
  let folder: string;
  let servers: RedisServer[];
  let sentinels: RedisServer[];
  let sentinel: RedisConnection;
  let api: TestApi;
  let workers: RunningWorkers;
  let store: StoreServer;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'msqpay-sentinel-'));
    const start = (name: string, configuration: readonly string[], isSentinel = false) =>
      startRedis({ dataDir: join(folder, name), logPath: join(folder, `${name}.log`), password, configuration, isSentinel });
    const first = await start('first', [`masterauth ${password}`]);
    servers = [first, await start('second', [`masterauth ${password}`, `replicaof 127.0.0.1 ${first.port}`])];
    sentinels = [];
    for (const name of ['one', 'two', 'three']) {
      const lines = [
        `sentinel monitor shop 127.0.0.1 ${first.port} 2`,
        `sentinel auth-pass shop ${password}`,
        `sentinel sentinel-pass ${password}`,
        'sentinel down-after-milliseconds shop 1000',
        'sentinel failover-timeout shop 6000',
      ];
      sentinels.push(await start(name, lines, true));
    }
    sentinel = createRedis(`redis://:${password}@127.0.0.1:${sentinels[0]!.port}`, 'worker');
    await waitUntil(async () => /slaves=1,sentinels=3/.test(await sentinel.info('sentinel')), { what: 'the sentinels to know each other' });

    const hosts = sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',');
    api = await startTestApi({
      env: {
        REDIS_URL: `redis+sentinel://:${password}@${hosts}/2?name=shop&sentinel-password=${password}`,
        MSQPAY_RATE_LIMIT_PER_MINUTE: '1000',
        MSQPAY_WEBHOOK_ALLOW_PRIVATE_NETWORKS: 'true',
      },
    });
    workers = await runWorkers(api, ['webhook', 'expire', 'maintenance', 'chain-scan']);
    store = await startStoreServer();
    const endpoint = await api.call('/webhook-endpoints', { json: { url: store.url } });
    store.trust(((await endpoint.json()) as { secret: string }).secret);
  });
  after(async () => {
    // One that was stopped must go on before it can end.
    for (const server of [...servers, ...sentinels.slice(0, 2)]) process.kill(server.pid, 'SIGCONT');
    await workers.stop(1_000);
    await api.close();
    await store.close();
    sentinel.disconnect();
    await Promise.all([...sentinels, ...servers].map((server) => server.close()));
    rmSync(folder, { recursive: true, force: true });
  });

  const primaryPort = async () => Number(((await sentinel.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'shop')) as string[])[1]);
  const redisStatus = async () => {
    const { dependencies } = (await (await fetch(`${api.url}/readyz`)).json()) as { dependencies: { name: string; status: string }[] };
    return dependencies.find(({ name }) => name === 'redis')?.status;
  };
  const leftOf = async () => Number(/r=(\d+)/.exec((await api.call('/tokens')).headers.get('ratelimit') ?? '')?.[1]);

  async function expectToWork(): Promise<void> {
    await waitUntil(async () => (await redisStatus()) === 'up', { what: 'readiness', timeoutMs: 30_000 });
    const { paymentId } = await api.createPayment();
    await waitUntil(() => store.ofPayment(paymentId).length > 0, { what: 'the webhook', timeoutMs: 30_000 });
    // Hints go from one process to the other, and each knows that it has heard all of them.
    const heard: string[] = [];
    const unsubscribe = workers.ctx.signals.onPaymentChanged((id) => heard.push(id));
    await waitUntil(
      async () => {
        await api.ctx.signals.paymentsChanged([paymentId as Bytes32]);
        return heard.includes(paymentId) && (await workers.ctx.signals.isUpToDate());
      },
      { what: 'a hint', timeoutMs: 30_000 },
    );
    unsubscribe();
    let left = await leftOf();
    await waitUntil(
      async () => {
        const before = left;
        left = await leftOf();
        return left === before - 1;
      },
      { what: 'limits', timeoutMs: 30_000 },
    );
  }

  /** Payments go on being made and told while `fail` makes the primary useless. */
  async function expectToSurvive(fail: (primary: RedisServer) => Promise<void>): Promise<void> {
    const before = await primaryPort();
    const primary = servers.find(({ port }) => port === before);
    if (primary === undefined) throw new Error('the primary is none of ours');
    const paymentIds: string[] = [];
    const make = async (count: number) => {
      for (let made = 0; made < count; made++) paymentIds.push((await api.createPayment()).paymentId);
    };
    await make(5);
    const failing = fail(primary);
    await make(5);
    await failing;
    await waitUntil(async () => (await primaryPort()) !== before, { what: 'another primary', timeoutMs: 60_000 });
    await make(5);
    await expectToWork();
    await waitUntil(() => paymentIds.every((id) => store.ofPayment(id).length > 0), { what: 'every webhook', timeoutMs: 60_000 });
    for (const id of paymentIds) expect(new Set(store.ofPayment(id).map((told) => told.id)).size, id).to.equal(1);
    await waitUntil(async () => (await selectRows(api.ctx.db, "SELECT id FROM outbox WHERE queue = 'webhook'")).length === 0, {
      what: 'the outbox to be empty',
      timeoutMs: 30_000,
    });
  }

  it('is used at the primary that the sentinels name, in the database of the URL', async () => {
    await expectToWork();
    expect(servers[0]!.port).to.equal(await primaryPort());
    const admin = createRedis(servers[0]!.url, 'worker');
    expect(await admin.info('keyspace'))
      .to.contain('db2:')
      .and.not.to.contain('db0:');
    admin.disconnect();
  });

  it('goes on when the primary is killed, and nothing is lost', async () => {
    await expectToSurvive((primary) => primary.kill());
  });

  it('goes on when the primary falls silent, with its connections open, and one of the sentinels too', async () => {
    await servers[0]!.restart();
    await waitUntil(async () => /slaves=1/.test(await sentinel.info('sentinel')), { what: 'the replica', timeoutMs: 30_000 });
    const admin = createRedis(servers[0]!.url, 'worker');
    await waitUntil(async () => (await admin.info('replication')).includes('master_link_status:up'), {
      what: 'the replica',
      timeoutMs: 30_000,
    });
    admin.disconnect();
    await expectToSurvive(async (primary) => {
      for (const { pid } of [primary, sentinels[1]!]) process.kill(pid, 'SIGSTOP');
    });
  });

  it('tells of a sentinel that is away, by its own event and in the log, never on the console', async () => {
    const url = api.config.redisUrl;
    const log = createLogger(api.config, 'test');
    const warned: string[] = [];
    log.warn = (_facts: unknown, message?: string) => void warned.push(message ?? '');
    const { close } = await createContext(api.config, { name: 'test', log });
    const redis = createRedis(url, 'subscriber');
    const failures: string[] = [];
    redis.on('sentinelError', (error: Error) => failures.push(error.message));
    const written: unknown[] = [];
    const { error } = console;
    console.error = (...words: unknown[]) => void written.push(...words);
    try {
      await waitUntil(() => redis.status === 'ready', { what: 'the connection' });
      await sentinels[2]!.kill();
      await waitUntil(() => failures.length > 1 && warned.includes('a sentinel does not answer'), {
        what: 'word of the sentinel',
        timeoutMs: 60_000,
      });
    } finally {
      console.error = error;
      redis.disconnect();
      await close();
    }
    expect(written).to.deep.equal([]);
    expect(failures.join(' ')).not.to.contain(password);
  });
});
