import { expect } from 'chai';

import { deleteStoredReplies, insertStoredReply } from '../../domain/idempotency/store.ts';
import { insertOutboxRows, lockPublishableRows, markPublished } from '../../domain/outbox/store.ts';
import type { Payment } from '../../domain/payments/model.ts';
import { lockPayments, updatePayments } from '../../domain/payments/store.ts';
import { cancelPendingDeliveries, insertDeliveries, lockDelivery, updateDelivery } from '../../domain/webhooks/store.ts';
import { execute, selectRows, type Transaction } from '../../platform/db.ts';
import { errnoOf } from '../../platform/errnoOf.ts';
import { addMs } from '../../shared/clock.ts';
import { createRandom } from '../support/createRandom.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';

const ROUNDS = 40;
const ROWS = 300;
const AT_ONCE = 6;
const DEADLOCK_ERRNO = 1213;

describe('the one order in which rows are locked', function () {
  this.timeout(120_000);
  const random = createRandom(Number(process.env['TEST_SEED'] ?? 12));
  let harness: Harness;
  let store: TestStore;
  before(async () => {
    harness = await createHarness();
    store = await harness.createTestStore();
  });
  after(() => harness.close());

  function shuffled<T>(items: readonly T[]): T[] {
    return items
      .map((item) => ({ item, place: random.next() }))
      .sort((a, b) => a.place - b.place)
      .map(({ item }) => item);
  }

  type Work = (trx: Transaction) => Promise<unknown>;

  /** Runs all of them at once, each in a transaction that is not tried again. @returns how many deadlocks there were */
  async function countDeadlocks(works: readonly Work[]): Promise<number> {
    const outcomes = await Promise.allSettled(works.map((work) => harness.ctx.db.transaction((trx) => work(trx))));
    const failures = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []));
    for (const failure of failures) if (errnoOf(failure) !== DEADLOCK_ERRNO) throw failure;
    return failures.length;
  }

  /** Every round does them all at once, in another order and with other numbers. @param most how many may be, over all rounds */
  async function expectNoDeadlocks(worksOfRound: (round: number) => Promise<readonly Work[]> | readonly Work[], most = 0): Promise<void> {
    let deadlocks = 0;
    for (let round = 0; round < ROUNDS; round++) deadlocks += await countDeadlocks(shuffled(await worksOfRound(round)));
    expect(deadlocks, `seed ${random.seed}`).to.be.at.most(most);
  }

  it('payments: a few and all of them, asked for in any order, meet in no deadlock', async () => {
    const payments: Payment[] = [];
    for (let index = 0; index < ROWS; index++) payments.push(await harness.createTestPayment(store, { orderId: `locked-${index}` }));
    await expectNoDeadlocks(() =>
      Array.from({ length: AT_ONCE }, (_, index) => async (trx: Transaction) => {
        // How many decides which plan a database would choose by itself: an index, or the whole table.
        const count = index % 2 === 0 ? ROWS : random.between(2, 40);
        const wanted = shuffled(payments).slice(0, count);
        const locked = await lockPayments(
          trx,
          wanted.map(({ id }) => id),
        );
        expect(locked.map(({ id }) => id)).to.deep.equal(wanted.map(({ id }) => id).sort());
        for (const payment of locked.slice(0, 3)) await updatePayments(trx, [{ ...payment, updatedAt: harness.ctx.clock.now() }]);
      }),
    );
  });

  it('promised work: promised again in any order, while it is published', async () => {
    const { ctx } = harness;
    const subjects = Array.from({ length: 40 }, (_, index) => `rla_${String(index).padStart(3, '0')}`);
    const promise: Work = (trx) => {
      const now = ctx.clock.now();
      const rows = shuffled(subjects).map((subjectId) => ({ queue: 'relay', subjectId }) as const);
      return insertOutboxRows(
        trx,
        rows.map((row) => ({ ...row, id: ctx.newId('ob'), requestId: null, storeId: '', runAt: now })),
        now,
      );
    };
    const publish: Work = async (trx) => {
      const now = ctx.clock.now();
      await markPublished(trx, await lockPublishableRows(trx, 'relay', now, 25), now, ctx.config.outboxRedriveMs, false);
    };
    // Who publishes comes by the index of dates, who promises by that of subjects, and both move an entry of the former: seldom, two entries
    // beside each other are met in two orders. Such a transaction is tried again. Promises in no order make more than one in each round.
    await expectNoDeadlocks(() => [promise, promise, promise, publish, publish], ROUNDS / 10);
  });

  it('deliveries: attempts end while their endpoint is deleted', async () => {
    const { ctx } = harness;
    await expectNoDeadlocks(async (round) => {
      const now = ctx.clock.now();
      const endpointId = `we_${round}`;
      const ids = Array.from({ length: 30 }, () => ctx.newId('wd'));
      await ctx.db.transaction((trx) =>
        insertDeliveries(
          trx,
          ids.map((id) => ({ id, endpointId, eventId: ctx.newId('evt') })),
          now,
          now,
        ),
      );
      const end = (id: string) => async (trx: Transaction) => {
        const delivery = await lockDelivery(trx, id);
        if (delivery?.status === 'pending') await updateDelivery(trx, { ...delivery, status: 'succeeded' }, now);
      };
      const [first, second, ...others] = shuffled(ids).slice(0, 10).map(end);
      return [first!, second!, (trx) => cancelPendingDeliveries(trx, endpointId, now), ...others];
    });
    expect(await selectRows(ctx.db, "SELECT id FROM webhook_deliveries WHERE status = 'pending'")).to.deep.equal([]);
  });

  it('stored replies: old ones are replaced while the old are swept away', async () => {
    const { ctx } = harness;
    const now = ctx.clock.now();
    const old = addMs(now, -2 * 86_400_000);
    const reply = { status: 201, ciphertext: 'x' };
    await expectNoDeadlocks(async (round) => {
      const keys = Array.from({ length: 40 }, (_, index) => `sweep-${round}-${String(index).padStart(3, '0')}`);
      const claimOf = (key: string) => ({ storeId: store.storeId, key, requestHash: '0'.repeat(64) });
      await execute(
        ctx.db,
        `INSERT INTO idempotency_keys (store_id, idempotency_key, request_hash, response_status, response_ciphertext, created_at)
         VALUES ${keys.map(() => "(?, ?, ?, 201, 'x', ?)").join(', ')}`,
        shuffled(keys).flatMap((key, index) => [store.storeId, key, '0'.repeat(64), addMs(old, index)]),
      );
      const replace = (mine: readonly string[]) => (trx: Transaction) =>
        Promise.all(
          mine.map((key) => insertStoredReply(trx, { claim: claimOf(key), reply, now, replacesBefore: addMs(now, -86_400_000) })),
        );
      const [left, right] = [keys.filter((_, index) => index % 2 === 0), keys.filter((_, index) => index % 2 === 1)];
      return [replace(shuffled(left)), replace(shuffled(right)), () => deleteStoredReplies(ctx.db, addMs(now, -86_400_000), 1_000)];
    });
  });
});
