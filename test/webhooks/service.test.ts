import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import sinon from 'sinon';
import { Webhook } from 'standardwebhooks';

import { DONE, later, laterUntried } from '../../domain/outbox/model.ts';
import { attemptDelivery } from '../../domain/webhooks/attemptDelivery.ts';
import { WEBHOOK_ERRORS } from '../../domain/webhooks/errors.ts';
import { buildEventBody } from '../../domain/webhooks/message.ts';
import type { EventType } from '../../domain/events/model.ts';
import { listEvents } from '../../domain/events/listEvents.ts';
import { recordEvents } from '../../domain/events/recordEvents.ts';
import {
  createWebhookEndpoint,
  deleteWebhookEndpoint,
  listWebhookEndpoints,
} from '../../domain/webhooks/service.ts';
import { execute, isDuplicateKey, selectRows, type Database } from '../../platform/db.ts';
import { inUnitOfWork } from '../../platform/unitOfWork.ts';
import { addMs } from '../../shared/clock.ts';
import { AppError, COMMON_ERRORS, type ErrorKind } from '../../shared/errors.ts';
import {
  answerWith,
  createFakeSender,
  createTestClock,
  createTestContext,
  insertStore,
  newPaymentId,
  openTestDatabase,
  type FakeSender,
  type Post,
  type TestClock,
  type TestContext,
} from './support.ts';

const URL = 'https://shop.example/hooks?key=topsecret';
const DATA = {
  paymentId: '0x1',
  status: 'pending',
  note: '한글 "quoted" \u2028',
  amount: '10000000000000000000000',
  nested: { b: 1, a: [1, null] },
};

describe('webhooks: service', () => {
  let db: Database;
  let closeDatabase: () => Promise<void>;
  let clock: TestClock;
  let sender: FakeSender;
  let ctx: TestContext;
  let storeId: string;

  before(async function () {
    this.timeout(120_000);
    ({ db, close: closeDatabase } = await openTestDatabase());
  });
  after(() => closeDatabase());

  beforeEach(async () => {
    clock = createTestClock();
    sender = createFakeSender();
    ctx = createTestContext({ db, clock, sender });
    storeId = await insertStore(ctx);
  });
  afterEach(() => sinon.restore());

  const create = (
    more: { url?: string; eventTypes?: EventType[]; storeId?: string } = {},
    from = ctx,
  ) => createWebhookEndpoint(from, { storeId, url: URL, eventTypes: null, ...more });

  function event(more: { type?: EventType; version?: number; storeId?: string } = {}) {
    return {
      storeId,
      type: 'payment.created' as EventType,
      subject: { type: 'payment' as const, id: newPaymentId() },
      version: 1,
      data: DATA,
      ...more,
    };
  }

  const record = (...events: ReturnType<typeof event>[]) =>
    inUnitOfWork(ctx, (unit) => recordEvents(ctx, unit, events));

  interface DeliveryRow {
    id: string;
    event_id: string;
    status: string;
    attempts: number;
    next_attempt_at: Date | null;
  }
  const listDeliveries = (endpointId: string) =>
    selectRows<DeliveryRow>(
      db,
      'SELECT id, event_id, status, attempts, next_attempt_at FROM webhook_deliveries WHERE endpoint_id = ? ORDER BY id',
      [endpointId],
    );
  const listAttempts = (deliveryId: string) =>
    selectRows<{
      number: number;
      status_code: number | null;
      error: string | null;
      response_body: string | null;
      started_at: Date;
    }>(
      db,
      'SELECT number, status_code, error, response_body, started_at FROM webhook_attempts WHERE delivery_id = ? ORDER BY number',
      [deliveryId],
    );
  const listOutbox = (deliveryId: string) =>
    selectRows<{ queue: string; run_at: Date; request_id: string }>(
      db,
      'SELECT queue, run_at, request_id FROM outbox WHERE subject_id = ?',
      [deliveryId],
    );

  /** An endpoint and one event on its way to it. */
  async function prepareDelivery(): Promise<{
    endpointId: string;
    secret: string;
    delivery: DeliveryRow;
  }> {
    const { id: endpointId, secret } = await create();
    await record(event());
    return { endpointId, secret, delivery: await onlyDelivery(endpointId) };
  }
  async function onlyDelivery(endpointId: string): Promise<DeliveryRow> {
    const [delivery, ...others] = await listDeliveries(endpointId);
    if (delivery === undefined || others.length > 0) throw new Error('expected one delivery');
    return delivery;
  }

  async function expectError(promise: Promise<unknown>, kind: ErrorKind): Promise<AppError> {
    const error = await promise.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    if (!(error instanceof AppError))
      throw new Error(`expected ${kind.code}, not ${String(error)}`);
    expect(error.kind).to.equal(kind);
    return error;
  }

  describe('endpoints', () => {
    it('shows the secret once and keeps it sealed', async () => {
      const created = await create({ eventTypes: ['payment.completed'] });
      expect(created.secret).to.match(/^whsec_[A-Za-z0-9+/]{43}=$/);
      const [row] = await selectRows<{ secret_ciphertext: string }>(
        db,
        'SELECT * FROM webhook_endpoints WHERE id = ?',
        [created.id],
      );
      expect(JSON.stringify(row)).not.to.contain(created.secret.slice('whsec_'.length));
      expect(ctx.secretBox.open(row?.secret_ciphertext ?? '')).to.equal(created.secret);

      const { secret: _secret, ...endpoint } = created;
      const listed = await listWebhookEndpoints(ctx, { storeId });
      expect(listed).to.deep.equal([endpoint]);
      expect(listed[0]).to.include({ url: URL, status: 'enabled', disabledReason: null });
      expect(listed[0]?.eventTypes).to.deep.equal(['payment.completed']);
    });

    it('gives every endpoint a secret of its own', async () => {
      expect((await create()).secret).not.to.equal((await create()).secret);
    });

    it('lets a store have 20, also when 30 are asked for at once', async () => {
      const results = await Promise.allSettled(Array.from({ length: 30 }, () => create()));
      const refused = results.filter((result) => result.status === 'rejected');
      expect(refused).to.have.lengthOf(10);
      for (const { reason } of refused)
        expect((reason as AppError).kind).to.equal(WEBHOOK_ERRORS.tooManyEndpoints);
      const endpoints = await listWebhookEndpoints(ctx, { storeId });
      expect(endpoints).to.have.lengthOf(20);

      await deleteWebhookEndpoint(ctx, { storeId, endpointId: endpoints[0]?.id ?? '' });
      await create();
    });

    it('creates nothing when the caller’s part of the transaction fails', async () => {
      const failing = createWebhookEndpoint(ctx, { storeId, url: URL, eventTypes: null }, () =>
        Promise.reject(new Error('no')),
      );
      expect(await failing.catch((error: unknown) => (error as Error).message)).to.equal('no');
      expect(await listWebhookEndpoints(ctx, { storeId })).to.deep.equal([]);
    });

    it('hands the created endpoint to the caller’s part of the transaction', async () => {
      let seen: unknown;
      const created = await createWebhookEndpoint(
        ctx,
        { storeId, url: URL, eventTypes: null },
        async (_trx, result) => {
          seen = await Promise.resolve(result);
        },
      );
      expect(seen).to.deep.equal(created);
    });

    it('refuses a URL that webhooks cannot be sent to, and says why', async () => {
      const error = await expectError(
        create({ url: 'https://10.0.0.1/' }),
        WEBHOOK_ERRORS.urlRefused,
      );
      expect(error.detail).to.match(/private/);
      await expectError(
        create({ url: 'https://user:pw@shop.example/' }),
        WEBHOOK_ERRORS.urlRefused,
      );
      const production = createTestContext({ db, clock, sender, environment: 'production' });
      await expectError(
        create({ url: 'http://shop.example/' }, production),
        WEBHOOK_ERRORS.urlRefused,
      );
      expect(await listWebhookEndpoints(ctx, { storeId })).to.deep.equal([]);
    });

    it('answers for another store’s endpoint as for an unknown one', async () => {
      const { id: endpointId } = await create();
      const other = await insertStore(ctx);
      expect(await listWebhookEndpoints(ctx, { storeId: other })).to.deep.equal([]);
      const foreign = await expectError(
        deleteWebhookEndpoint(ctx, { storeId: other, endpointId }),
        COMMON_ERRORS.notFound,
      );
      const unknown = await expectError(
        deleteWebhookEndpoint(ctx, { storeId: other, endpointId: ctx.newId('we') }),
        COMMON_ERRORS.notFound,
      );
      expect(foreign.detail).to.equal(unknown.detail);
      expect(await listWebhookEndpoints(ctx, { storeId })).to.have.lengthOf(1);
    });

    it('cancels what waits for a deleted endpoint, and forgets its secret', async () => {
      const { endpointId, delivery } = await prepareDelivery();
      const other = await create();
      await record(event());
      await deleteWebhookEndpoint(ctx, { storeId, endpointId });

      expect(
        (await listDeliveries(endpointId)).map(({ status, next_attempt_at }) => [
          status,
          next_attempt_at,
        ]),
      ).to.deep.equal([
        ['cancelled', null],
        ['cancelled', null],
      ]);
      expect(await listOutbox(delivery.id)).to.deep.equal([]);
      const kept = await onlyDelivery(other.id);
      expect(kept.status).to.equal('pending');
      expect(await listOutbox(kept.id)).to.have.lengthOf(1);
      const [row] = await selectRows(
        db,
        'SELECT secret_ciphertext FROM webhook_endpoints WHERE id = ?',
        [endpointId],
      );
      expect(row).to.deep.equal({ secret_ciphertext: '' });

      expect(await attemptDelivery(ctx, delivery.id)).to.equal(DONE);
      expect(sender.posts).to.deep.equal([]);
      await expectError(
        deleteWebhookEndpoint(ctx, { storeId, endpointId }),
        COMMON_ERRORS.notFound,
      );
      expect((await listWebhookEndpoints(ctx, { storeId })).map(({ id }) => id)).to.deep.equal([
        other.id,
      ]);
      await record(event());
      expect(await listDeliveries(endpointId)).to.have.lengthOf(2);
    });
  });

  describe('recording events', () => {
    it('promises one delivery to each endpoint of the store that wants the type', async () => {
      const all = await create();
      const some = await create({ eventTypes: ['payment.completed', 'payment.failed'] });
      const foreign = await create({ storeId: await insertStore(ctx) });
      await record(event({ type: 'payment.created' }));
      expect(await listDeliveries(all.id)).to.have.lengthOf(1);
      expect(await listDeliveries(some.id)).to.have.lengthOf(0);
      await record(event({ type: 'payment.failed' }));
      expect(await listDeliveries(all.id)).to.have.lengthOf(2);
      const promised = await onlyDelivery(some.id);
      expect(promised).to.include({ status: 'pending', attempts: 0 });
      expect(promised.next_attempt_at).to.deep.equal(clock.now());
      expect(await listOutbox(promised.id)).to.deep.equal([
        { queue: 'webhook', run_at: clock.now(), request_id: 'req_test' },
      ]);
      expect(await listDeliveries(foreign.id)).to.have.lengthOf(0);
    });

    it('commits event, deliveries and promises together, or none of them', async () => {
      const { id: endpointId } = await create();
      const lost = event();
      let filled = 0;
      sinon.stub(ctx.signals, 'outboxFilled').callsFake(() => filled++);
      const failing = inUnitOfWork(ctx, async (unit) => {
        await recordEvents(ctx, unit, [lost]);
        throw new Error('the change failed');
      });
      expect(await failing.catch((error: unknown) => (error as Error).message)).to.equal(
        'the change failed',
      );
      expect(await listEvents(ctx, { type: 'payment', id: lost.subject.id })).to.deep.equal([]);
      expect(await listDeliveries(endpointId)).to.deep.equal([]);
      expect(
        await selectRows(
          db,
          'SELECT o.id FROM outbox o LEFT JOIN webhook_deliveries d ON d.id = o.subject_id WHERE d.id IS NULL',
        ),
      ).to.deep.equal([]);
      expect(filled).to.equal(0);

      await inUnitOfWork(ctx, (unit) => recordEvents(ctx, unit, [lost]));
      expect(await listEvents(ctx, { type: 'payment', id: lost.subject.id })).to.have.lengthOf(1);
      expect(await listOutbox((await onlyDelivery(endpointId)).id)).to.have.lengthOf(1);
      expect(filled).to.equal(1);
    });

    it('refuses a second event for the same version of a payment', async () => {
      const first = event();
      await record(first);
      const error = await record({ ...first, type: 'payment.expired' }).catch(
        (thrown: unknown) => thrown,
      );
      expect(isDuplicateKey(error)).to.equal(true);
    });

    it('takes two statements when nobody listens and four for any number of events when somebody does', async () => {
      const statements: string[] = [];
      async function countStatements(events: ReturnType<typeof event>[]): Promise<number> {
        statements.length = 0;
        await inUnitOfWork(ctx, async (unit) => {
          unit.trx.on('query', ({ sql }: { sql: string }) => statements.push(sql));
          await recordEvents(ctx, unit, events);
        });
        return statements.filter((sql) => !/^(BEGIN|COMMIT)/i.test(sql)).length;
      }
      expect(await countStatements([])).to.equal(0);
      expect(await countStatements([event()])).to.equal(2);
      const { id } = await create();
      const { id: otherId } = await create({ storeId: await insertStore(ctx) });
      expect(await countStatements([event()])).to.equal(4);
      const [other] = await selectRows<{ store_id: string }>(
        db,
        'SELECT store_id FROM webhook_endpoints WHERE id = ?',
        [otherId],
      );
      const events = Array.from({ length: 60 }, (_, index) =>
        event(index < 50 ? {} : { storeId: other?.store_id ?? '' }),
      );
      expect(await countStatements(events)).to.equal(4);
      expect(await listDeliveries(id)).to.have.lengthOf(51);
      expect(await listDeliveries(otherId)).to.have.lengthOf(10);
    });

    it('tells a payment’s history, oldest first', async () => {
      const first = event();
      await record({ ...first, type: 'payment.completed', version: 2 }, first);
      const timeline = await listEvents(ctx, { type: 'payment', id: first.subject.id });
      expect(timeline.map(({ type, version, at }) => ({ type, version, at }))).to.deep.equal([
        { type: 'payment.created', version: 1, at: clock.now() },
        { type: 'payment.completed', version: 2, at: clock.now() },
      ]);
      expect(timeline[0]?.eventId).to.match(/^evt_/);
      const [row] = await selectRows<{ request_id: string }>(
        db,
        'SELECT request_id FROM events WHERE id = ?',
        [timeline[0]?.eventId ?? ''],
      );
      expect(row?.request_id).to.equal('req_test');
    });
  });

  describe('attempts', () => {
    it('posts the event signed, and records the answer', async () => {
      const { secret, delivery, endpointId } = await prepareDelivery();
      sender.answer = () => answerWith(200, { responseBody: 'ok' });
      expect(await attemptDelivery(ctx, delivery.id)).to.equal(DONE);

      const [post] = sender.posts as [Post];
      expect(post).to.include({ url: URL, timeoutMs: 1_000 });
      expect(post.headers['webhook-id']).to.equal(delivery.event_id);
      expect(new Webhook(secret).verify(post.body, post.headers)).to.deep.equal({
        type: 'payment.created',
        timestamp: clock.now().toISOString(),
        data: DATA,
      });
      expect(() =>
        new Webhook(`whsec_${randomBytes(32).toString('base64')}`).verify(post.body, post.headers),
      ).to.throw();
      expect(await onlyDelivery(endpointId)).to.include({
        status: 'succeeded',
        attempts: 1,
        next_attempt_at: null,
      });
      expect(await listAttempts(delivery.id)).to.deep.equal([
        { number: 1, status_code: 200, error: null, response_body: 'ok', started_at: clock.now() },
      ]);
    });

    it('does nothing when the job comes again after success', async () => {
      const { delivery } = await prepareDelivery();
      await attemptDelivery(ctx, delivery.id);
      expect(await attemptDelivery(ctx, delivery.id)).to.equal(DONE);
      expect(sender.posts).to.have.lengthOf(1);
      expect(await listAttempts(delivery.id)).to.have.lengthOf(1);
    });

    it('is done with a delivery that does not exist', async () => {
      expect(await attemptDelivery(ctx, ctx.newId('wd'))).to.equal(DONE);
    });

    it('sends the same id and the same bytes in every attempt, with a timestamp and signature of its own', async () => {
      const { endpointId, secret, delivery } = await prepareDelivery();
      sender.answer = () => answerWith(500, { responseBody: 'oops' });
      const due = addMs(clock.now(), 5_000);
      expect(await attemptDelivery(ctx, delivery.id)).to.deep.equal(later(due));
      expect((await onlyDelivery(endpointId)).next_attempt_at).to.deep.equal(due);

      clock.advance(4_999);
      expect(await attemptDelivery(ctx, delivery.id), 'not due').to.deep.equal(laterUntried(due));
      expect(sender.posts).to.have.lengthOf(1);

      clock.advance(1);
      sender.answer = () => answerWith(204);
      expect(await attemptDelivery(ctx, delivery.id)).to.equal(DONE);
      const [first, second] = sender.posts as [Post, Post];
      expect(second.body).to.equal(first.body);
      expect(second.headers['webhook-id']).to.equal(first.headers['webhook-id']);
      expect(Number(second.headers['webhook-timestamp'])).to.equal(
        Number(first.headers['webhook-timestamp']) + 5,
      );
      new Webhook(secret).verify(second.body, second.headers);
      expect(
        (await listAttempts(delivery.id)).map(({ number, status_code }) => [number, status_code]),
      ).to.deep.equal([
        [1, 500],
        [2, 204],
      ]);
    });

    it('fails when the schedule is used up', async () => {
      const { endpointId, delivery } = await prepareDelivery();
      sender.answer = () => answerWith(null);
      for (const seconds of [5, 300]) {
        expect(await attemptDelivery(ctx, delivery.id)).to.deep.equal(
          later(addMs(clock.now(), seconds * 1000)),
        );
        clock.advance(seconds * 1000);
      }
      expect(await attemptDelivery(ctx, delivery.id)).to.equal(DONE);
      expect(await onlyDelivery(endpointId)).to.include({
        status: 'failed',
        attempts: 3,
        next_attempt_at: null,
      });
      expect(await listAttempts(delivery.id)).to.have.lengthOf(3);
      expect((await listAttempts(delivery.id))[2]).to.include({
        status_code: null,
        error: 'connection refused',
      });
      expect((await listWebhookEndpoints(ctx, { storeId }))[0]?.status).to.equal('enabled');
    });

    it('honours Retry-After', async () => {
      const { delivery } = await prepareDelivery();
      sender.answer = () => answerWith(429, { retryAfterSeconds: 120 });
      const due = addMs(clock.now(), 120_000);
      expect(await attemptDelivery(ctx, delivery.id)).to.deep.equal(later(due));
      clock.advance(120_000);
      sender.answer = () => answerWith(200);
      expect(await attemptDelivery(ctx, delivery.id)).to.equal(DONE);
    });

    it('disables an endpoint that answers 410 and cancels what waits for it', async () => {
      const { endpointId, delivery } = await prepareDelivery();
      await record(event());
      const waiting = (await listDeliveries(endpointId)).find(({ id }) => id !== delivery.id);
      sender.answer = () => answerWith(410);
      expect(await attemptDelivery(ctx, delivery.id)).to.equal(DONE);

      const [endpoint] = await listWebhookEndpoints(ctx, { storeId });
      expect(endpoint).to.include({ status: 'disabled' });
      expect(endpoint?.disabledReason).to.contain('410');
      expect((await listDeliveries(endpointId)).map(({ status }) => status)).to.deep.equal([
        'cancelled',
        'cancelled',
      ]);
      expect(await listAttempts(delivery.id)).to.have.lengthOf(1);
      expect(await listOutbox(waiting?.id ?? '')).to.deep.equal([]);
      await record(event());
      expect(await listDeliveries(endpointId), 'no more deliveries').to.have.lengthOf(2);
    });

    it('cancels a delivery that was promised while its endpoint was being deleted', async () => {
      const { endpointId, delivery } = await prepareDelivery();
      await execute(db, 'UPDATE webhook_endpoints SET deleted_at = ? WHERE id = ?', [
        clock.now(),
        endpointId,
      ]);
      expect(await attemptDelivery(ctx, delivery.id)).to.equal(DONE);
      expect(await onlyDelivery(endpointId)).to.include({
        status: 'cancelled',
        attempts: 0,
        next_attempt_at: null,
      });
      expect(sender.posts).to.deep.equal([]);
    });

    it('posts again with the same id when the record of an attempt was lost', async () => {
      const { endpointId, delivery } = await prepareDelivery();
      const stub = sinon
        .stub(db, 'transaction')
        .onFirstCall()
        .rejects(new Error('connection lost'));
      stub.callThrough();
      expect(
        await attemptDelivery(ctx, delivery.id).catch((error: unknown) => (error as Error).message),
      ).to.equal('connection lost');
      expect(await onlyDelivery(endpointId)).to.include({ status: 'pending', attempts: 0 });
      expect(await attemptDelivery(ctx, delivery.id)).to.equal(DONE);
      const [first, second] = sender.posts as [Post, Post];
      expect(second.headers['webhook-id']).to.equal(first.headers['webhook-id']);
      expect(second.body).to.equal(first.body);
      expect((await listAttempts(delivery.id)).map(({ number }) => number)).to.deep.equal([1]);
    });

    it('takes no attempt while the database is away, and loses none', async () => {
      const { delivery } = await prepareDelivery();
      sinon.stub(db, 'raw').rejects(new Error('database away'));
      expect(
        await attemptDelivery(ctx, delivery.id).catch((error: unknown) => (error as Error).message),
      ).to.equal('database away');
      expect(sender.posts).to.deep.equal([]);
      sinon.restore();
      expect(await attemptDelivery(ctx, delivery.id)).to.equal(DONE);
    });

    it('holds no transaction open while it posts', async () => {
      const { delivery, endpointId } = await prepareDelivery();
      sender.answer = async () => {
        // Would wait for the lock otherwise.
        await selectRows(db, 'SELECT id FROM webhook_deliveries WHERE id = ? FOR UPDATE NOWAIT', [
          delivery.id,
        ]);
        await selectRows(db, 'SELECT id FROM webhook_endpoints WHERE id = ? FOR UPDATE NOWAIT', [
          endpointId,
        ]);
        return answerWith(200);
      };
      expect(await attemptDelivery(ctx, delivery.id)).to.equal(DONE);
    });
  });

  describe('at the same time', () => {
    /** Answers only when all of `count` POSTs are under way. */
    function meet(
      count: number,
      answer: (post: Post) => ReturnType<typeof answerWith>,
    ): FakeSender['answer'] {
      let arrived = 0;
      let open: () => void = () => undefined;
      const all = new Promise<void>((resolve) => (open = resolve));
      return async (post) => {
        if (++arrived === count) open();
        await all;
        return answer(post);
      };
    }

    it('counts one attempt when two processes make the same one', async () => {
      const { endpointId, delivery } = await prepareDelivery();
      const otherSender = createFakeSender();
      const other = createTestContext({ db, clock, sender: otherSender });
      sender.answer = otherSender.answer = meet(2, () => answerWith(500));
      const due = addMs(clock.now(), 5_000);
      const results = await Promise.all([
        attemptDelivery(ctx, delivery.id),
        attemptDelivery(other, delivery.id),
      ]);
      expect(results).to.deep.equal([later(due), later(due)]);
      expect(sender.posts[0]?.headers['webhook-id']).to.equal(
        otherSender.posts[0]?.headers['webhook-id'],
      );
      expect(await onlyDelivery(endpointId)).to.include({ status: 'pending', attempts: 1 });
      expect((await listAttempts(delivery.id)).map(({ number }) => number)).to.deep.equal([1]);
    });

    it('keeps the success when two processes make the same attempt and one of them fails', async () => {
      const { endpointId, delivery } = await prepareDelivery();
      const otherSender = createFakeSender();
      const other = createTestContext({ db, clock, sender: otherSender });
      sender.answer = otherSender.answer = meet(2, () => answerWith(500));
      const failed = attemptDelivery(other, delivery.id);
      const answer = sender.answer;
      sender.answer = async (post) => {
        await answer(post);
        await failed;
        return answerWith(200);
      };
      expect(await attemptDelivery(ctx, delivery.id)).to.equal(DONE);
      expect(await onlyDelivery(endpointId)).to.include({
        status: 'succeeded',
        attempts: 2,
        next_attempt_at: null,
      });
      expect((await listAttempts(delivery.id)).map(({ status_code }) => status_code)).to.deep.equal(
        [500, 200],
      );
    });

    it('makes an attempt once when one process is asked for it twice', async () => {
      const { delivery } = await prepareDelivery();
      let answer: () => void = () => undefined;
      sender.answer = () => new Promise((resolve) => (answer = () => resolve(answerWith(200))));
      const first = attemptDelivery(ctx, delivery.id);
      while (sender.posts.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      expect(await attemptDelivery(ctx, delivery.id)).to.include({
        kind: 'later',
        isUntried: true,
      });
      answer();
      expect(await first).to.equal(DONE);
      expect(sender.posts).to.have.lengthOf(1);
    });

    it('records an attempt whose endpoint was deleted meanwhile, and sends nothing more', async () => {
      const { endpointId, delivery } = await prepareDelivery();
      sender.answer = async () => {
        await deleteWebhookEndpoint(ctx, { storeId, endpointId });
        return answerWith(500);
      };
      expect(await attemptDelivery(ctx, delivery.id)).to.equal(DONE);
      expect(await onlyDelivery(endpointId)).to.include({
        status: 'cancelled',
        attempts: 1,
        next_attempt_at: null,
      });
      expect(await listAttempts(delivery.id)).to.have.lengthOf(1);
    });

    it('tells the truth about an event that arrived although its endpoint was deleted meanwhile', async () => {
      const { endpointId, delivery } = await prepareDelivery();
      sender.answer = async () => {
        await deleteWebhookEndpoint(ctx, { storeId, endpointId });
        return answerWith(200);
      };
      expect(await attemptDelivery(ctx, delivery.id)).to.equal(DONE);
      expect(await onlyDelivery(endpointId)).to.include({ status: 'succeeded', attempts: 1 });
    });

    it('disables an endpoint once when all of its answers are 410', async () => {
      const { id: endpointId } = await create();
      await record(...Array.from({ length: 4 }, () => event()));
      sender.answer = meet(4, () => answerWith(410));
      const deliveries = await listDeliveries(endpointId);
      expect(await Promise.all(deliveries.map(({ id }) => attemptDelivery(ctx, id)))).to.deep.equal(
        deliveries.map(() => DONE),
      );
      expect(
        (await listDeliveries(endpointId)).map(({ status, attempts }) => [status, attempts]),
      ).to.deep.equal(deliveries.map(() => ['cancelled', 1]));
    });
  });

  it('logs neither URL nor secret nor body', async () => {
    const { secret, delivery } = await prepareDelivery();
    sender.answer = () => answerWith(410, { responseBody: 'their answer' });
    const lines: string[] = [];
    for (const level of ['debug', 'info', 'warn', 'error'] as const) {
      sinon
        .stub(ctx.log, level)
        .callsFake((...parts: unknown[]) => void lines.push(JSON.stringify(parts)));
    }
    await attemptDelivery(ctx, delivery.id);
    expect(lines).not.to.have.lengthOf(0);
    for (const hidden of ['topsecret', 'shop.example', secret, 'their answer', 'quoted'])
      expect(lines.join()).not.to.contain(hidden);
  });
});

describe('webhooks: body', () => {
  it('stays below 20 kB with the longest names and metadata that the API takes, in characters of three bytes', () => {
    const hash = `0x${'f'.repeat(64)}`;
    const address = `0x${'f'.repeat(40)}`;
    const metadata = Object.fromEntries(
      Array.from({ length: 20 }, (_, index) => [
        `${'한'.repeat(38)}${String(index).padStart(2, '0')}`,
        '한'.repeat(200),
      ]),
    );
    const body = buildEventBody({
      type: 'payment.relay_failed',
      createdAt: new Date(),
      data: {
        paymentId: hash,
        orderId: '한'.repeat(255),
        status: 'processing',
        version: 4294967295,
        chainId: Number.MAX_SAFE_INTEGER,
        gateway: address,
        token: address,
        amount: '9'.repeat(65),
        merchant: address,
        payer: address,
        txHash: hash,
        chain: { txHash: hash, blockNumber: '9'.repeat(20), blockHash: hash, logIndex: 4294967295 },
        confirmations: Number.MAX_SAFE_INTEGER,
        requiredConfirmations: Number.MAX_SAFE_INTEGER,
        late: false,
        metadata,
        expiresAt: new Date().toISOString(),
        error: { code: 'PAY_030', detail: 'x'.repeat(1000) },
      },
    });
    expect(Buffer.byteLength(body)).to.be.below(20_000);
  });
});
