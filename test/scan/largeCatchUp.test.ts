import { expect } from 'chai';

import { findCursor } from '../../domain/chain/store.ts';
import type { Payment } from '../../domain/payments/model.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import { createWebhookEndpoint } from '../../domain/webhooks/service.ts';
import { selectRows } from '../../platform/db.ts';
import { createFakeChain, fakeLog } from '../support/fakeChain.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { insertManyPayments } from '../support/manyPayments.ts';
import { withChain } from '../support/varyContext.ts';

const PAYMENTS = 50_000;
/** Payments that one transaction applies. */
const SLICE = 500;
/**
 * The most that a store may put into a payment's metadata is some 12 kB, and each event has it too.
 * The first payments have it, so that whole slices do: the events of each are 6 MB.
 * `TEST_CATCH_UP=whole` gives it to all of them, which takes 2 GB of disk.
 */
const WITH_METADATA = process.env['TEST_CATCH_UP'] === 'whole' ? PAYMENTS : 2_500;
/** Some servers take no more as one statement. */
const MAX_STATEMENT_BYTES = 4_000_000;
const METADATA = Object.fromEntries(
  Array.from({ length: 24 }, (_, index) => [`key-${index}`, 'm'.repeat(500)]),
);

describe('a catch-up that finds 50,000 payments in one chunk', () => {
  let harness: Harness;
  let store: TestStore;
  let chainId: number;
  let payments: Payment[];
  const block = 5_000n;
  let head = block + 1n;

  before(async function () {
    this.timeout(1_800_000);
    harness = await createHarness({
      config: (config) => ({
        ...config,
        chains: config.chains.map((one) => ({ ...one, startBlock: Number(block) - 500 })),
      }),
    });
    store = await harness.createTestStore();
    chainId = harness.config.chains[0]?.chainId ?? 0;
    const like = await harness.createTestPayment(store);
    payments = await insertManyPayments(harness.ctx, like, PAYMENTS, (index) =>
      index < WITH_METADATA ? METADATA : null,
    );
    const { storeId } = store;
    await createWebhookEndpoint(harness.ctx, {
      storeId,
      url: 'http://127.0.0.1:9/',
      eventTypes: ['payment.completed'],
    });
  });
  after(() => harness.close());

  const count = async (sql: string) =>
    Number((await selectRows<{ count: string | number }>(harness.ctx.db, sql))[0]?.count);
  const countStatus = (status: string) =>
    count(
      `SELECT COUNT(*) AS count FROM payments WHERE status = '${status}' AND order_id LIKE 'many-%'`,
    );

  it('applies it in slices, goes on where it was interrupted, and completes each payment once', async function () {
    this.timeout(1_800_000);
    const logs = payments.map((payment, index) =>
      fakeLog(payment, block - 400n + BigInt(Math.floor(index / 200)), index % 200),
    );
    const ctx = withChain(harness.ctx, chainId, () =>
      createFakeChain(
        () => head,
        () => logs,
      ),
    );
    const sizes: number[] = [];
    const measure = ({
      sql,
      bindings = [],
    }: {
      readonly sql: string;
      readonly bindings?: readonly unknown[];
    }) => {
      const sizeOf = (value: unknown) => (typeof value === 'string' ? Buffer.byteLength(value) : 0);
      if (/^INSERT INTO events /.test(sql))
        sizes.push(bindings.reduce<number>((sum, value) => sum + sizeOf(value), sql.length));
    };
    harness.ctx.db.on('query', measure);
    // As if the process had died in the middle of a slice.
    let ids = 0;
    const mortal = {
      ...ctx,
      newId: (prefix: Parameters<typeof ctx.newId>[0]) => {
        if (++ids > 10_000) throw new Error('killed');
        return ctx.newId(prefix);
      },
    };
    await scanChain(mortal, chainId).then(
      () => expect.fail('the scan survived'),
      (error: unknown) => expect(error).to.have.property('message', 'killed'),
    );
    expect(await countStatus('processing')).to.equal(10_000);
    expect((await findCursor(harness.ctx.db, chainId))?.nextBlock).to.equal(block - 500n);

    head += 1n;
    let updates = 0;
    const countUpdates = ({ sql }: { readonly sql: string }) => {
      if (/^UPDATE (payments |.*STRAIGHT_JOIN payments )/s.test(sql)) updates += 1;
    };
    harness.ctx.db.on('query', countUpdates);
    const startedAt = performance.now();
    await scanChain(ctx, chainId);
    harness.ctx.db.removeListener('query', countUpdates);
    harness.ctx.db.removeListener('query', measure);
    // Each slice is placed by one statement and completed by one, not by one for each payment.
    expect(updates).to.be.within(PAYMENTS / SLICE, (2 * PAYMENTS) / SLICE + 10);
    // Its events are cut by size as well, when it is placed and when it is completed.
    expect(Math.max(...sizes)).to.be.below(MAX_STATEMENT_BYTES);
    expect(sizes.length).to.be.above((2 * PAYMENTS) / SLICE + (2 * WITH_METADATA) / SLICE);
    const seconds = (performance.now() - startedAt) / 1000;
    harness.ctx.log.info({ seconds, perSecond: PAYMENTS / seconds }, 'caught up');
    expect(await countStatus('completed')).to.equal(PAYMENTS);
    expect((await findCursor(harness.ctx.db, chainId))?.nextBlock).to.equal(head + 1n);
    const told =
      "FROM events e JOIN payments p ON p.id = e.subject_id WHERE p.order_id LIKE 'many-%'";
    expect(
      await count(
        `SELECT COUNT(*) AS count ${told} AND type = 'payment.processing' AND e.version = 2`,
      ),
    ).to.equal(PAYMENTS);
    expect(
      await count(
        `SELECT COUNT(*) AS count ${told} AND type = 'payment.completed' AND e.version = 3`,
      ),
    ).to.equal(PAYMENTS);
    expect(await count(`SELECT COUNT(*) AS count ${told}`)).to.equal(2 * PAYMENTS);
    expect(
      await count("SELECT COUNT(*) AS count FROM webhook_deliveries WHERE status = 'pending'"),
    ).to.equal(PAYMENTS);
    expect(await count("SELECT COUNT(*) AS count FROM outbox WHERE queue = 'webhook'")).to.equal(
      PAYMENTS,
    );
    // Read again, they change nothing.
    head += 1n;
    await scanChain(ctx, chainId);
    expect(await count('SELECT COUNT(*) AS count FROM webhook_deliveries')).to.equal(PAYMENTS);
  });
});
