import { expect } from 'chai';
import type { PrivateKeyAccount } from 'viem/accounts';

import type { components } from '../../api/generated/openapi.ts';
import { startServer, type RunningServer } from '../../api/http/startServer.ts';
import { cancelPayment } from '../../domain/payments/service.ts';
import { getPaymentStatus, noteReadPayment } from '../../domain/payments/status.ts';
import { findPayment } from '../../domain/payments/store.ts';
import { attemptDelivery } from '../../domain/webhooks/attemptDelivery.ts';
import type { Context } from '../../platform/context.ts';
import { EVENT_SINKS } from '../../domain/modules.ts';
import { createContext } from '../../platform/createContext.ts';
import { createRedis } from '../../platform/redis.ts';
import { createSignals, REMEMBERED_MS, type Signals } from '../../platform/signals.ts';
import { asBytes32 } from '../../shared/hex.ts';
import { signTypedData } from '../support/gasless.ts';
import { startStoreServer } from '../support/storeServer.ts';
import { waitUntil } from '../support/waitUntil.ts';
import { readProblem, startTestApi, type TestApi } from './startTestApi.ts';

/** Many: a read that is stale by a millisecond is not stale every time. */
const ROUNDS = 30;

describe('a read that follows an acknowledged change', function () {
  this.timeout(60_000);

  let api: TestApi;
  /** Another process: with a database pool, a memory and connections of its own. */
  let other: { ctx: Context; close: () => Promise<void> };
  let otherServer: RunningServer;
  /** Has approved the gateway. */
  let customer: PrivateKeyAccount;
  const closing: (() => unknown)[] = [];

  before(async () => {
    api = await startTestApi({ env: { MSQPAY_WEBHOOK_ALLOW_PRIVATE_NETWORKS: 'true' } });
    other = await createContext(api.config, { name: 'api', eventSinks: EVENT_SINKS });
    otherServer = await startServer(other.ctx, [], { idleMs: 10 });
    customer = await api.chain.createCustomer({ token: api.tokens.TUSD });
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
    expect(
      (await api.call(`${server.url}/api/v1/payments/${paymentId}/cancel`, { method: 'POST' }))
        .status,
    ).to.equal(200);
  };
  /** Remembered by the one process, changed by the other, and read from the first at once. */
  async function readAfterCancel(reader: RunningServer, writer: RunningServer): Promise<string> {
    const { paymentId } = await api.createPayment();
    for (let asked = 0; asked < 3; asked++)
      expect(await statusAt(reader, paymentId)).to.equal('pending');
    await cancelAt(writer, paymentId);
    return statusAt(reader, paymentId);
  }
  async function readMany(reader: RunningServer, writer: RunningServer): Promise<Set<string>> {
    const statuses = new Set<string>();
    for (let round = 0; round < ROUNDS; round++)
      statuses.add(await readAfterCancel(reader, writer));
    return statuses;
  }
  /**
   * The other process, with hints that fail as they do when a part of Redis, or the way to it, is
   * away.
   */
  async function withSignals(create: () => Signals): Promise<RunningServer> {
    // A pool of its own: what a process remembers hangs on it.
    const { ctx, close } = await createContext(api.config, {
      name: 'api',
      eventSinks: EVENT_SINKS,
    });
    const signals = create();
    const server = await startServer({ ...ctx, signals }, [], { idleMs: 10 });
    closing.push(
      () => server.stop(),
      () => signals.close(),
      close,
    );
    return server;
  }
  const signalsOver =
    (options: {
      redis: () => ReturnType<typeof createRedis>;
      subscribe: () => ReturnType<typeof createRedis>;
    }) =>
    () => {
      const redis = options.redis();
      redis.on('error', () => undefined);
      closing.push(() => redis.disconnect());
      return createSignals({
        redis,
        subscribe: options.subscribe,
        prefix: api.config.queuePrefix,
        log: api.ctx.log,
      });
    };
  const connect = (kind: 'command' | 'subscriber') => createRedis(api.config.redisUrl, kind);
  const away = () => createRedis('redis://127.0.0.1:1', 'command');

  const sign = (typedData: unknown) =>
    signTypedData(customer, typedData as Parameters<typeof signTypedData>[1]);
  async function signExecute() {
    const { paymentId } = await api.createPayment();
    const asked = await api.call(
      `/payments/${paymentId}/authorization?customerAddress=${customer.address}`,
    );
    const { typedData } = (await asked.json()) as components['schemas']['AuthorizationRequest'];
    return {
      paymentId,
      signed: { customerAddress: customer.address, signature: await sign(typedData) },
    };
  }
  async function signRelay() {
    const { paymentId } = await api.createPayment();
    const asked = await api.call(`/payments/${paymentId}/gasless?userAddress=${customer.address}`);
    const { forwardRequest, typedData } =
      (await asked.json()) as components['schemas']['GaslessRequest'];
    return { paymentId, signed: { forwardRequest, signature: await sign(typedData) } };
  }

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
    const writer = await withSignals(
      signalsOver({ redis: away, subscribe: () => connect('subscriber') }),
    );
    const { paymentId } = await api.createPayment();
    for (let asked = 0; asked < 3; asked++)
      expect(await statusAt(otherServer, paymentId)).to.equal('pending');
    const changedAt = performance.now();
    await cancelAt(writer, paymentId);
    expect(performance.now() - changedAt).to.be.above(REMEMBERED_MS - 50);
    expect(await statusAt(otherServer, paymentId)).to.equal('cancelled');
  });

  it('also when the process that reads cannot reach Redis', async () => {
    const reader = await withSignals(
      signalsOver({ redis: away, subscribe: () => connect('subscriber') }),
    );
    expect(await readMany(reader, api.server)).to.deep.equal(new Set(['cancelled']));
  });

  it('also when the hints do not arrive', async () => {
    const deaf = () =>
      Object.assign(connect('subscriber'), { subscribe: () => Promise.resolve(0) }) as ReturnType<
        typeof createRedis
      >;
    const reader = await withSignals(
      signalsOver({ redis: () => connect('command'), subscribe: deaf }),
    );
    expect(await readMany(reader, api.server)).to.deep.equal(new Set(['cancelled']));
  });

  it('also when Redis lost its last count, and came to the same one again while nobody listened', async () => {
    const listener = connect('subscriber');
    const signals = signalsOver({ redis: () => connect('command'), subscribe: () => listener })();
    closing.push(() => signals.close());
    const { paymentId } = await api.createPayment();
    const forgotten: unknown[] = [];
    signals.onChanged('payment', (id) => forgotten.push(id));
    await waitUntil(() => signals.isUpToDate(), { what: 'the count to be known' });
    listener.disconnect();
    await waitUntil(() => forgotten.includes('all'), { what: 'the connection to be over' });
    // As when a replica took over that had not been told of the last change.
    await api.ctx.redis.decr(`${api.config.queuePrefix}:changes`);
    await api.ctx.signals.changed([{ topic: 'payment', id: asBytes32(paymentId) }]);
    expect(await signals.isUpToDate()).to.equal(false);
  });

  it('also when it was told by a webhook, and who made the change died before it could say so', async () => {
    const receiver = await startStoreServer();
    closing.push(() => receiver.close());
    const store = await api.createTestStore();
    const endpoint = await api.call('/webhook-endpoints', { store, json: { url: receiver.url } });
    receiver.trust(((await endpoint.json()) as { secret: string }).secret);
    const { paymentId } = await api.createPayment({}, store);
    const read = async () => {
      const response = await api.call(`${otherServer.url}/api/v1/payments/${paymentId}/status`, {
        store,
      });
      return ((await response.json()) as { status: string }).status;
    };
    for (let asked = 0; asked < 3; asked++) expect(await read()).to.equal('pending');
    const silent = {
      ...api.ctx,
      signals: { ...api.ctx.signals, changed: () => Promise.resolve() },
    };
    await cancelPayment(silent, { storeId: store.storeId, paymentId: asBytes32(paymentId) });
    const deliveries = await api.ctx
      .db('webhook_deliveries as d')
      .join('events as e', 'e.id', 'd.event_id')
      .where({ subject_id: paymentId })
      .pluck<string[]>('d.id');
    expect(deliveries).to.have.length(2);
    for (const id of deliveries) await attemptDelivery(api.ctx, id);
    expect(receiver.ofPayment(paymentId).map(({ type }) => type)).to.include('payment.cancelled');
    expect(await read()).to.equal('cancelled');
  });

  describe('whose maker died before it could say so', () => {
    /**
     * Changes what it is asked to, and tells nobody of it, as when it is killed after its commit.
     */
    const withoutTelling = () =>
      withSignals(() => ({
        ...api.ctx.signals,
        changed: () => Promise.resolve(),
        close: () => Promise.resolve(),
      }));
    const rememberPending = async (paymentId: string) => {
      for (let asked = 0; asked < 3; asked++)
        expect(await statusAt(otherServer, paymentId)).to.equal('pending');
    };
    /**
     * Whether the other process was told that it changed, by now: what it remembers ends by itself
     * too, on a busy machine before it is asked.
     */
    let heard: unknown[] = [];
    let endListening = () => undefined as void;
    before(() => {
      endListening = other.ctx.signals.onChanged(
        'payment',
        (paymentId) => void heard.push(paymentId),
      );
    });
    beforeEach(() => {
      heard = [];
    });
    after(() => endListening());
    async function expectKnownToOther(paymentId: string, status: string): Promise<void> {
      expect(await statusAt(otherServer, paymentId)).to.equal(status);
      await other.ctx.signals.isUpToDate();
      expect(heard.some((one) => one === paymentId || one === 'all')).to.equal(true);
    }
    const cancel = (
      server: RunningServer,
      paymentId: string,
      headers: Record<string, string> = {},
    ) => api.call(`${server.url}/api/v1/payments/${paymentId}/cancel`, { method: 'POST', headers });

    it('is not older than its replay', async () => {
      const dying = await withoutTelling();
      const { paymentId } = await api.createPayment();
      const headers = { 'idempotency-key': `cancel-${paymentId.slice(2, 12)}` };
      await rememberPending(paymentId);
      expect((await cancel(dying, paymentId, headers)).status).to.equal(200);
      const replay = await cancel(api.server, paymentId, headers);
      expect([replay.status, replay.headers.get('idempotent-replayed')]).to.deep.equal([
        200,
        'true',
      ]);
      await expectKnownToOther(paymentId, 'cancelled');
    });

    it('is not older than the refusal that it is the reason of', async () => {
      const dying = await withoutTelling();
      const { paymentId } = await api.createPayment();
      await rememberPending(paymentId);
      expect((await cancel(dying, paymentId)).status).to.equal(200);
      const refusal = await readProblem(await cancel(api.server, paymentId));
      expect([refusal.status, refusal.code]).to.deep.equal([409, 'PAY_004']);
      await expectKnownToOther(paymentId, 'cancelled');
    });

    it('is not older than the replay of a relay', async () => {
      const dying = await withoutTelling();
      const { paymentId, signed } = await signExecute();
      const headers = { 'idempotency-key': `execute-${paymentId.slice(2, 12)}` };
      const execute = (server: RunningServer) =>
        api.call(`${server.url}/api/v1/payments/${paymentId}/execute`, { json: signed, headers });
      await rememberPending(paymentId);
      expect((await execute(dying)).status).to.equal(202);
      const replay = await execute(api.server);
      expect([replay.status, replay.headers.get('idempotent-replayed')]).to.deep.equal([
        202,
        'true',
      ]);
      await expectKnownToOther(paymentId, 'processing');
    });
  });

  describe('that another read has shown, before whoever made it told of it', () => {
    const cancelSilently = async (paymentId: string) => {
      const silent = {
        ...api.ctx,
        signals: { ...api.ctx.signals, changed: () => Promise.resolve() },
      };
      await cancelPayment(silent, { storeId: api.store.storeId, paymentId: asBytes32(paymentId) });
    };
    const readAt = async (path: string) => {
      const response = await api.call(`${otherServer.url}/api/v1/payments${path}`);
      expect(response.status).to.equal(200);
      return (await response.json()) as {
        status?: string;
        timeline?: { type: string }[];
        data?: { paymentId: string; status: string }[];
      };
    };
    /** By what reads it. */
    const reads: Record<string, (paymentId: string) => Promise<string | undefined>> = {
      'its own': async (paymentId) => (await readAt(`/${paymentId}`)).status,
      'the list': async (paymentId) =>
        (await readAt('')).data?.find((one) => one.paymentId === paymentId)?.status,
      'a status request that waits': async (paymentId) =>
        (await readAt(`/${paymentId}/status?wait=25`)).status,
    };
    for (const [what, read] of Object.entries(reads)) {
      it(`is not older: ${what}`, async () => {
        const { paymentId } = await api.createPayment();
        for (let asked = 0; asked < 3; asked++)
          expect(await statusAt(otherServer, paymentId)).to.equal('pending');
        await cancelSilently(paymentId);
        expect(await read(paymentId)).to.equal('cancelled');
        expect(await statusAt(otherServer, paymentId)).to.equal('cancelled');
      });
    }

    it('is not older than the timeline, which may be newer than the payment beside it', async () => {
      const { id: paymentId } = await api.createTestPayment(api.store);
      let forgotten = 0;
      const end = other.ctx.signals.onChanged(
        'payment',
        (id) => void (forgotten += id === paymentId ? 1 : 0),
      );
      await getPaymentStatus(other.ctx, { storeId: api.store.storeId, paymentId, waitSeconds: 0 });
      const payment = (await findPayment(other.ctx.db, paymentId))!;
      noteReadPayment(other.ctx, payment);
      expect(forgotten, 'it is the same').to.equal(0);
      noteReadPayment(other.ctx, { ...payment, version: payment.version + 1 });
      expect(forgotten).to.equal(1);
      end();
    });
  });

  it('is not older than a relay’s 202, on either rail', async () => {
    for (const [rail, { paymentId, signed }] of [
      ['execute', await signExecute()],
      ['relay', await signRelay()],
    ] as const) {
      for (let asked = 0; asked < 3; asked++)
        expect(await statusAt(otherServer, paymentId)).to.equal('pending');
      const accepted = await api.call(`/payments/${paymentId}/${rail}`, { json: signed });
      expect(accepted.status).to.equal(202);
      expect(await statusAt(otherServer, paymentId), rail).to.equal('processing');
    }
  });

  it('is read once for all who ask at the same moment, also with Redis away', async () => {
    const { id: paymentId } = await api.createTestPayment(api.store);
    const isUpToDate = () => new Promise<boolean>((resolve) => setImmediate(() => resolve(false)));
    const ctx = { ...api.ctx, signals: { ...api.ctx.signals, isUpToDate } };
    let questions = 0;
    api.ctx.db.on(
      'query',
      ({ sql }: { sql: string }) => (questions += sql.includes('FROM payments') ? 1 : 0),
    );
    const ask = () =>
      getPaymentStatus(ctx, { storeId: api.store.storeId, paymentId, waitSeconds: 0 });
    for (let round = 1; round <= 3; round++) {
      await Promise.all(Array.from({ length: 50 }, ask));
      expect(questions, 'of each moment').to.equal(round);
    }
    api.ctx.db.removeAllListeners('query');
  });

  it('also when Redis has lost its count', async () => {
    for (let round = 0; round < 5; round++) {
      const { paymentId } = await api.createPayment();
      for (let asked = 0; asked < 3; asked++)
        expect(await statusAt(otherServer, paymentId)).to.equal('pending');
      await api.ctx.redis.del(`${api.config.queuePrefix}:changes`);
      await cancelAt(api.server, paymentId);
      expect(await statusAt(otherServer, paymentId)).to.equal('cancelled');
    }
  });
});
