import { expect } from 'chai';

import { cancelPayment } from '../../domain/payments/service.ts';
import { getPaymentStatus, waitForStatus } from '../../domain/payments/status.ts';
import { expectRefusal } from '../support/expectRefusal.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { nextAnswer } from '../support/nextAnswer.ts';

/**
 * Of the 20 seconds that a status request may wait here: an answer in half of them came before
 * their end.
 */
const SOON_MS = 10_000;

const UNKNOWN_ID = `0x${'0d'.repeat(32)}` as const;

describe('the status of a payment', () => {
  let harness: Harness;
  let store: TestStore;

  before(async function () {
    this.timeout(120_000);
    harness = await createHarness();
    store = await harness.createTestStore();
  });
  after(() => harness.close());

  const cancel = (paymentId: `0x${string}`) =>
    cancelPayment(harness.ctx, { storeId: store.storeId, paymentId });
  async function timed<T>(work: Promise<T>): Promise<{ result: T; tookMs: number }> {
    const startedAt = performance.now();
    return { result: await work, tookMs: performance.now() - startedAt };
  }

  it('is answered at once without waiting', async () => {
    const { id: paymentId } = await harness.createTestPayment(store);
    const { result, tookMs } = await timed(
      getPaymentStatus(harness.ctx, { storeId: store.storeId, paymentId, waitSeconds: 0 }),
    );
    expect(result).to.deep.equal({ paymentId, status: 'pending', confirmations: 0, txHash: null });
    expect(tookMs).to.be.lessThan(SOON_MS);
  });

  it('is told to all who wait as soon as it changes', async () => {
    const { id: paymentId } = await harness.createTestPayment(store);
    const wasRead = nextAnswer(harness.ctx.db, 'FROM payments');
    const asked = [1, 2, 3].map(() =>
      timed(getPaymentStatus(harness.ctx, { storeId: store.storeId, paymentId, waitSeconds: 20 })),
    );
    await wasRead;
    const changedAt = performance.now();
    await cancel(paymentId);
    const answers = await Promise.all(asked);
    expect(answers.map(({ result }) => result.status)).to.deep.equal([
      'cancelled',
      'cancelled',
      'cancelled',
    ]);
    expect(performance.now() - changedAt).to.be.lessThan(SOON_MS);
  });

  it('is told although the hint that it changed was lost', async () => {
    const { id: paymentId } = await harness.createTestPayment(store);
    const wasRead = nextAnswer(harness.ctx.db, 'FROM payments');
    const asked = getPaymentStatus(harness.ctx, {
      storeId: store.storeId,
      paymentId,
      waitSeconds: 20,
    });
    await wasRead;
    // As another process whose hints do not arrive: Redis is away, say.
    const silent = {
      ...harness.ctx,
      signals: { ...harness.ctx.signals, changed: () => Promise.resolve() },
    };
    const { result, tookMs } = await timed(
      cancelPayment(silent, { storeId: store.storeId, paymentId }).then(() => asked),
    );
    expect(result.status).to.equal('cancelled');
    expect(tookMs).to.be.lessThan(15_000);
  });

  it('is answered unchanged when the time is over', async () => {
    const { id: paymentId } = await harness.createTestPayment(store);
    const { result, tookMs } = await timed(
      getPaymentStatus(harness.ctx, { storeId: store.storeId, paymentId, waitSeconds: 1 }),
    );
    expect(result.status).to.equal('pending');
    expect(tookMs).to.be.within(990, 15_000);
  });

  it('is answered as it is when the caller goes away', async () => {
    const { id: paymentId } = await harness.createTestPayment(store);
    const caller = new AbortController();
    const wasRead = nextAnswer(harness.ctx.db, 'FROM payments');
    const asked = timed(
      getPaymentStatus(harness.ctx, {
        storeId: store.storeId,
        paymentId,
        waitSeconds: 20,
        signal: caller.signal,
      }),
    );
    await wasRead;
    caller.abort();
    const { result, tookMs } = await asked;
    expect(result.status).to.equal('pending');
    expect(tookMs).to.be.lessThan(SOON_MS);
    const gone = await timed(
      getPaymentStatus(harness.ctx, {
        storeId: store.storeId,
        paymentId,
        waitSeconds: 20,
        signal: caller.signal,
      }),
    );
    expect(gone.tookMs).to.be.lessThan(SOON_MS);
  });

  it('that is wanted already is answered at once', async () => {
    const { id: paymentId } = await harness.createTestPayment(store);
    const { tookMs } = await timed(
      waitForStatus(
        harness.ctx,
        { storeId: store.storeId, paymentId, waitSeconds: 20 },
        ({ status }) => status === 'pending',
      ),
    );
    expect(tookMs).to.be.lessThan(SOON_MS);
  });

  it('shows a change of the same process to the next reader, cache or not', async () => {
    const { id: paymentId } = await harness.createTestPayment(store);
    const read = () =>
      getPaymentStatus(harness.ctx, { storeId: store.storeId, paymentId, waitSeconds: 0 });
    expect((await read()).status).to.equal('pending');
    await cancel(paymentId);
    expect((await read()).status).to.equal('cancelled');
  });

  it('of another store’s payment is answered like that of an unknown one, also from the cache and while waiting', async () => {
    const { id: paymentId } = await harness.createTestPayment(store);
    const other = await harness.createTestStore();
    await getPaymentStatus(harness.ctx, { storeId: store.storeId, paymentId, waitSeconds: 0 });
    for (const waitSeconds of [0, 5]) {
      const foreign = await expectRefusal(
        getPaymentStatus(harness.ctx, { storeId: other.storeId, paymentId, waitSeconds }),
      );
      const unknown = await expectRefusal(
        getPaymentStatus(harness.ctx, {
          storeId: other.storeId,
          paymentId: UNKNOWN_ID,
          waitSeconds,
        }),
      );
      expect([foreign.code, foreign.detail]).to.deep.equal([unknown.code, unknown.detail]);
      expect(foreign.code).to.equal('PAY_009');
    }
  });
});
