import { expect } from 'chai';

import { CHAIN_ERRORS } from '../../domain/chain/errors.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import { cancelPayment, getPayment } from '../../domain/payments/service.ts';
import { expirePayment } from '../../domain/scan/expirePayment.ts';
import { measureOverdue, sweepOverduePayments } from '../../domain/scan/sweepOverduePayments.ts';
import type { Payment } from '../../domain/payments/model.ts';
import { sendAttempt } from '../../domain/relay/sendAttempt.ts';
import { executePayment } from '../../domain/relay/executePayment.ts';
import { execute, selectRows } from '../../platform/db.ts';
import { addMs } from '../../shared/clock.ts';
import { AppError } from '../../shared/errors.ts';
import { signAuthorization } from '../support/gasless.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { readHistory } from '../support/paymentHistory.ts';
import { readAttempt } from '../support/relayFlow.ts';
import { atTime, atTimeOfChain, withChain, withRelayer } from '../support/varyContext.ts';

const DONE = { kind: 'done' };

describe('a payment that nobody pays', () => {
  let harness: Harness;
  let store: TestStore;

  before(async function () {
    this.timeout(120_000);
    harness = await createHarness();
    store = await harness.createTestStore();
    await scanChain(harness.ctx, harness.config.chains[0]?.chainId ?? 0);
  });
  after(() => harness.close());

  const read = (payment: Pick<Payment, 'id'>) =>
    getPayment(harness.ctx, { storeId: store.storeId, paymentId: payment.id });
  const cancel = (payment: Pick<Payment, 'id'>) =>
    cancelPayment(harness.ctx, { storeId: store.storeId, paymentId: payment.id });
  const expireAt = (payment: Payment, msAfterExpiry: number) =>
    expirePayment(
      atTimeOfChain(harness.ctx, payment.chainId, addMs(payment.terms.expiresAt, msAfterExpiry)),
      payment.id,
    );

  const withDevelopment = (development: boolean) => {
    const { ctx } = harness;
    return {
      ...ctx,
      config: {
        ...ctx.config,
        chains: ctx.config.chains.map((chain) => ({ ...chain, development })),
      },
    };
  };

  /** As if the scanner had last seen a block of this time, the last final one being of that. */
  async function setScannedUntil(
    timestamp: Date | null,
    settled: Date | null = timestamp,
  ): Promise<void> {
    const { ctx, config } = harness;
    const chainId = config.chains[0]?.chainId ?? 0;
    const scanned = { next_block: 1_000_000, scanned_timestamp: timestamp, head_number: 999_999 };
    const moved = {
      ...scanned,
      settled_block: settled === null ? null : 999_990,
      settled_timestamp: settled,
    };
    await ctx.db('chain_cursors').where({ chain_id: chainId }).update(moved);
  }

  it('that waits again is promised to expire if that is soon; maintenance sees to the others', async () => {
    const promises = async (payment: Payment) =>
      (
        await selectRows(
          harness.ctx.db,
          "SELECT id FROM outbox WHERE queue = 'expire' AND subject_id = ?",
          [payment.id],
        )
      ).length;
    const payments = [
      await harness.createTestPayment(store, { expiresInSeconds: 60 }),
      await harness.createTestPayment(store, { expiresInSeconds: 600 }),
    ];
    expect(await Promise.all(payments.map(promises))).to.deep.equal([1, 0]);
    for (const payment of payments) {
      await execute(
        harness.ctx.db,
        "DELETE FROM outbox WHERE queue = 'expire' AND subject_id = ?",
        [payment.id],
      );
      const customer = await harness.chain.createCustomer({ token: harness.tokens.TUSD });
      await executePayment(harness.ctx, await signAuthorization(harness.ctx, customer, payment));
      const attempt = await readAttempt(harness.ctx, payment);
      // No relayer takes it, ever.
      const malformed = withRelayer(harness.ctx, payment.chainId, () => ({
        send: () => Promise.resolve({ kind: 'rejected', reason: 'no' }),
      }));
      expect(await sendAttempt(malformed, attempt.id)).to.deep.equal(DONE);
      expect((await read(payment)).status).to.equal('pending');
    }
    expect(await Promise.all(payments.map(promises))).to.deep.equal([1, 0]);
    await Promise.all(payments.map(cancel));
  });

  it('is told as overdue to those that watch', async () => {
    const payment = await harness.createTestPayment(store, { expiresInSeconds: 60 });
    const measureAt = (ms: number) =>
      measureOverdue(atTime(harness.ctx, addMs(payment.terms.expiresAt, ms)));
    expect(await measureAt(-60_000)).to.equal(0);
    expect(await measureAt(90_000)).to.be.at.least(90_000);
    await cancel(payment);
    expect(await measureAt(90_000)).to.equal(0);
  });

  it('does not expire before its last second is over', async () => {
    const payment = await harness.createTestPayment(store);
    await setScannedUntil(addMs(payment.terms.expiresAt, 3_600_000));
    for (const ms of [-900_000, -1, 0, 999]) {
      expect(await expireAt(payment, ms)).to.deep.equal({
        kind: 'later',
        at: addMs(payment.terms.expiresAt, 1_000),
      });
    }
    expect((await read(payment)).status).to.equal('pending');
    expect(await expireAt(payment, 1_000)).to.deep.equal(DONE);
    const expired = await read(payment);
    expect(expired.status).to.equal('expired');
    expect(await readHistory(harness.ctx, expired)).to.deep.equal([
      'payment.created',
      'payment.expired',
    ]);
  });

  it('waits for every block that could have paid it to be final and scanned, however late its head is', async () => {
    const payment = await harness.createTestPayment(store);
    const { expiresAt } = payment.terms;
    for (const settled of [null, addMs(expiresAt, -900_000), expiresAt]) {
      await setScannedUntil(addMs(expiresAt, 3_600_000), settled);
      expect((await expireAt(payment, 5_000)).kind).to.equal('later');
      expect(
        (await expireAt(payment, 86_400_000)).kind,
        'the chain goes on, so this will too',
      ).to.equal('later');
      expect((await read(payment)).status).to.equal('pending');
    }
    await setScannedUntil(addMs(expiresAt, 3_600_000), addMs(expiresAt, 1_000));
    expect(await expireAt(payment, 6_000)).to.deep.equal(DONE);
    expect((await read(payment)).status).to.equal('expired');
  });

  it('is not looked at again before it may be over by the chain’s clock, and the chain is not asked until then', async () => {
    const payment = await harness.createTestPayment(store);
    const { expiresAt } = payment.terms;
    await setScannedUntil(expiresAt, addMs(expiresAt, -600_000));
    const now = addMs(expiresAt, 2_000);
    const mute = withChain(atTime(harness.ctx, now), payment.chainId, () => ({
      findPayers: () => Promise.reject(new Error('must not be asked')),
    }));
    expect(await expirePayment(mute, payment.id)).to.deep.equal({
      kind: 'later',
      at: addMs(now, 601_000),
    });
    await cancel(payment);
  });

  for (const [name, timestamp] of [
    ['stands still', (payment: Payment) => addMs(payment.terms.expiresAt, -60_000)],
    ['never ran', () => null],
  ] as const) {
    it(`waits for a scanner that ${name}`, async () => {
      const payment = await harness.createTestPayment(store);
      await setScannedUntil(timestamp(payment));
      for (const ms of [59_999, 60_000, 3_600_000, 86_400_000])
        expect((await expireAt(payment, ms)).kind).to.equal('later');
      expect((await read(payment)).status).to.equal('pending');
      await setScannedUntil(addMs(payment.terms.expiresAt, 1_000));
      expect(await expireAt(payment, 86_500_000)).to.deep.equal(DONE);
    });
  }

  it('expires once, however often it is asked for', async () => {
    const payment = await harness.createTestPayment(store);
    await setScannedUntil(addMs(payment.terms.expiresAt, 1_000));
    const results = await Promise.all([1, 2, 3, 4].map(() => expireAt(payment, 2_000)));
    expect(results).to.deep.equal([DONE, DONE, DONE, DONE]);
    expect(await readHistory(harness.ctx, await read(payment))).to.deep.equal([
      'payment.created',
      'payment.expired',
    ]);
  });

  it('is expired by the sweep when its job was lost', async () => {
    const payment = await harness.createTestPayment(store, { expiresInSeconds: 60 });
    await setScannedUntil(addMs(payment.terms.expiresAt, 3_600_000));
    const sweepAfter = (ms: number) =>
      sweepOverduePayments(
        atTimeOfChain(harness.ctx, payment.chainId, addMs(payment.terms.expiresAt, ms)),
      );
    expect(await sweepAfter(4_000)).to.equal(0);
    expect((await read(payment)).status).to.equal('pending');
    expect(await sweepAfter(6_000)).to.equal(1);
    expect((await read(payment)).status).to.equal('expired');
  });

  it('is not swept while its expiry waits for a later look', async () => {
    const payment = await harness.createTestPayment(store, { expiresInSeconds: 60 });
    await execute(
      harness.ctx.db,
      "UPDATE outbox SET run_at = ? WHERE queue = 'expire' AND subject_id = ?",
      [addMs(payment.terms.expiresAt, 60_000), payment.id],
    );
    expect(
      await sweepOverduePayments(atTime(harness.ctx, addMs(payment.terms.expiresAt, 30_000))),
    ).to.equal(0);
    await cancel(payment);
  });

  it('does not expire while the chain does not answer, however long that takes', async () => {
    const payment = await harness.createTestPayment(store);
    await setScannedUntil(addMs(payment.terms.expiresAt, 3_600_000));
    const lookAfter = (ms: number, isAway: boolean) => {
      const ctx = atTimeOfChain(harness.ctx, payment.chainId, addMs(payment.terms.expiresAt, ms));
      const away = () => Promise.reject(new AppError(CHAIN_ERRORS.unavailable));
      return expirePayment(
        isAway ? withChain(ctx, payment.chainId, () => ({ findPayers: away, getHead: away })) : ctx,
        payment.id,
      );
    };
    const waits: number[] = [];
    for (const ms of [10_000, 600_000, 86_400_000]) {
      const result = await lookAfter(ms, true);
      if (result.kind !== 'later') throw new Error('it was not to wait');
      waits.push(result.at.getTime() - payment.terms.expiresAt.getTime() - ms);
      expect((await read(payment)).status).to.equal('pending');
    }
    // Less and less often, since there may be very many of them; and never less than every five
    // minutes or so.
    expect(waits[0]).to.be.within(2_500, 10_000);
    expect(waits[1]).to.be.within(150_000, 160_000);
    expect(waits[2]).to.be.within(300_000, 310_000);
    expect(await lookAfter(86_500_000, false)).to.deep.equal(DONE);
    expect((await read(payment)).status).to.equal('expired');
  });

  it('waits for a node whose head is not later than its last second', async () => {
    const payment = await harness.createTestPayment(store);
    await setScannedUntil(addMs(payment.terms.expiresAt, 3_600_000));
    const lagging = atTimeOfChain(harness.ctx, payment.chainId, payment.terms.expiresAt);
    for (const ms of [5_000, 3_600_000, 86_400_000]) {
      expect(
        (await expirePayment(atTime(lagging, addMs(payment.terms.expiresAt, ms)), payment.id)).kind,
      ).to.equal('later');
    }
    expect((await read(payment)).status).to.equal('pending');
    expect(await expireAt(payment, 86_500_000)).to.deep.equal(DONE);
  });

  it('does not wait for ever on a development chain, which makes no empty blocks: nor for its last ones to be final', async () => {
    for (const headMs of [-60_000, 0, 600_000]) {
      const payment = await harness.createTestPayment(store);
      const { expiresAt } = payment.terms;
      const head = { number: 999_999n, timestamp: addMs(expiresAt, headMs) };
      await setScannedUntil(head.timestamp, addMs(expiresAt, -120_000));
      const lookAt = (ms: number, number = head.number, base = withDevelopment(true)) =>
        expirePayment(
          withChain(atTime(base, addMs(expiresAt, ms)), payment.chainId, (chain) => ({
            async findPayers(paymentIds) {
              const { block, payers } = await chain.findPayers(paymentIds);
              return { block: block && { ...block, ...head, number }, payers };
            },
          })),
          payment.id,
        );
      const hourAfter = 3_600_000 + Math.max(0, headMs);
      for (const ms of [5_000, hourAfter - 1]) expect((await lookAt(ms)).kind).to.equal('later');
      expect(
        (await lookAt(hourAfter, head.number - 1n)).kind,
        'a node that is behind what was scanned',
      ).to.equal('later');
      expect(
        (await lookAt(hourAfter, head.number + 1n)).kind,
        'a scanner that is behind the node',
      ).to.equal('later');
      for (const ms of [hourAfter, 86_400_000])
        expect(
          (await lookAt(ms, head.number, withDevelopment(false))).kind,
          'an outage: what it makes later may have earlier times',
        ).to.equal('later');
      expect((await read(payment)).status).to.equal('pending');
      expect(await lookAt(hourAfter)).to.deep.equal(DONE);
      expect((await read(payment)).status).to.equal('expired');
    }
  });

  it('costs the chain few questions when many expire together', async () => {
    const payments = await Promise.all(
      Array.from({ length: 60 }, () => harness.createTestPayment(store, { expiresInSeconds: 60 })),
    );
    const [first] = payments;
    if (first === undefined) throw new Error('there are no payments');
    const last = Math.max(...payments.map(({ terms }) => terms.expiresAt.getTime()));
    const now = new Date(last + 60_000);
    await setScannedUntil(now);
    const asked: number[] = [];
    const ctx = withChain(
      atTimeOfChain(harness.ctx, first.chainId, now),
      first.chainId,
      (chain) => ({
        findPayers: (paymentIds) => {
          asked.push(paymentIds.length);
          return chain.findPayers(paymentIds);
        },
      }),
    );
    expect(await sweepOverduePayments(ctx)).to.equal(60);
    expect((await Promise.all(payments.map(read))).map(({ status }) => status)).to.deep.equal(
      payments.map(() => 'expired'),
    );
    expect(asked.reduce((sum, count) => sum + count, 0)).to.equal(60);
    // Twenty at once; how they fall into turns of the event loop is not ours to say.
    expect(asked.length).to.be.at.most(30);
  });

  it('does nothing for a payment that is unknown', async () => {
    expect(await expirePayment(harness.ctx, `0x${'0f'.repeat(32)}`)).to.deep.equal(DONE);
  });
});
