import { expect } from 'chai';

import { cancelPayment } from '../../domain/payments/service.ts';
import { relayPayment } from '../../domain/relay/relayPayment.ts';
import type { Context } from '../../platform/context.ts';
import { selectRows } from '../../platform/db.ts';
import { inUnitOfWork } from '../../platform/unitOfWork.ts';
import { asBytes32 } from '../../shared/hex.ts';
import { signGasless } from '../support/gasless.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { waitUntil } from '../support/waitUntil.ts';

/** More than have their turn at once. */
const CHANGES = 5;

/**
 * Where Redis does not answer, whoever changed a payment waits for a moment before it tells of that
 * (platform/signals.ts).
 */
describe('a store’s turns while others are told late', function () {
  this.timeout(60_000);

  let harness: Harness;
  let store: TestStore;
  let ctx: Context;
  /** Ends what all wait for. */
  let tell: () => void;

  before(async function () {
    this.timeout(120_000);
    harness = await createHarness();
  });
  beforeEach(async () => {
    store = await harness.createTestStore();
    const told = new Promise<void>((resolve) => {
      tell = resolve;
    });
    ctx = { ...harness.ctx, signals: { ...harness.ctx.signals, changed: () => told } };
  });
  after(() => harness.close());

  const countPayments = async (status: string) =>
    (
      await selectRows(
        harness.ctx.db,
        'SELECT id FROM payments WHERE store_id = ? AND status = ?',
        [store.storeId, status],
      )
    ).length;
  const createPayments = () =>
    Promise.all(Array.from({ length: CHANGES }, () => harness.createTestPayment(store)));

  async function expectAllCommitted(
    changes: readonly Promise<{ readonly status: string }>[],
    status: string,
  ): Promise<void> {
    let answered = 0;
    const counted = changes.map((change) => change.finally(() => (answered += 1)));
    try {
      await waitUntil(async () => (await countPayments(status)) === CHANGES, {
        what: `all payments to be ${status}`,
      });
      expect(answered, 'answered before anybody was told').to.equal(0);
    } finally {
      tell();
      await Promise.allSettled(counted);
    }
    expect((await Promise.all(counted)).map((payment) => payment.status)).to.deep.equal(
      Array.from({ length: CHANGES }, () => status),
    );
  }

  it('are not held by cancellations that have committed', async () => {
    const payments = await createPayments();
    await expectAllCommitted(
      payments.map(({ id: paymentId }) =>
        cancelPayment(ctx, { storeId: store.storeId, paymentId }),
      ),
      'cancelled',
    );
  });

  it('are not held by relays that have committed', async () => {
    const signed = [];
    for (const payment of await createPayments()) {
      const customer = await harness.chain.createCustomer({ token: harness.tokens.TUSD });
      signed.push(await signGasless(harness.ctx, customer, payment));
    }
    await expectAllCommitted(
      signed.map((input) => relayPayment(ctx, input)),
      'processing',
    );
  });

  it('are not held by changes that have failed', async () => {
    let failed = 0;
    const changes = Array.from({ length: CHANGES }, () =>
      inUnitOfWork(
        ctx,
        (unit) => {
          unit.changed('payment', asBytes32(`0x${'ab'.repeat(32)}`));
          failed += 1;
          return Promise.reject(new Error('refused'));
        },
        { turnOf: store.storeId },
      ).catch((error: unknown) => error),
    );
    try {
      await waitUntil(() => failed === CHANGES, { what: 'all to have had their turn' });
    } finally {
      tell();
      await Promise.all(changes);
    }
  });
});
