import { expect } from 'chai';

import type { RedisServer } from '../../dev/redis.ts';
import { selectRows } from '../../platform/db.ts';
import { EVENT_SINKS } from '../../domain/modules.ts';
import { createContext } from '../../platform/createContext.ts';
import { createLogger } from '../../platform/logger.ts';
import { createRedis } from '../../platform/redis.ts';
import type { TestApi } from '../api/startTestApi.ts';
import { closeAll } from '../support/closeAll.ts';
import { letGoOn } from '../support/letGoOn.ts';
import { startRedisSentinel, type SentinelGroup } from '../support/startRedisSentinel.ts';
import type { StoreServer } from '../support/storeServer.ts';
import { waitUntil } from '../support/waitUntil.ts';
import { startServices, type Services } from './startServices.ts';

/** A primary and a replica, each a process, and three sentinels that decide which is which. */
describe('Redis with Sentinel', function () {
  this.timeout(180_000);

  let group: SentinelGroup;
  let services: Services;
  let api: TestApi;
  let store: StoreServer;

  before(async () => {
    group = await startRedisSentinel({ name: 'shop' });
    services = await startServices(
      `redis+sentinel://:${group.password}@${group.hosts}/2?name=shop&sentinel-password=${group.password}`,
    );
    ({ api, store } = services);
  });
  after(async () => {
    letGoOn([...group.servers, ...group.sentinels]);
    await closeAll([() => services.close(), () => group.close()]);
  });

  /** Payments go on being made and told while `fail` makes the primary useless. */
  async function expectToSurvive(fail: (primary: RedisServer) => Promise<void>): Promise<void> {
    const primary = await group.findPrimary();
    const paymentIds: string[] = [];
    const make = async (count: number) => {
      for (let made = 0; made < count; made++)
        paymentIds.push((await api.createPayment()).paymentId);
    };
    await make(5);
    const failing = fail(primary);
    await make(5);
    await failing;
    await waitUntil(async () => (await group.findPrimary()) !== primary, {
      what: 'another primary',
      timeoutMs: 60_000,
    });
    await make(5);
    await services.expectToWork();
    await waitUntil(() => paymentIds.every((id) => store.ofPayment(id).length > 0), {
      what: 'every webhook',
      timeoutMs: 60_000,
    });
    for (const id of paymentIds)
      expect(new Set(store.ofPayment(id).map((told) => told.id)).size, id).to.equal(1);
    await waitUntil(
      async () =>
        (await selectRows(api.ctx.db, "SELECT id FROM outbox WHERE queue = 'webhook'")).length ===
        0,
      {
        what: 'the outbox to be empty',
        timeoutMs: 30_000,
      },
    );
  }

  it('is used at the primary that the sentinels name, in the database of the URL', async () => {
    await services.expectToWork();
    expect(await group.findPrimary()).to.equal(group.servers[0]);
    const admin = createRedis(group.servers[0]!.url, 'worker');
    expect(await admin.info('keyspace'))
      .to.contain('db2:')
      .and.not.to.contain('db0:');
    admin.disconnect();
  });

  it('goes on connecting when it hears of a failover, or is to connect anew, while it connects', async () => {
    const { hosts, password } = group;
    const redis = createRedis(
      `redis+sentinel://:${password}@${hosts}/2?name=shop&sentinel-password=${password}`,
      'worker',
    );
    const seen: string[] = [];
    redis.on('end', () => seen.push('end'));
    try {
      await redis.ping();
      // What ioredis does at a sentinel's `+switch-master`, and what reconnecting on an error does.
      const connector = Reflect.get(redis, 'connector') as { disconnect(): void };
      for (const hear of [() => connector.disconnect(), () => redis.disconnect(true)]) {
        const isConnecting = new Promise((resolve) =>
          redis.once('connecting', () => resolve(hear())),
        );
        redis.disconnect(true);
        await isConnecting;
        await waitUntil(() => redis.status === 'ready' || redis.status === 'end', {
          what: 'an end of connecting',
        });
        expect(redis.status).to.equal('ready');
        expect(await redis.ping()).to.equal('PONG');
      }
      expect(seen).to.deep.equal([]);
      // Whoever ends it while it connects ends it for good.
      const isEnded = new Promise((resolve) =>
        redis.once('connecting', () => resolve(redis.disconnect())),
      );
      redis.disconnect(true);
      await isEnded;
      await waitUntil(() => redis.status === 'end', { what: 'the end' });
    } finally {
      redis.disconnect();
    }
  });

  it('goes on when the primary is killed, and nothing is lost', async () => {
    await expectToSurvive((primary) => primary.kill());
  });

  it('goes on when the primary falls silent, with its connections open, and one of the sentinels too', async () => {
    const { servers, sentinel, sentinels } = group;
    await servers[0]!.restart();
    await waitUntil(async () => /slaves=1/.test(await sentinel.info('sentinel')), {
      what: 'the replica',
      timeoutMs: 30_000,
    });
    const admin = createRedis(servers[0]!.url, 'worker');
    await waitUntil(
      async () => (await admin.info('replication')).includes('master_link_status:up'),
      {
        what: 'the replica',
        timeoutMs: 30_000,
      },
    );
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
    const { close } = await createContext(api.config, {
      name: 'test',
      eventSinks: EVENT_SINKS,
      log,
    });
    const redis = createRedis(url, 'subscriber');
    const failures: string[] = [];
    redis.on('sentinelError', (error: Error) => failures.push(error.message));
    const written: unknown[] = [];
    const { error } = console;
    console.error = (...words: unknown[]) => void written.push(...words);
    try {
      await waitUntil(() => redis.status === 'ready', { what: 'the connection' });
      await group.sentinels[2]!.kill();
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
    expect(failures.join(' ')).not.to.contain(group.password);
  });
});
