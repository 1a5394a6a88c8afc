import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { Cluster, Redis } from 'ioredis';
import type { Options } from 'express-rate-limit';

import { createRedisRateLimitStore } from '../../api/http/middleware/redisRateLimitStore.ts';
import { createRedis, type RedisConnectionKind } from '../../platform/redis.ts';
import { letGoOn } from '../support/letGoOn.ts';
import { startRedisCluster, type RedisCluster } from '../support/startRedisCluster.ts';
import { waitUntil } from '../support/waitUntil.ts';

/**
 * Nothing is done with a connection before it is this old: one that ends at once is not made anew
 * at once.
 */
const OLD_ENOUGH_MS = 600;
/**
 * A connection that waits for an answer and hears nothing has ended by then: five seconds, half a
 * second to end, and what a busy machine takes.
 */
const DROPPED_WITHIN_MS = 15_000;
/**
 * Half a second, a question to two nodes, and what a busy machine takes. Without looking for it, it
 * would not be found at all.
 */
const BACK_WITHIN_MS = 15_000;

/** The connections to the nodes of a cluster, each of which may break or fall silent by itself. */
describe('nodes of a Redis Cluster', function () {
  this.timeout(120_000);

  let cluster: RedisCluster;
  /** A key of each node. */
  let keys: string[];
  const open: Cluster[] = [];

  before(async () => {
    // So that the others go on without one that is silent for a while.
    cluster = await startRedisCluster({ nodeTimeoutMs: 120_000 });
    keys = [];
    for (let number = 0; keys.filter(Boolean).length < 3; number++)
      keys[await cluster.indexOf(`key${number}`)] ??= `key${number}`;
  });
  afterEach(() => {
    letGoOn(cluster.nodes);
    for (const redis of open.splice(0)) redis.disconnect();
  });
  after(() => cluster.close());

  async function connect(kind: RedisConnectionKind): Promise<Cluster> {
    const redis = createRedis(
      `redis+cluster://:${cluster.password}@${cluster.hosts}`,
      kind,
    ) as Cluster;
    redis.on('error', () => undefined);
    open.push(redis);
    await waitUntil(() => redis.status === 'ready', { what: 'the cluster' });
    return redis;
  }
  const connectionTo = (redis: Cluster, index: number): Redis | undefined =>
    redis.nodes('master').find(({ options: { port } }) => port === cluster.nodes[index]!.port);
  const isConnected = (redis: Cluster, index: number) =>
    connectionTo(redis, index)?.status === 'ready';
  const waitForAll = (redis: Cluster) =>
    waitUntil(() => [0, 1, 2].every((index) => isConnected(redis, index)), {
      what: 'every node to be connected',
    });
  const ending = (node: Redis | undefined) =>
    new Promise<void>((resolve) => node!.once('end', resolve));
  const outcomeOf = (answer: Promise<unknown>) =>
    answer.then(String, (error: Error) => error.message);

  it('are connected before anybody asks, where nobody waits for long', async () => {
    await waitForAll(await connect('command'));
  });

  for (const kind of ['command', 'worker'] as const) {
    it(`are waited for by commands while they are being connected, in their order (${kind})`, async () => {
      const redis = await connect(kind);
      // What is refused meanwhile would be tried again after this time: later than its answer is
      // waited for.
      redis.options.retryDelayOnFailover = 60_000;
      const ask = () => [
        ...Array.from({ length: 20 }, () => redis.incr(keys[0]!)),
        redis
          .multi()
          .incr(keys[0]!)
          .incr(keys[0]!)
          .exec()
          .then((results) => results?.map(([, value]) => value)),
      ];
      await redis.del(keys[0]!);
      expect(await Promise.all(ask())).to.deep.equal([
        ...Array.from({ length: 20 }, (_, index) => index + 1),
        [21, 22],
      ]);
      await sleep(OLD_ENOUGH_MS);
      const ended = ending(connectionTo(redis, 0));
      await cluster.admins[0]!.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
      await ended;
      expect(await Promise.all(ask())).to.deep.equal([
        ...Array.from({ length: 20 }, (_, index) => index + 23),
        [43, 44],
      ]);
    });
  }

  it('that are left and come back before their former connection has ended are kept', async () => {
    const redis = await connect('command');
    await waitForAll(redis);
    const pool = Reflect.get(redis, 'connectionPool') as {
      reset(nodes: { host: string; port: number }[]): void;
    };
    const addresses = cluster.nodes.map(({ port }) => ({ host: '127.0.0.1', port }));
    const ended = ending(connectionTo(redis, 0));
    pool.reset(addresses.slice(1));
    pool.reset(addresses);
    const next = connectionTo(redis, 0);
    await ended;
    expect(connectionTo(redis, 0)).to.equal(next).and.not.to.equal(undefined);
  });

  it('that fall silent are left within the limit, keep nobody from the others, and are back when they answer', async () => {
    const redis = await connect('command');
    await waitForAll(redis);
    const failures: string[] = [];
    const askOthers = async () => {
      for (const key of keys.slice(1))
        await redis.get(key).catch((error: Error) => failures.push(error.message));
    };
    const dropped = ending(connectionTo(redis, 0));
    let isDropped = false;
    void dropped.then(() => (isDropped = true));
    process.kill(cluster.nodes[0]!.pid, 'SIGSTOP');
    expect(await outcomeOf(redis.get(keys[0]!))).to.equal('Command timed out');
    await waitUntil(async () => (await askOthers(), isDropped), {
      what: 'the silent connection to end',
      timeoutMs: DROPPED_WITHIN_MS,
    });
    // However often it is tried in vain.
    const until = performance.now() + 6_000;
    while (performance.now() < until) {
      await askOthers();
      await sleep(50);
    }
    expect(failures).to.deep.equal([]);
    expect(isConnected(redis, 0)).to.equal(false);
    process.kill(cluster.nodes[0]!.pid, 'SIGCONT');
    // Without a command for it.
    await waitUntil(() => isConnected(redis, 0), { what: 'the node', timeoutMs: BACK_WITHIN_MS });
    expect(await redis.set(keys[0]!, 'back')).to.equal('OK');
  });

  it('that fall silent keep what consumers ask for, which ask the others meanwhile', async () => {
    const redis = await connect('worker');
    for (const key of keys) await redis.set(key, 'here');
    const dropped = ending(connectionTo(redis, 0));
    process.kill(cluster.nodes[0]!.pid, 'SIGSTOP');
    const answer = outcomeOf(redis.get(keys[0]!));
    expect(await Promise.all(keys.slice(1).map((key) => redis.get(key)))).to.deep.equal([
      'here',
      'here',
    ]);
    await dropped;
    expect(await Promise.all(keys.slice(1).map((key) => redis.get(key)))).to.deep.equal([
      'here',
      'here',
    ]);
    process.kill(cluster.nodes[0]!.pid, 'SIGCONT');
    expect(await answer).to.equal('here');
  });

  it('that a consumer waits on are left by it for good when it is ended', async () => {
    const consumer = (await connect('worker')).duplicate();
    open.push(consumer);
    consumer.on('error', () => undefined);
    await new Promise((resolve) => consumer.once('ready', resolve));
    await consumer.del(keys[0]!);
    const waiting = outcomeOf(consumer.bzpopmin(keys[0]!, 10));
    await waitUntil(
      async () => / cmd=bzpopmin /.test(String(await cluster.admins[0]!.client('LIST'))),
      { what: 'it to wait' },
    );
    consumer.disconnect();
    expect(await waiting).to.equal('Connection is closed.');
    // Any other state makes BullMQ connect it anew.
    expect(consumer.status).to.equal('end');
  });

  it('that are idle keep their connections', async () => {
    const redis = await connect('command');
    await waitForAll(redis);
    const before = [0, 1, 2].map((index) => connectionTo(redis, index));
    for (const key of keys) await redis.get(key);
    // Longer than silence is borne by one who waits for an answer.
    await sleep(6_000);
    expect([0, 1, 2].map((index) => connectionTo(redis, index)?.status)).to.deep.equal([
      'ready',
      'ready',
      'ready',
    ]);
    expect([0, 1, 2].map((index) => connectionTo(redis, index))).to.deep.equal(before);
  });

  it('that do not answer leave only the limits uncounted whose counters they have', async () => {
    const redis = await connect('command');
    await waitForAll(redis);
    const store = createRedisRateLimitStore(
      { redis, config: { queuePrefix: '{limits}' } } as unknown as Parameters<
        typeof createRedisRateLimitStore
      >[0],
      't:',
    );
    void store.init?.({ windowMs: 60_000 } as Options);
    const counters: string[] = [];
    for (let number = 0; counters.filter(Boolean).length < 3; number++)
      counters[await cluster.indexOf(`limits:rate:t:${number}`)] ??= String(number);
    const count = async (index: number) =>
      outcomeOf(
        Promise.resolve(store.increment(counters[index]!)).then(({ totalHits }) => totalHits),
      );
    process.kill(cluster.nodes[0]!.pid, 'SIGSTOP');
    expect(await count(0)).to.equal('Redis did not answer in time');
    // It is left alone now, and the others are not.
    await waitUntil(
      async () => {
        const [own, ...others] = await Promise.all([0, 1, 2].map(count));
        return (
          own === 'Redis is left alone after a failure' &&
          others.every((counted) => Number(counted) > 0)
        );
      },
      {
        what: 'the others to be counted while the silent one is left alone',
        everyMs: 10,
        timeoutMs: 10_000,
      },
    );
  });

  it('that are all away fail who cannot wait at once, and are found again', async () => {
    const redis = await connect('command');
    await waitForAll(redis);
    await Promise.all(cluster.nodes.map((node) => node.kill()));
    await waitUntil(() => redis.status !== 'ready', { what: 'the cluster to be missed' });
    expect(await outcomeOf(redis.get(keys[0]!))).to.equal('Connection is closed.');
    await Promise.all(cluster.nodes.map((node) => node.restart()));
    await waitUntil(async () => (await outcomeOf(redis.set(keys[0]!, 'again'))) === 'OK', {
      what: 'the cluster',
      timeoutMs: 30_000,
    });
  });
});
