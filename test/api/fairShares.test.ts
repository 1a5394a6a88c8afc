import { expect } from 'chai';

import type { components } from '../../api/generated/openapi.ts';
import { createDatabase, execute, selectRows } from '../../platform/db.ts';
import { inStoreTurn } from '../../platform/storeTurns.ts';
import { signTypedData } from '../support/gasless.ts';
import type { TestStore } from '../support/harness.ts';
import { waitUntil } from '../support/waitUntil.ts';
import {
  paymentRequest,
  readProblem,
  startTestApi,
  type CallOptions,
  type TestApi,
} from './startTestApi.ts';

const WAITS = 3;
/** Of one store in one process: platform/storeTurns.ts. */
const MOST_WAITING = 500;

type AuthorizationRequest = components['schemas']['AuthorizationRequest'];

describe('what one store may take of an API process', function () {
  this.timeout(60_000);
  let api: TestApi;
  let other: TestStore;

  before(async function () {
    this.timeout(120_000);
    api = await startTestApi({
      env: { MSQPAY_MAX_WAITS_PER_STORE: String(WAITS), MSQPAY_DATABASE_POOL: '8' },
    });
    other = await api.createTestStore();
  });
  after(() => api.close());

  it('is not the connections to the database: its requests wait for a lock in memory', async () => {
    const { paymentId } = await api.createPayment();
    const lock = await api.ctx.db.transaction();
    await selectRows(lock, 'SELECT id FROM payments WHERE id = ? FOR UPDATE', [paymentId]);
    let answered = 0;
    const cancelling = Array.from({ length: 60 }, async () => {
      const { status } = await api.call(`/payments/${paymentId}/cancel`, { method: 'POST' });
      answered++;
      return status;
    });
    await waitUntil(
      async () =>
        (
          await selectRows(
            lock,
            "SELECT trx_id FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'",
            [],
          )
        ).length >= 2,
      // Asked more often, the database says what it said before.
      { what: 'those that wait for the lock', everyMs: 250 },
    );
    for (let times = 0; times < 5; times++) {
      const created = await api.call('/payments', { store: other, json: paymentRequest(api) });
      expect(created.status).to.equal(201);
      const { paymentId: id } = (await created.json()) as { paymentId: string };
      expect(
        (await api.call(`/payments/${id}/cancel`, { store: other, method: 'POST' })).status,
      ).to.equal(200);
    }
    expect((await api.call('/payments')).status, 'what the same store reads').to.equal(200);
    expect(answered, 'the lock was held all the time').to.equal(0);
    await lock.rollback();
    const statuses = await Promise.all(cancelling);
    expect(statuses.filter((status) => status === 200)).to.have.length(1);
    expect(new Set(statuses)).to.deep.equal(new Set([200, 409]));
  });

  it('is not the memory that its waiting requests take: too many are refused with 503, nothing is done for them, and what waits is', async () => {
    const customer = await api.chain.createCustomer({ token: api.tokens.TUSD });
    const endpoint = (await (
      await api.call('/webhook-endpoints', { json: { url: 'https://shop.example/hooks' } })
    ).json()) as {
      id: string;
    };
    const payment = await api.createPayment();
    const path = `/payments/${payment.paymentId}`;
    const { typedData } = (await (
      await api.call(`${path}/authorization?customerAddress=${customer.address}`)
    ).json()) as AuthorizationRequest;
    const signature = await signTypedData(
      customer,
      typedData as Parameters<typeof signTypedData>[1],
    );
    const changes: readonly (readonly [path: string, init: CallOptions, status: number])[] = [
      ['/webhook-endpoints', { json: { url: 'https://shop.example/more' } }, 201],
      [`/webhook-endpoints/${endpoint.id}`, { method: 'DELETE' }, 204],
      [`${path}/execute`, { json: { customerAddress: customer.address, signature } }, 202],
      [`/payments/${(await api.createPayment()).paymentId}/cancel`, { method: 'POST' }, 200],
    ];
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    // Two are under way, and all others wait for them.
    const waiting = Array.from({ length: 2 + MOST_WAITING }, () =>
      inStoreTurn(api.ctx.db, api.store.storeId, () => released),
    );
    try {
      for (const [to, init] of changes) {
        const answer = await api.call(to, {
          ...init,
          headers: { 'idempotency-key': `crowd ${to}` },
        });
        expect(answer.headers.get('retry-after'), to).to.equal('1');
        expect(await readProblem(answer), to).to.include({ status: 503, code: 'PAY_050' });
      }
      expect((await api.call(path)).status, 'what it reads').to.equal(200);
      expect(
        (
          await api.call('/webhook-endpoints', {
            store: other,
            json: { url: 'https://shop.example/hooks' },
          })
        ).status,
      ).to.equal(201);
    } finally {
      release();
    }
    await Promise.all(waiting);
    for (const [to, init, status] of changes) {
      expect(
        (await api.call(to, { ...init, headers: { 'idempotency-key': `crowd ${to}` } })).status,
        to,
      ).to.equal(status);
    }
  });

  it('is neither the connections that reads take: they take turns, of their own', async () => {
    const { paymentId } = await api.createPayment();
    const admin = createDatabase(api.config.databaseUrl, 1);
    // Its connection is kept for as long as this is open.
    const lock = await admin.transaction();
    // Whoever reads payments waits with a connection, as for a list that takes long.
    await execute(lock, 'LOCK TABLES payments WRITE');
    const readers = async () => {
      const sql =
        "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND state = 'Waiting for table metadata lock'";
      return (await selectRows(lock, sql)).length;
    };
    const answered: number[] = [];
    const reading = ['', '?limit=100', `/${paymentId}`, `/${paymentId}/refunds`].flatMap((path) =>
      Array.from({ length: 20 }, async () => {
        answered.push((await api.call(`/payments${path}`)).status);
      }),
    );
    try {
      await waitUntil(async () => (await readers()) >= 2, { what: 'the reads' });
      for (let times = 0; times < 5; times++) {
        expect((await api.call('/webhook-endpoints', { store: other })).status).to.equal(200);
        expect(await readers(), 'those that occupy a connection').to.equal(2);
      }
      expect(answered, 'the table was locked all the time').to.deep.equal([]);
    } finally {
      await execute(lock, 'UNLOCK TABLES');
      await lock.rollback();
      await admin.destroy();
    }
    await Promise.all(reading);
    expect(new Set(answered)).to.deep.equal(new Set([200]));
  });

  it('is not any number of waiting requests: a further one is answered at once', async () => {
    const payments = await Promise.all(
      Array.from({ length: WAITS + 1 }, () => api.createPayment()),
    );
    const ofOther = await api.createPayment({}, other);
    const ended: string[] = [];
    const wait = async (paymentId: string, store = api.store) => {
      const answer = await api.call(`/payments/${paymentId}/status?wait=25`, { store });
      ended.push(paymentId);
      return ((await answer.json()) as { status: string }).status;
    };
    const cancel = (paymentId: string, store = api.store) =>
      api.call(`/payments/${paymentId}/cancel`, { store, method: 'POST' });
    const waiting = [
      ...payments.map(({ paymentId }) => wait(paymentId)),
      wait(ofOther.paymentId, other),
    ];
    // Whichever came last.
    await waitUntil(() => ended.length > 0, { what: 'an answer at once', timeoutMs: 20_000 });
    expect(ended).to.have.length(1).and.not.to.include(ofOther.paymentId);
    for (const { paymentId } of payments) await cancel(paymentId);
    await cancel(ofOther.paymentId, other);
    expect((await Promise.all(waiting)).sort()).to.deep.equal([
      ...Array<string>(WAITS + 1).fill('cancelled'),
      'pending',
    ]);
  });
});
