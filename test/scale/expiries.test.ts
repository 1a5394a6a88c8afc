import { expect } from 'chai';

import { promiseExpiries } from '../../domain/payments/promiseExpiries.ts';
import { sweepOverduePayments } from '../../domain/scan/sweepOverduePayments.ts';
import type { Context } from '../../platform/context.ts';
import { EVENT_SINKS } from '../../domain/modules.ts';
import { createContext } from '../../platform/createContext.ts';
import { execute, selectRows } from '../../platform/db.ts';
import { addMs } from '../../shared/clock.ts';
import { createHarness, type Harness } from '../support/harness.ts';
import { examineStatements } from './examineStatements.ts';
import { recordStatements } from './recordStatements.ts';

const PAYMENTS = 100_000;
/** As after an outage of their chain: all should have expired, and each waits for a later look. */
const FOUND_WITHIN_RUNS = 100;

describe(`looking for expiries beside ${PAYMENTS} payments that wait for theirs`, function () {
  this.timeout(300_000);

  let harness: Harness;
  let close: () => Promise<void>;
  /** A process that has looked at nothing yet. */
  let ctx: Context;

  before(async function () {
    this.timeout(300_000);
    harness = await createHarness();
    const store = await harness.createTestStore();
    await harness.createTestPayment(store);
    const { db } = harness.ctx;
    // Most of a busy hour, some hundred in each second.
    await execute(
      db,
      'UPDATE payments SET expires_at = DATE_SUB(UTC_TIMESTAMP(3), INTERVAL 2 HOUR)',
      [],
    );
    for (let count = 1; count < PAYMENTS; count *= 2) {
      await execute(
        db,
        `INSERT INTO payments (id, store_id, order_id, chain_id, gateway, token, amount, merchant, salt, expires_at, status, version, created_at, updated_at)
         SELECT CONCAT('0x', SHA2(CONCAT(id, ?), 256)), store_id, order_id, chain_id, gateway, token, amount, merchant, salt,
           DATE_ADD(expires_at, INTERVAL ? SECOND), status, version, created_at, updated_at FROM payments ORDER BY seq LIMIT ?`,
        [count, count >= 128 ? Math.min(900, count >> 7) : 0, PAYMENTS - count],
      );
    }
    await execute(db, 'DELETE FROM outbox', []);
    await execute(
      db,
      `INSERT INTO outbox (id, queue, subject_id, run_at, publish_at, generation, created_at)
       SELECT CONCAT('ob_', seq), 'expire', id, DATE_ADD(UTC_TIMESTAMP(3), INTERVAL 1 HOUR), DATE_ADD(UTC_TIMESTAMP(3), INTERVAL 1 HOUR), 1, created_at
       FROM payments`,
      [],
    );
    for (const table of ['payments', 'outbox']) await db.raw(`ANALYZE TABLE ${table}`);
    const created = await createContext(harness.config, { name: 'test', eventSinks: EVENT_SINKS });
    ({ ctx, close } = created);
  });
  after(async () => {
    await close();
    await harness.close();
  });

  /** Three that nobody has promised: of the first, of the last, and in between. */
  async function forgetThree(): Promise<string[]> {
    const ids: string[] = [];
    for (const offset of [0, PAYMENTS / 2, PAYMENTS - 1]) {
      const [row] = await selectRows<{ id: string }>(
        ctx.db,
        'SELECT id FROM payments ORDER BY expires_at, seq LIMIT 1 OFFSET ?',
        [offset],
      );
      if (row !== undefined) ids.push(row.id);
    }
    await execute(
      ctx.db,
      `DELETE FROM outbox WHERE subject_id IN (${ids.map(() => '?').join(', ')})`,
      ids,
    );
    return ids;
  }

  /** What is done reads no more than it looks at, in the order in which it lies there. */
  async function expectBounded<T>(work: () => Promise<T>): Promise<T> {
    const recorder = recordStatements(ctx.db);
    recorder.begin('looking');
    let result: T;
    try {
      result = await work();
    } finally {
      recorder.begin('over');
    }
    const findings = await examineStatements(ctx.db, recorder.stop(), {
      payments: PAYMENTS,
      exceptions: [],
    });
    expect(findings.length).to.be.greaterThan(0);
    for (const { shape, plan, reads, complaint } of findings) {
      const what = `${shape}\n    ${plan.join('; ')}`;
      expect(complaint, what).to.equal(undefined);
      expect(reads, what).to.be.below(PAYMENTS / 20);
      expect(plan.join('; '), what).not.to.match(/filesort|temporary/);
    }
    return result;
  }

  it('promises those that nobody has promised, and then looks at new ones only', async () => {
    const ids = await forgetThree();
    expect(await expectBounded(() => promiseExpiries(ctx))).to.equal(3);
    const rows = await selectRows<{ subject_id: string }>(
      ctx.db,
      `SELECT subject_id FROM outbox WHERE subject_id IN (${ids.map(() => '?').join(', ')})`,
      ids,
    );
    expect(rows).to.have.length(3);
    let statements = 0;
    const count = () => void statements++;
    ctx.db.on('query', count);
    expect(await promiseExpiries(ctx)).to.equal(0);
    ctx.db.removeListener('query', count);
    expect(statements).to.be.at.most(2);
  });

  it('starts anew after a clock that was hours ahead was set right', async () => {
    const day = 24 * 3_600_000;
    expect(
      await promiseExpiries({ ...ctx, clock: { now: () => addMs(new Date(), day) } }),
    ).to.equal(0);
    await forgetThree();
    expect(await promiseExpiries(ctx)).to.equal(3);
  });

  it('sweeps those whose work was lost, in some rounds, and leaves the others alone', async () => {
    const ids = await forgetThree();
    expect(ids).to.have.length(3);
    await expectBounded(() => sweepOverduePayments(ctx));
    let found = 0;
    // They stay overdue while no block is final: each round finds them again.
    for (let runs = 0; runs < FOUND_WITHIN_RUNS; runs++) found += await sweepOverduePayments(ctx);
    expect(found).to.be.within(3, 3 * FOUND_WITHIN_RUNS);
    await execute(ctx.db, 'DELETE FROM outbox', []);
    // One of two: a round may come to the end of its walk at once.
    const rounds = await expectBounded(async () => [
      await sweepOverduePayments(ctx),
      await sweepOverduePayments(ctx),
    ]);
    expect(Math.max(...rounds)).to.equal(200);
  });
});
