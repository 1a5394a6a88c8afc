import { expect } from 'chai';

import { toCanonicalJson } from '../../api/http/runOperation.ts';
import { deleteExpiredIdempotencyKeys, idempotently } from '../../domain/idempotency/service.ts';
import { execute, inTransaction, selectRows } from '../../platform/db.ts';
import { AppError } from '../../shared/errors.ts';
import { paymentRequest, readProblem, startTestApi, type TestApi } from './startTestApi.ts';

describe('Idempotency-Key', () => {
  let api: TestApi;
  before(async () => {
    api = await startTestApi();
  });
  after(() => api.close());

  let keys = 0;
  const newKey = () => `key-${++keys}`;
  const create = (key: string, overrides: Record<string, unknown> = {}, store = api.store) =>
    api.call('/payments', {
      store,
      headers: { 'idempotency-key': key },
      json: paymentRequest(api, overrides),
    });
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

  it('may be any printable ASCII: spaces, quotes, 255 characters', async () => {
    for (const key of ['order 1001, first try', '"quoted; key=1"', '~'.repeat(255), '  padded  ']) {
      const [first, second] = [await create(key), await create(key)];
      expect([first.status, second.headers.get('idempotent-replayed')], key).to.deep.equal([
        201,
        'true',
      ]);
      // HTTP takes the spaces around a header's value away.
      expect((await create(key.trim())).headers.get('idempotent-replayed'), key).to.equal('true');
    }
    expect((await readProblem(await create('~'.repeat(256)))).status).to.equal(400);
  });

  it('replays status, body and Location of the first reply, and says so', async () => {
    const key = newKey();
    const first = await create(key, { orderId: 'replayed' });
    const second = await create(key, { orderId: 'replayed' });
    expect([first.status, second.status]).to.deep.equal([201, 201]);
    expect(await second.text()).to.equal(await first.text());
    expect(second.headers.get('location')).to.equal(first.headers.get('location'));
    expect(first.headers.get('idempotent-replayed')).to.equal(null);
    expect(second.headers.get('idempotent-replayed')).to.equal('true');
    expect(await countPayments('replayed')).to.equal(1);
  });

  it('takes the same body in another order of its members for the same request', async () => {
    const key = newKey();
    const { orderId, amount, token } = paymentRequest(api) as Record<
      'orderId' | 'amount' | 'token',
      unknown
    >;
    const send = (json: unknown) =>
      api.call('/payments', { headers: { 'idempotency-key': key }, json });
    const first = await (await send({ orderId, amount, token })).text();
    const second = await send({ token, amount, orderId });
    expect([second.status, await second.text()]).to.deep.equal([201, first]);
  });

  it('refuses the key with another body with 422 PAY_013', async () => {
    const key = newKey();
    await create(key);
    const problem = await readProblem(await create(key, { amount: '2' }));
    expect([problem.status, problem.code]).to.deep.equal([422, 'PAY_013']);
  });

  it('refuses the key at another operation with 422 PAY_013', async () => {
    const key = newKey();
    const { paymentId } = (await (await create(key)).json()) as { paymentId: string };
    const problem = await readProblem(
      await api.call(`/payments/${paymentId}/cancel`, {
        method: 'POST',
        headers: { 'idempotency-key': key },
      }),
    );
    expect([problem.status, problem.code]).to.deep.equal([422, 'PAY_013']);
    expect(await (await api.call(`/payments/${paymentId}`)).json()).to.include({
      status: 'pending',
    });
  });

  it('knows the request again however its client has escaped the path', async () => {
    const key = newKey();
    const { paymentId } = await api.createPayment();
    const escaped = paymentId.replace('0x', '%30x');
    const cancel = (id: string) =>
      api.call(`/payments/${id}/cancel`, { method: 'POST', headers: { 'idempotency-key': key } });
    const [first, again] = [await cancel(paymentId), await cancel(escaped)];
    expect([first.status, again.status, again.headers.get('idempotent-replayed')]).to.deep.equal([
      200,
      200,
      'true',
    ]);
    expect(await again.text()).to.equal(await first.text());
  });

  it('keeps the keys of two stores apart', async () => {
    const key = newKey();
    const other = await api.createTestStore();
    const [own, theirs] = [await create(key), await create(key, { amount: '2' }, other)];
    expect([own.status, theirs.status, theirs.headers.get('idempotent-replayed')]).to.deep.equal([
      201,
      201,
      null,
    ]);
  });

  it('makes one payment and gives one answer for fifty requests at once', async () => {
    const key = newKey();
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => create(key, { orderId: 'fifty' })),
    );
    const bodies = await Promise.all(answers.map((answer) => answer.text()));
    expect(new Set(answers.map((answer) => answer.status))).to.deep.equal(new Set([201]));
    expect(new Set(bodies).size).to.equal(1);
    expect(await countPayments('fifty')).to.equal(1);
    expect(
      answers.filter((answer) => answer.headers.get('idempotent-replayed') === null),
    ).to.have.length(1);
  });

  it('gives each its own answer when many keys, some of them twice, come at once', async () => {
    const keys = Array.from({ length: 30 }, newKey);
    const sent = [...keys, ...keys.slice(0, 10)].map((key) => ({
      key,
      orderId: `at-once-${keys.indexOf(key)}`,
    }));
    const answers = await Promise.all(sent.map(({ key, orderId }) => create(key, { orderId })));
    const bodies = (await Promise.all(answers.map((answer) => answer.json()))) as {
      paymentId: string;
      orderId: string;
    }[];
    expect(new Set(answers.map((answer) => answer.status))).to.deep.equal(new Set([201]));
    expect(bodies.map(({ orderId }) => orderId)).to.deep.equal(sent.map(({ orderId }) => orderId));
    expect(bodies.slice(30)).to.deep.equal(bodies.slice(0, 10));
    expect(new Set(bodies.map(({ paymentId }) => paymentId)).size).to.equal(30);
    for (const { orderId } of sent) expect(await countPayments(orderId)).to.equal(1);
    // And once more, in another order, beside new ones.
    const again = sent
      .toReversed()
      .flatMap((request, index) => [request, { key: newKey(), orderId: `beside-${index}` }]);
    const repeated = await Promise.all(again.map(({ key, orderId }) => create(key, { orderId })));
    const known = new Map(bodies.map((body) => [body.orderId, body]));
    for (const [index, { orderId }] of again.entries()) {
      const body = (await repeated[index]!.json()) as { paymentId: string; orderId: string };
      expect(body.orderId).to.equal(orderId);
      const first = known.get(orderId);
      expect(repeated[index]!.headers.get('idempotent-replayed')).to.equal(
        first === undefined ? null : 'true',
      );
      if (first !== undefined) expect(body).to.deep.equal(first);
    }
  });

  it('gives all of fifty cancels at once the winner’s answer, not the conflict that it caused', async () => {
    const { paymentId } = await api.createPayment();
    const key = newKey();
    const answers = await Promise.all(
      Array.from({ length: 50 }, () =>
        api.call(`/payments/${paymentId}/cancel`, {
          method: 'POST',
          headers: { 'idempotency-key': key },
        }),
      ),
    );
    expect(new Set(answers.map((answer) => answer.status))).to.deep.equal(new Set([200]));
    expect(new Set(await Promise.all(answers.map((answer) => answer.text()))).size).to.equal(1);
  });

  it('leaves nothing of a refused request: corrected, it may be sent under the same key', async () => {
    const key = newKey();
    expect((await create(key, { chainId: 424_242 })).status).to.equal(400);
    expect((await create(key, { amount: 'x' })).status).to.equal(400);
    const corrected = await create(key);
    expect([corrected.status, corrected.headers.get('idempotent-replayed')]).to.deep.equal([
      201,
      null,
    ]);
  });

  it('answers 409 PAY_014 in about a lock wait while another request holds the key, and creates nothing', async function () {
    this.timeout(30_000);
    const key = newKey();
    const holder = await api.ctx.db.transaction();
    await execute(
      holder,
      "INSERT INTO idempotency_keys (store_id, idempotency_key, request_hash, response_status, response_ciphertext, created_at) VALUES (?, ?, ?, 201, 'x', NOW(3))",
      [api.store.storeId, key, '0'.repeat(64)],
    );
    try {
      const startedAt = performance.now();
      const problem = await readProblem(await create(key, { orderId: 'held' }));
      expect([problem.status, problem.code]).to.deep.equal([409, 'PAY_014']);
      expect(performance.now() - startedAt).to.be.below(12_000);
    } finally {
      await holder.rollback();
    }
    expect(await countPayments('held')).to.equal(0);
    expect((await create(key, { orderId: 'held' })).status).to.equal(201);
  });

  it('replays its own reply when the answer to its commit was lost', async () => {
    const claim = { storeId: api.store.storeId, key: newKey(), requestHash: 'a'.repeat(64) };
    const reply = await idempotently(
      api.ctx,
      claim,
      async (also) => {
        await inTransaction(api.ctx.db, (trx) => also(trx, 'done'));
        throw Object.assign(new Error('Connection lost'), { code: 'PROTOCOL_CONNECTION_LOST' });
      },
      (result: string) => ({ status: 200, body: { result } }),
    );
    expect(reply).to.deep.equal({ status: 200, body: { result: 'done' }, replayed: true });
  });

  it('rolls the effect back when the key cannot be kept', async () => {
    const claim = { storeId: 'x'.repeat(41), key: newKey(), requestHash: 'a'.repeat(64) };
    const failed = await idempotently(
      api.ctx,
      claim,
      (also) =>
        inTransaction(api.ctx.db, async (trx) => {
          await execute(
            trx,
            "INSERT INTO stores (id, name, payout_address, created_at) VALUES ('st_rolled_back', 'x', '0x', NOW(3))",
          );
          await also(trx, undefined);
        }),
      () => ({ status: 200 }),
    ).catch((error: unknown) => error);
    expect(failed).to.be.instanceOf(Error).and.not.instanceOf(AppError);
    expect(
      await selectRows(api.ctx.db, "SELECT id FROM stores WHERE id = 'st_rolled_back'"),
    ).to.deep.equal([]);
  });

  describe('after 24 hours', () => {
    const age = (key: string, hours: number) =>
      execute(api.ctx.db, 'UPDATE idempotency_keys SET created_at = ? WHERE idempotency_key = ?', [
        new Date(Date.now() - hours * 3_600_000),
        key,
      ]);

    it('a key still replays at 23 hours and may be used anew at 25, even before it is cleaned away', async () => {
      const key = newKey();
      await create(key);
      await age(key, 23);
      expect((await create(key)).headers.get('idempotent-replayed')).to.equal('true');
      await age(key, 25);
      const anew = await create(key, { amount: '2' });
      expect([anew.status, anew.headers.get('idempotent-replayed')]).to.deep.equal([201, null]);
      expect((await create(key, { amount: '2' })).headers.get('idempotent-replayed')).to.equal(
        'true',
      );
    });

    it('ten requests at once under an old key make one payment', async () => {
      const key = newKey();
      await create(key);
      await age(key, 25);
      const answers = await Promise.all(
        Array.from({ length: 10 }, () => create(key, { orderId: 'anew' })),
      );
      expect(new Set(answers.map((answer) => answer.status))).to.deep.equal(new Set([201]));
      expect(await countPayments('anew')).to.equal(1);
    });

    it('old and new keys at once, while the old ones are cleaned away: every answer is of a payment that there is', async () => {
      for (let round = 0; round < 5; round++) {
        const old = Array.from({ length: 10 }, newKey);
        await Promise.all(old.map((key) => create(key)));
        for (const key of old) await age(key, 25);
        const keys = [...old, ...Array.from({ length: 10 }, newKey)].sort(
          () => Math.random() - 0.5,
        );
        const [answers] = await Promise.all([
          Promise.all(keys.map((key) => create(key, { orderId: `round-${round}` }))),
          deleteExpiredIdempotencyKeys(api.ctx),
        ]);
        expect(new Set(answers.map((answer) => answer.status))).to.deep.equal(new Set([201]));
        const bodies = (await Promise.all(answers.map((answer) => answer.json()))) as {
          paymentId: string;
        }[];
        const rows = await selectRows<{ id: string }>(
          api.ctx.db,
          'SELECT id FROM payments WHERE order_id = ?',
          [`round-${round}`],
        );
        expect(bodies.map(({ paymentId }) => paymentId).sort()).to.deep.equal(
          rows.map(({ id }) => id).sort(),
        );
        expect(rows).to.have.length(20);
      }
    });

    it('deleteExpiredIdempotencyKeys forgets the old ones, all of them, and no other', async () => {
      const [old, young] = [newKey(), newKey()];
      await create(old);
      await create(young);
      await age(old, 25);
      const rows = Array.from(
        { length: 2_500 },
        (_, i) => `('st_old', 'k${i}', '', 201, '', '2020-01-01')`,
      ).join(', ');
      await execute(
        api.ctx.db,
        `INSERT INTO idempotency_keys (store_id, idempotency_key, request_hash, response_status, response_ciphertext, created_at) VALUES ${rows}`,
      );
      expect(await deleteExpiredIdempotencyKeys(api.ctx)).to.equal(2_501);
      const left = await selectRows<{ idempotency_key: string }>(
        api.ctx.db,
        'SELECT idempotency_key FROM idempotency_keys',
      );
      expect(left.map((row) => row.idempotency_key))
        .to.include(young)
        .and.not.to.include(old);
    });
  });

  for (const [name, key] of [
    ['of 256 characters', 'x'.repeat(256)],
    ['with a tab', 'a\tb'],
    ['beyond ASCII', 'caf\u00e9'],
  ] as const) {
    it(`refuses a key ${name} with PAY_005`, async () => {
      const problem = await readProblem(await create(key));
      expect([problem.status, problem.code]).to.deep.equal([400, 'PAY_005']);
      expect(JSON.stringify(problem.errors)).to.include('idempotency-key');
    });
  }
});

describe('toCanonicalJson', () => {
  it('is the same for any order of members, at any depth, and differs for any other difference', () => {
    expect(toCanonicalJson({ b: [{ d: 1, c: 2 }], a: 'x' })).to.equal(
      toCanonicalJson({ a: 'x', b: [{ c: 2, d: 1 }] }),
    );
    const different = [
      { a: 1 },
      { a: '1' },
      { a: [1] },
      { a: null },
      {},
      [],
      undefined,
      { a: { b: 1 } },
      { b: 1 },
    ];
    expect(new Set(different.map(toCanonicalJson)).size).to.equal(different.length);
  });
});
