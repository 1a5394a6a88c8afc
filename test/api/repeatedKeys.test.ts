import { expect } from 'chai';

import { startServer, type RunningServer } from '../../api/http/startServer.ts';
import type { Payment } from '../../domain/payments/model.ts';
import { createPayment } from '../../domain/payments/service.ts';
import { idempotently } from '../../domain/idempotency/service.ts';
import { EVENT_SINKS } from '../../domain/modules.ts';
import { createContext } from '../../platform/createContext.ts';
import { execute, selectRows } from '../../platform/db.ts';
import type { AlsoInTransaction } from '../../platform/unitOfWork.ts';
import { parseAmountUnits } from '../../shared/money.ts';
import { createQueues } from '../../platform/queues.ts';
import { waitUntil } from '../support/waitUntil.ts';
import { paymentRequest, readProblem, startTestApi, type TestApi } from './startTestApi.ts';

describe('requests repeated under one Idempotency-Key, at once', function () {
  this.timeout(60_000);
  let api: TestApi;
  before(async () => {
    api = await startTestApi();
  });
  after(() => api.close());

  let keys = 0;
  const newKey = () => `repeated-${++keys}`;
  const countPayments = async (orderId: string) =>
    Number(
      (
        await selectRows<{ n: string }>(
          api.ctx.db,
          'SELECT COUNT(*) AS n FROM payments WHERE order_id = ?',
          [orderId],
        )
      )[0]?.n,
    );
  const create = (key: string, orderId: string, url = api.url) =>
    api.call(`${url}/api/v1/payments`, {
      headers: { 'idempotency-key': key },
      json: paymentRequest(api, { orderId }),
    });

  /** How many transactions began to save payments, and with how many payments. */
  async function countSaves<T>(
    work: () => Promise<T>,
  ): Promise<{ readonly result: T; readonly saves: readonly number[] }> {
    const saves: number[] = [];
    const look = ({ sql, bindings }: { sql: string; bindings?: unknown[] }) => {
      if (sql.startsWith('INSERT INTO payments')) saves.push((bindings?.length ?? 0) / 16);
    };
    api.ctx.db.on('query', look);
    try {
      return { result: await work(), saves };
    } finally {
      api.ctx.db.removeListener('query', look);
    }
  }

  it('strangers beside a key that another process takes meanwhile are saved together, without it', async () => {
    const { ctx, store, tokens } = api;
    const taken = newKey();
    const requestHash = 'a'.repeat(64);
    const ciphertext = ctx.secretBox.seal(JSON.stringify({ body: 'the other process’s answer' }));
    const other = await ctx.db.transaction();
    await execute(
      other,
      `INSERT INTO idempotency_keys (store_id, idempotency_key, request_hash, response_status, response_ciphertext, created_at)
       VALUES (?, ?, ?, 201, ?, ?)`,
      [store.storeId, taken, requestHash, ciphertext, ctx.clock.now()],
    );
    const input = {
      storeId: store.storeId,
      amount: parseAmountUnits('1'),
      token: tokens.TUSD,
      expiresInSeconds: 900,
    };
    const send = (key: string, orderId: string) =>
      idempotently(
        ctx,
        { storeId: store.storeId, key, requestHash },
        (also: AlsoInTransaction<Payment>) => createPayment(ctx, { ...input, orderId }, also),
        ({ id }) => ({ status: 201, body: id }),
      );
    const { result, saves } = await countSaves(async () => {
      // What the process knows of the store is in memory then, and all of them arrive in one turn.
      await send(newKey(), 'first');
      const strangers = Array.from({ length: 31 }, (_, index) =>
        send(newKey(), `stranger-${index}`),
      );
      const repeated = send(taken, 'repeated');
      await waitUntil(async () => {
        const sql =
          "SELECT ID FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND INFO LIKE 'INSERT INTO idempotency_keys%'";
        return (await selectRows(ctx.db, sql)).length > 0;
      });
      await other.commit();
      return { strangers: await Promise.all(strangers), repeated: await repeated };
    });
    expect(result.repeated).to.deep.equal({
      status: 201,
      body: 'the other process’s answer',
      replayed: true,
    });
    expect(new Set(result.strangers.map(({ body }) => body)).size).to.equal(31);
    for (let index = 0; index < 31; index++)
      expect(await countPayments(`stranger-${index}`)).to.equal(1);
    expect(await countPayments('repeated')).to.equal(0);
    expect(saves.length, `they were saved in groups of ${saves.join(', ')}`).to.be.within(3, 6);
  });

  it('strangers beside a key that another process holds for too long are saved all the same, and it is answered 409', async () => {
    const { ctx, store } = api;
    const held = newKey();
    const other = await ctx.db.transaction();
    await execute(
      other,
      "INSERT INTO idempotency_keys (store_id, idempotency_key, request_hash, response_status, response_ciphertext, created_at) VALUES (?, ?, ?, 201, 'x', NOW(3))",
      [store.storeId, held, '0'.repeat(64)],
    );
    try {
      const strangers = Array.from({ length: 20 }, (_, index) =>
        create(newKey(), `beside-held-${index}`),
      );
      const problem = await readProblem(await create(held, 'held'));
      expect([problem.status, problem.code]).to.deep.equal([409, 'PAY_014']);
      expect(new Set((await Promise.all(strangers)).map(({ status }) => status))).to.deep.equal(
        new Set([201]),
      );
    } finally {
      await other.rollback();
    }
    for (let index = 0; index < 20; index++)
      expect(await countPayments(`beside-held-${index}`)).to.equal(1);
    expect(await countPayments('held')).to.equal(0);
  });

  it('200 twins are one payment, for which one of them did the work', async () => {
    const key = newKey();
    const { result: answers, saves } = await countSaves(() =>
      Promise.all(Array.from({ length: 200 }, () => create(key, 'twins'))),
    );
    expect(new Set(answers.map(({ status }) => status))).to.deep.equal(new Set([201]));
    expect(new Set(await Promise.all(answers.map((answer) => answer.text()))).size).to.equal(1);
    expect(
      answers.filter(({ headers }) => headers.get('idempotent-replayed') === null),
    ).to.have.length(1);
    expect(await countPayments('twins')).to.equal(1);
    expect(saves).to.deep.equal([1]);
  });

  it('a twin with another body is refused, and a twin of one that fails fails alike', async () => {
    const key = newKey();
    const [first, other] = await Promise.all([
      create(key, 'one body'),
      create(key, 'another body'),
    ]);
    expect([first.status, other.status].sort()).to.deep.equal([201, 422]);
    const wrong = newKey();
    const send = () =>
      api.call('/payments', {
        headers: { 'idempotency-key': wrong },
        json: paymentRequest(api, { chainId: 424_242 }),
      });
    const answers = await Promise.all(Array.from({ length: 20 }, send));
    expect(new Set(answers.map(({ status }) => status))).to.deep.equal(new Set([400]));
    expect((await create(wrong, 'corrected')).status).to.equal(201);
  });

  describe('in two processes', () => {
    let second: { server: RunningServer; close: () => Promise<void> };
    before(async () => {
      const { ctx, close } = await createContext(api.config, {
        name: 'test',
        eventSinks: EVENT_SINKS,
      });
      const queues = await createQueues(api.config);
      const server = await startServer(ctx, queues.all);
      second = {
        server,
        async close() {
          await server.stop();
          await queues.close();
          await close();
        },
      };
    });
    after(() => second.close());

    it('200 twins are one payment, and the strangers beside them have theirs', async () => {
      for (let round = 0; round < 2; round++) {
        const key = newKey();
        const urls = [api.url, second.server.url];
        const twins = Array.from({ length: 200 }, (_, index) =>
          create(key, `both-${round}`, urls[index % 2]),
        );
        const strangers = Array.from({ length: 40 }, (_, index) =>
          create(newKey(), `stranger-${round}-${index}`, urls[index % 2]),
        );
        const answers = await Promise.all(twins);
        expect(new Set(answers.map(({ status }) => status))).to.deep.equal(new Set([201]));
        expect(new Set(await Promise.all(answers.map((answer) => answer.text()))).size).to.equal(1);
        expect(new Set((await Promise.all(strangers)).map(({ status }) => status))).to.deep.equal(
          new Set([201]),
        );
        expect(await countPayments(`both-${round}`)).to.equal(1);
        for (let index = 0; index < 40; index++)
          expect(await countPayments(`stranger-${round}-${index}`)).to.equal(1);
      }
    });
  });
});

describe('more new payments than may wait to be saved', function () {
  this.timeout(60_000);
  let api: TestApi;
  before(async () => {
    api = await startTestApi({ env: { MSQPAY_MAX_WAITING_PAYMENTS: '20' } });
  });
  after(() => api.close());

  it('are refused with 503 and Retry-After; what was answered 201 is there, and nothing else', async () => {
    const send = (index: number) =>
      api.call('/payments', { json: paymentRequest(api, { orderId: `crowd-${index}` }) });
    // The store is locked until most of them are refused: nothing is saved meanwhile.
    const lock = await api.ctx.db.transaction();
    await selectRows(lock, 'SELECT id FROM stores WHERE id = ? FOR UPDATE', [api.store.storeId]);
    let early = 0;
    const sent = Array.from({ length: 200 }, async (_, index) => {
      const answer = await send(index);
      early++;
      return answer;
    });
    await waitUntil(() => early >= 84, { what: 'all that are more than three groups and 20' });
    await lock.rollback();
    const answers = await Promise.all(sent);
    const refused = answers.filter(({ status }) => status === 503);
    const saved = answers.flatMap(({ status }, index) =>
      status === 201 ? [`crowd-${index}`] : [],
    );
    expect(refused.length + saved.length).to.equal(200);
    expect(
      saved.length,
      'at most three groups on their way, and those that waited: of one store as many as are free',
    ).to.be.within(10, 20 + 3 * 32);
    const problem = await readProblem(refused[0]!);
    expect(problem.code).to.equal('PAY_050');
    expect(refused[0]!.headers.get('retry-after')).to.equal('1');
    const rows = await selectRows<{ order_id: string }>(
      api.ctx.db,
      "SELECT order_id FROM payments WHERE order_id LIKE 'crowd-%'",
    );
    expect(rows.map(({ order_id }) => order_id).sort()).to.deep.equal(saved.sort());
    expect((await send(1_000)).status).to.equal(201);
  });
});
