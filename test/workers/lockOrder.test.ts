import { expect } from 'chai';

import { deleteStoredReplies, insertStoredReply } from '../../domain/idempotency/store.ts';
import { insertOutboxRows, lockPublishableRows, markPublished } from '../../domain/outbox/store.ts';
import type { Payment } from '../../domain/payments/model.ts';
import { lockPayments, updatePayments } from '../../domain/payments/store.ts';
import { saveNewAttempt, type NewAttempt } from '../../domain/relay/accept/saveNewAttempt.ts';
import { lockAttempts } from '../../domain/relay/attempts/attemptStore.ts';
import { changeAttempts } from '../../domain/relay/attempts/changeAttempt.ts';
import type { RelayAttempt } from '../../domain/relay/model.ts';
import { noteWaste } from '../../domain/relay/confirm/noteWaste.ts';
import { saveIntent, type SavedIntent } from '../../domain/relay/send/saveIntent.ts';
import { dayOf, lockUsage } from '../../domain/relay/attempts/usageStore.ts';
import type { RelayPriority } from '../../domain/stores/model.ts';
import { cancelPendingDeliveries } from '../../domain/webhooks/cancelPendingDeliveries.ts';
import { insertDeliveries, lockDelivery, updateDelivery } from '../../domain/webhooks/store.ts';
import { LockOrderError, lockOrderErrors } from '../../platform/assertLockOrder.ts';
import { execute, selectRows, type Transaction } from '../../platform/db.ts';
import { errnoOf } from '../../platform/errnoOf.ts';
import { inUnitOfWork, type UnitOfWork } from '../../platform/unitOfWork.ts';
import { addMs, toUnixSeconds } from '../../shared/clock.ts';
import type { Address } from '../../shared/hex.ts';
import { createRandom } from '../support/createRandom.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { waitUntil } from '../support/waitUntil.ts';

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

  /**
   * Runs all of them at once, each in a transaction that is not tried again. @returns how many
   * deadlocks there were
   */
  async function countDeadlocks(works: readonly Work[]): Promise<number> {
    const outcomes = await Promise.allSettled(
      works.map((work) => harness.ctx.db.transaction((trx) => work(trx))),
    );
    const failures = outcomes.flatMap((outcome) =>
      outcome.status === 'rejected' ? [outcome.reason as unknown] : [],
    );
    for (const failure of failures) if (errnoOf(failure) !== DEADLOCK_ERRNO) throw failure;
    return failures.length;
  }

  /**
   * Every round does them all at once, in another order and with other numbers. @param most how
   * many may be, over all rounds
   */
  async function expectNoDeadlocks(
    worksOfRound: (round: number) => Promise<readonly Work[]> | readonly Work[],
    most = 0,
  ): Promise<void> {
    let deadlocks = 0;
    for (let round = 0; round < ROUNDS; round++)
      deadlocks += await countDeadlocks(shuffled(await worksOfRound(round)));
    expect(deadlocks, `seed ${random.seed}`).to.be.at.most(most);
  }

  it('payments: a few and all of them, asked for in any order, meet in no deadlock', async () => {
    const payments: Payment[] = [];
    for (let index = 0; index < ROWS; index++)
      payments.push(await harness.createTestPayment(store, { orderId: `locked-${index}` }));
    await expectNoDeadlocks(() =>
      Array.from({ length: AT_ONCE }, (_, index) => async (trx: Transaction) => {
        // How many decides which plan a database would choose by itself: an index, or the whole
        // table.
        const count = index % 2 === 0 ? ROWS : random.between(2, 40);
        const wanted = shuffled(payments).slice(0, count);
        const locked = await lockPayments(
          trx,
          wanted.map(({ id }) => id),
        );
        expect(locked.map(({ id }) => id)).to.deep.equal(wanted.map(({ id }) => id).sort());
        for (const payment of locked.slice(0, 3))
          await updatePayments(trx, [{ ...payment, updatedAt: harness.ctx.clock.now() }]);
      }),
    );
  });

  it('promised work: promised again in any order, while it is published', async () => {
    const { ctx } = harness;
    const subjects = Array.from(
      { length: 40 },
      (_, index) => `rla_${String(index).padStart(3, '0')}`,
    );
    const promise: Work = (trx) => {
      const now = ctx.clock.now();
      const rows = shuffled(subjects).map((subjectId) => ({ queue: 'relay', subjectId }) as const);
      return insertOutboxRows(
        trx,
        rows.map((row) => ({
          ...row,
          id: ctx.newId('ob'),
          requestId: null,
          storeId: '',
          runAt: now,
        })),
        now,
      );
    };
    const publish: Work = async (trx) => {
      const now = ctx.clock.now();
      await markPublished(
        trx,
        await lockPublishableRows(trx, 'relay', now, 25),
        now,
        ctx.config.outboxRedriveMs,
        false,
      );
    };
    // Who publishes comes by the index of dates, who promises by that of subjects, and both move an
    // entry of the former: seldom, two entries beside each other are met in two orders. Such a
    // transaction is tried again. Promises in no order make more than one in each round.
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
        if (delivery?.status === 'pending')
          await updateDelivery(trx, { ...delivery, status: 'succeeded' }, now);
      };
      const [first, second, ...others] = shuffled(ids).slice(0, 10).map(end);
      return [first!, second!, (trx) => cancelPendingDeliveries(trx, endpointId, now), ...others];
    });
    expect(
      await selectRows(ctx.db, "SELECT id FROM webhook_deliveries WHERE status = 'pending'"),
    ).to.deep.equal([]);
  });

  describe('relaying', () => {
    const [lower, higher] = [
      '0x1111111111111111111111111111111111111111',
      '0x2222222222222222222222222222222222222222',
    ] as const;

    async function acceptOf(payer: Address, priority: RelayPriority = 'normal') {
      const { ctx } = harness;
      const payment = await harness.createTestPayment(store);
      const authorization = { payer, deadline: toUnixSeconds(payment.terms.expiresAt) };
      const signed = { rail: 'authorization', authorization } as const;
      const attempt: NewAttempt = {
        ...{
          id: ctx.newId('rla'),
          paymentId: payment.id,
          refundId: null,
          storeId: store.storeId,
          chainId: payment.chainId,
        },
        ...{
          signed,
          signature: `0x${'00'.repeat(65)}`,
          permit: null,
          runsForeignCode: false,
          priority,
        },
        deadline: payment.terms.expiresAt,
      };
      return { payment, attempt };
    }

    const toUnit = (trx: Transaction): UnitOfWork => ({
      trx,
      changed: () => undefined,
      outboxFilled: () => undefined,
    });

    it('requests that nobody waits for any more leave a batch together: all payers before their store', async () => {
      const { ctx } = harness;
      const taken = [await acceptOf(lower), await acceptOf(higher)];
      const { chainId } = taken[0]!.attempt;
      const accepted: RelayAttempt[] = [];
      for (const { attempt } of taken)
        accepted.push(await inUnitOfWork(ctx, (unit) => saveNewAttempt(ctx, unit, attempt)));
      const claimId = ctx.newId('rlc');
      await execute(ctx.db, "UPDATE relay_attempts SET claim_id = ? WHERE status = 'queued'", [
        claimId,
      ]);
      const send = accepted.map((attempt, index) => {
        const { signed, signature, permit, paymentId } = attempt;
        return {
          attempt,
          item: { signed, signature, permit, paymentId, terms: taken[index]!.payment.terms },
          runsForeignCode: false,
        };
      });
      const estimated = {
        send,
        call: { to: store.payoutAddress, data: '0x' },
        gasLimit: 1n,
      } as const;
      const day = dayOf(ctx.clock.now());
      let saving: Promise<SavedIntent> | undefined;
      await ctx.db.transaction(async (trx) => {
        // Somebody has just begun to take on a request of the second payer, and will want the store
        // next.
        await lockUsage(trx, chainId, higher, day);
        saving = saveIntent(ctx, { claimId, estimated, own: accepted[0]! });
        await waitUntil(
          async () => {
            const waiting =
              "SELECT trx_id FROM information_schema.INNODB_TRX WHERE trx_state = 'LOCK WAIT' AND trx_query LIKE '%relay_quotas%'";
            return (await selectRows(ctx.db, waiting)).length > 0;
          },
          // The table shows what it showed when it was asked less than a tenth of a second ago.
          { what: 'the batch to wait for the second payer', everyMs: 250 },
        );
        const free = await selectRows<{ holder: string }>(
          trx,
          'SELECT holder FROM relay_quotas WHERE chain_id = ? AND holder = ? FOR UPDATE SKIP LOCKED',
          [chainId, store.storeId],
        );
        expect(free, 'the store is not locked yet').to.deep.equal([{ holder: store.storeId }]);
      });
      expect(await saving).to.deep.equal({ kind: 'changed', left: [] });
    });

    it('requests are taken on, give way and end at once: they meet in no deadlock', async () => {
      const { ctx } = harness;
      const pool: RelayAttempt[] = [];
      const take = async (): Promise<Work> => {
        const { attempt } = await acceptOf(
          random.pick([lower, higher]),
          random.pick(['low', 'normal', 'high']),
        );
        return async (trx) => pool.push(await saveNewAttempt(ctx, toUnit(trx), attempt));
      };
      const end = (ended: readonly RelayAttempt[]): Work => {
        const error = { code: 'PAY_030', detail: 'It came to nothing.' };
        return async (trx) => {
          const locked = await lockAttempts(
            trx,
            shuffled(ended).map(({ id }) => id),
          );
          for (const attempt of locked.slice(0, 1))
            await noteWaste(ctx, toUnit(trx), attempt, { blame: 'subject', gasCost: 1n });
          await changeAttempts(
            ctx,
            toUnit(trx),
            locked.map((attempt) => ({ attempt, event: 'failed', error })),
          );
        };
      };
      for (let count = 0; count < 12; count++) await countDeadlocks([await take()]);
      await expectNoDeadlocks(async () => {
        const ending = shuffled(pool).slice(0, 6);
        for (const attempt of ending) pool.splice(pool.indexOf(attempt), 1);
        await execute(ctx.db, 'DELETE FROM relay_waste');
        return [
          await take(),
          await take(),
          await take(),
          await take(),
          end(ending.slice(0, 3)),
          end(ending.slice(3)),
        ];
      });
    });
  });

  it('stored replies: old ones are replaced while the old are swept away', async () => {
    const { ctx } = harness;
    const now = ctx.clock.now();
    const old = addMs(now, -2 * 86_400_000);
    const reply = { status: 201, ciphertext: 'x' };
    await expectNoDeadlocks(async (round) => {
      const keys = Array.from(
        { length: 40 },
        (_, index) => `sweep-${round}-${String(index).padStart(3, '0')}`,
      );
      const claimOf = (key: string) => ({
        storeId: store.storeId,
        key,
        requestHash: '0'.repeat(64),
      });
      await execute(
        ctx.db,
        `INSERT INTO idempotency_keys (store_id, idempotency_key, request_hash, response_status, response_ciphertext, created_at)
         VALUES ${keys.map(() => "(?, ?, ?, 201, 'x', ?)").join(', ')}`,
        shuffled(keys).flatMap((key, index) => [
          store.storeId,
          key,
          '0'.repeat(64),
          addMs(old, index),
        ]),
      );
      const replace = (mine: readonly string[]) => (trx: Transaction) =>
        Promise.all(
          mine.map((key) =>
            insertStoredReply(trx, {
              claim: claimOf(key),
              reply,
              now,
              replacesBefore: addMs(now, -86_400_000),
            }),
          ),
        );
      const [left, right] = [
        keys.filter((_, index) => index % 2 === 0),
        keys.filter((_, index) => index % 2 === 1),
      ];
      return [
        replace(shuffled(left)),
        replace(shuffled(right)),
        () => deleteStoredReplies(ctx.db, addMs(now, -86_400_000), 1_000),
      ];
    });
  });

  describe('is asserted in tests', () => {
    const PAYMENT = 'SELECT id FROM payments WHERE id = ? FOR UPDATE';
    const REFUND = 'SELECT id FROM refunds WHERE id = ? FOR UPDATE';

    /** @returns what the transaction fails with */
    async function failureOf(work: Work): Promise<unknown> {
      const before = lockOrderErrors.length;
      const failure: unknown = await harness.ctx.db.transaction(work).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      // Those are meant; any other one fails the run.
      lockOrderErrors.splice(before);
      return failure;
    }

    it('a statement that locks a table before one that was locked is refused, with both names', async () => {
      const failure = await failureOf(async (trx) => {
        await selectRows(trx, REFUND, ['rf_1']);
        await selectRows(trx, PAYMENT, ['0x1']);
      });
      expect(failure).to.be.instanceOf(LockOrderError);
      expect(String(failure)).to.contain('payments is locked after refunds');
    });

    it('the order, a change of what is locked, a new row, and who waits for nobody, are not', async () => {
      const failure = await failureOf(async (trx) => {
        await selectRows(trx, PAYMENT, ['0x1']);
        await selectRows(trx, REFUND, ['rf_1']);
        await execute(trx, "UPDATE payments SET status = 'failed' WHERE id = ?", ['0x1']);
        await selectRows(trx, `SELECT id FROM stores WHERE id = ? FOR UPDATE SKIP LOCKED`, ['st']);
        await trx.raw("INSERT INTO chain_blocks (chain_id, number, hash) VALUES (9, 9, '0x')");
      });
      expect(failure).to.equal(undefined);
      const other = await failureOf((trx) => selectRows(trx, PAYMENT, ['0x1']));
      expect(other, 'another transaction has locked nothing').to.equal(undefined);
    });

    it('a new row locks what it refers to', async () => {
      const failure = await failureOf(async (trx) => {
        await selectRows(trx, PAYMENT, ['0x1']);
        await execute(
          trx,
          "INSERT INTO store_merchants (store_id, address, created_at) VALUES (?, '0x1', NOW(3))",
          [store.storeId],
        );
      });
      expect(String(failure)).to.contain('stores is locked after payments');
    });
  });
});
