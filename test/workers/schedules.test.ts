import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';

import { findCursor } from '../../domain/chain/store.ts';
import { getPayment } from '../../domain/payments/service.ts';
import type { Payment } from '../../domain/payments/model.ts';
import { promiseExpiries } from '../../domain/payments/promiseExpiries.ts';
import { selectRows } from '../../platform/db.ts';
import { addMs } from '../../shared/clock.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { readHistory } from '../support/paymentHistory.ts';
import { runWorkers, type RunningWorkers } from '../support/runWorkers.ts';
import { atTime } from '../support/varyContext.ts';
import { waitUntil } from '../support/waitUntil.ts';

describe('schedules and expiry', function () {
  this.timeout(40_000);

  let harness: Harness;
  let store: TestStore;
  let workers: RunningWorkers | undefined;

  before(async function () {
    this.timeout(120_000);
    harness = await createHarness({ env: { MSQPAY_OUTBOX_REDRIVE_MS: '60000' } });
    store = await harness.createTestStore();
  });
  afterEach(async () => {
    await workers?.stop();
    workers = undefined;
  });
  after(() => harness.close());

  const read = (payment: Payment) =>
    getPayment(harness.ctx, { storeId: store.storeId, paymentId: payment.id });
  const expireRows = (payment: Payment) =>
    selectRows<{ run_at: Date }>(
      harness.ctx.db,
      "SELECT run_at FROM outbox WHERE queue = 'expire' AND subject_id = ?",
      [payment.id],
    );
  const waitForExpiry = (payment: Payment, timeoutMs: number) =>
    waitUntil(async () => (await read(payment)).status === 'expired', {
      timeoutMs,
      what: 'the expiry',
    });

  async function nextBlock(): Promise<bigint> {
    const chainId = harness.config.chains[0]!.chainId;
    return (await findCursor(harness.ctx.db, chainId))?.nextBlock ?? 0n;
  }

  it('come back after Redis has lost them, and the chain is followed again', async () => {
    workers = await runWorkers(harness, ['chain-scan', 'maintenance']);
    const before = await waitUntil(async () => (await nextBlock()) || undefined, {
      what: 'the first scan',
    });
    await waitUntil(async () => (await nextBlock()) > before, { what: 'the next scan' });
    const maintenance = harness.queues.get('maintenance');
    const scheduled = (await maintenance.getJobSchedulers()).map(({ key }) => key).sort();
    expect(scheduled).to.have.length.greaterThan(1);

    await harness.ctx.redis.flushall();
    expect(await maintenance.getJobSchedulers()).to.deep.equal([]);
    await sleep(500);
    const stoodAt = await nextBlock();
    await waitUntil(async () => (await nextBlock()) > stoodAt + 2n, {
      timeoutMs: 15_000,
      what: 'scanning after the wipe',
    });
    await waitUntil(
      async () => (await maintenance.getJobSchedulers()).length === scheduled.length,
      {
        timeoutMs: 15_000,
        what: 'the schedules',
      },
    );
    expect((await maintenance.getJobSchedulers()).map(({ key }) => key).sort()).to.deep.equal(
      scheduled,
    );
  });

  it('leave one schedule of each kind, however many processes there are', async () => {
    const others = await Promise.all([
      runWorkers(harness, ['chain-scan', 'maintenance']),
      runWorkers(harness, ['chain-scan', 'maintenance']),
    ]);
    try {
      await sleep(1_000);
      const chain = harness.queues.get('chain-scan');
      expect(await chain.getJobSchedulers()).to.have.length(1);
      expect(await chain.getDelayedCount()).to.be.at.most(1);
    } finally {
      await Promise.all(others.map((other) => other.stop()));
    }
  });

  it('expire a payment by its own job, within a moment of its date', async () => {
    workers = await runWorkers(harness, ['chain-scan', 'expire']);
    const payment = await harness.createTestPayment(store, { expiresInSeconds: 2 });
    await waitForExpiry(payment, 35_000);
    const expired = await read(payment);
    const lateMs = expired.updatedAt.getTime() - payment.terms.expiresAt.getTime();
    // Not in the last second in which the contract still takes it.
    // No sweep runs here, so it is the job’s doing whenever it comes.
    expect(lateMs).to.be.within(1_000, 30_000);
    await waitUntil(async () => (await expireRows(payment)).length === 0, {
      what: 'the promise’s end',
    });
    expect(await readHistory(harness.ctx, expired)).to.deep.equal([
      'payment.created',
      'payment.expired',
    ]);
  });

  it('promise an expiry when its date is near, once, and none of what is paid by then', async () => {
    const expiresInSeconds = 600;
    const [waiting, paid] = [
      await harness.createTestPayment(store, { expiresInSeconds }),
      await harness.createTestPayment(store, { expiresInSeconds }),
    ];
    const { expiresAt } = waiting.terms;
    const promiseAt = (secondsBefore: number) =>
      promiseExpiries(atTime(harness.ctx, addMs(expiresAt, -secondsBefore * 1_000)));
    workers = await runWorkers(harness, ['chain-scan']);
    await harness.chain.payDirectly(
      await harness.chain.createCustomer({ token: harness.tokens.TUSD }),
      paid,
    );
    await waitUntil(async () => (await read(paid)).status === 'completed', {
      what: 'the completion',
    });

    await promiseAt(300);
    expect(await expireRows(waiting)).to.deep.equal([]);
    expect(await promiseAt(100)).to.equal(1);
    expect(await promiseAt(90)).to.equal(0);
    const [promise, ...more] = await expireRows(waiting);
    expect(more).to.deep.equal([]);
    expect(promise).to.deep.include({ run_at: expiresAt });
    expect(await expireRows(paid)).to.deep.equal([]);
  });

  it('expire a payment by the sweep when its job was lost, and tell it once', async () => {
    // No worker takes the jobs of the expire queue.
    workers = await runWorkers(harness, ['chain-scan', 'maintenance']);
    const payment = await harness.createTestPayment(store, { expiresInSeconds: 1 });
    // On a slow machine it is put there when it is due already.
    await waitUntil(
      async () => (await harness.queues.get('expire').getJobCountByTypes('delayed', 'waiting')) > 0,
      { what: 'the job' },
    );
    await harness.queues.get('expire').obliterate({ force: true });
    await waitForExpiry(payment, 20_000);
    expect((await expireRows(payment)).length, 'the job’s promise is still open').to.equal(1);
    expect(await readHistory(harness.ctx, await read(payment))).to.deep.equal([
      'payment.created',
      'payment.expired',
    ]);
  });

  it('leave a payment alone that was paid before its date, and forget its expiry then', async () => {
    const customer = await harness.chain.createCustomer({ token: harness.tokens.TUSD });
    workers = await runWorkers(harness, ['chain-scan', 'expire']);
    const payment = await harness.createTestPayment(store, { expiresInSeconds: 4 });
    await harness.chain.payDirectly(customer, payment);
    await waitUntil(async () => (await read(payment)).status === 'completed', {
      what: 'the completion',
    });
    expect(await expireRows(payment)).to.have.length(1);
    await waitUntil(async () => (await expireRows(payment)).length === 0, {
      timeoutMs: 10_000,
      what: 'the promise’s end',
    });
    expect(Date.now()).to.be.at.least(payment.terms.expiresAt.getTime());
    expect(await readHistory(harness.ctx, await read(payment))).to.deep.equal([
      'payment.created',
      'payment.processing',
      'payment.completed',
    ]);
  });
});
