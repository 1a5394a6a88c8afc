import { expect } from 'chai';

import { startServer, type RunningServer } from '../../api/startServer.ts';
import type { Context } from '../../platform/context.ts';
import { createContext } from '../../platform/createContext.ts';
import { createRedis } from '../../platform/redis.ts';
import { createSignals, REMEMBERED_MS, type Signals } from '../../platform/signals.ts';
import { startTestApi, type TestApi } from './startTestApi.ts';

/** Many: a read that is stale by a millisecond is not stale every time. */
const ROUNDS = 30;

describe('a read that follows an acknowledged change', function () {
  this.timeout(60_000);

  let api: TestApi;
  /** Another process: with a database pool, a memory and connections of its own. */
  let other: { ctx: Context; close: () => Promise<void> };
  let otherServer: RunningServer;
  const closing: (() => unknown)[] = [];

  before(async () => {
    api = await startTestApi({ env: { MSQPAY_RATE_LIMIT_PER_MINUTE: '100000' } });
    other = await createContext(api.config, { name: 'api' });
    otherServer = await startServer(other.ctx, [], { idleMs: 10 });
  });
  after(async () => {
    await otherServer.stop();
    await other.close();
    await api.close();
  });
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });

  const statusAt = async (server: RunningServer, paymentId: string) => {
    const response = await api.call(`${server.url}/api/v1/payments/${paymentId}/status`);
    expect(response.status).to.equal(200);
    return ((await response.json()) as { status: string }).status;
  };
  const cancelAt = async (server: RunningServer, paymentId: string) => {
    expect((await api.call(`${server.url}/api/v1/payments/${paymentId}/cancel`, { method: 'POST' })).status).to.equal(200);
  };
  /** Remembered by the one process, changed by the other, and read from the first at once. */
  async function readAfterCancel(reader: RunningServer, writer: RunningServer): Promise<string> {
    const { paymentId } = await api.createPayment();
    for (let asked = 0; asked < 3; asked++) expect(await statusAt(reader, paymentId)).to.equal('pending');
    await cancelAt(writer, paymentId);
    return statusAt(reader, paymentId);
  }
  async function readMany(reader: RunningServer, writer: RunningServer): Promise<Set<string>> {
    const statuses = new Set<string>();
    for (let round = 0; round < ROUNDS; round++) statuses.add(await readAfterCancel(reader, writer));
    return statuses;
  }
  /** The other process, with hints that fail as they do when a part of Redis, or the way to it, is away. */
  async function withSignals(create: () => Signals): Promise<RunningServer> {
    // A pool of its own: what a process remembers hangs on it.
    const { ctx, close } = await createContext(api.config, { name: 'api' });
    const signals = create();
    const server = await startServer({ ...ctx, signals }, [], { idleMs: 10 });
    closing.push(
      () => server.stop(),
      () => signals.close(),
      close,
    );
    return server;
  }
  const signalsOver = (options: { redis: () => ReturnType<typeof createRedis>; subscribe: () => ReturnType<typeof createRedis> }) => () => {
    const redis = options.redis();
    redis.on('error', () => undefined);
    closing.push(() => redis.disconnect());
    return createSignals({ redis, subscribe: options.subscribe, prefix: api.config.queuePrefix, log: api.ctx.log });
  };
  const connect = (kind: 'command' | 'subscriber') => createRedis(api.config.redisUrl, kind);
  const away = () => createRedis('redis://127.0.0.1:1', 'command');

  it('is not older than it, in the same process', async () => {
    expect(await readMany(api.server, api.server)).to.deep.equal(new Set(['cancelled']));
  });

  it('is not older than it, in another process', async () => {
    expect(await readMany(otherServer, api.server)).to.deep.equal(new Set(['cancelled']));
  });

  it('is answered from memory as long as nothing changed', async () => {
    const { paymentId } = await api.createPayment();
    await statusAt(otherServer, paymentId);
    let questions = 0;
    other.ctx.db.on('query', () => questions++);
    for (let asked = 0; asked < 20; asked++) await statusAt(otherServer, paymentId);
    other.ctx.db.removeAllListeners('query');
    expect(questions).to.be.below(10);
  });

  it('also when the process that changes cannot reach Redis: it answers later', async () => {
    const writer = await withSignals(signalsOver({ redis: away, subscribe: () => connect('subscriber') }));
    const { paymentId } = await api.createPayment();
    for (let asked = 0; asked < 3; asked++) expect(await statusAt(otherServer, paymentId)).to.equal('pending');
    const changedAt = performance.now();
    await cancelAt(writer, paymentId);
    expect(performance.now() - changedAt).to.be.above(REMEMBERED_MS - 50);
    expect(await statusAt(otherServer, paymentId)).to.equal('cancelled');
  });

  it('also when the process that reads cannot reach Redis', async () => {
    const reader = await withSignals(signalsOver({ redis: away, subscribe: () => connect('subscriber') }));
    expect(await readMany(reader, api.server)).to.deep.equal(new Set(['cancelled']));
  });

  it('also when the hints do not arrive', async () => {
    const deaf = () => Object.assign(connect('subscriber'), { subscribe: () => Promise.resolve(0) }) as ReturnType<typeof createRedis>;
    const reader = await withSignals(signalsOver({ redis: () => connect('command'), subscribe: deaf }));
    expect(await readMany(reader, api.server)).to.deep.equal(new Set(['cancelled']));
  });

  it('also when Redis has lost its count', async () => {
    for (let round = 0; round < 5; round++) {
      const { paymentId } = await api.createPayment();
      for (let asked = 0; asked < 3; asked++) expect(await statusAt(otherServer, paymentId)).to.equal('pending');
      await api.ctx.redis.del(`${api.config.queuePrefix}:changes`);
      await cancelAt(api.server, paymentId);
      expect(await statusAt(otherServer, paymentId)).to.equal('cancelled');
    }
  });
});
