import { expect } from 'chai';

import { bringForward } from '../../domain/relay/attempts/bringForward.ts';
import { claimAttempts, listHeads } from '../../domain/relay/attempts/dispatchStore.ts';
import { giveTurn } from '../../domain/relay/accept/giveTurn.ts';
import { goBehind } from '../../domain/relay/send/goBehind.ts';
import { spreadMs } from '../../domain/relay/send/nextTry.ts';
import { listWaitingTurns } from '../../domain/relay/attempts/turnStore.ts';
import { execute, inTransaction, selectRows } from '../../platform/db.ts';
import { addMs } from '../../shared/clock.ts';
import type { Address } from '../../shared/hex.ts';
import { countReads } from '../support/countReads.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { examineStatements, type Exception } from './examineStatements.ts';
import { fillDatabase } from './fillDatabase.ts';
import { recordStatements } from './recordStatements.ts';

const PAYMENTS = 50_000;
const PAYER: Address = '0x90F79bf6EB2c4f870365E785982E1f101E93b906';

const COUNTING: Exception = {
  name: 'how many of a store wait: counted in an index up to 10,000, and remembered for as long as it takes that many not to be news',
  matches:
    /^SELECT COUNT\(\*\) AS count FROM \( SELECT id FROM relay_attempts FORCE INDEX \(ix_relay_attempts_store\)/,
  // Each is read in the index, and once more when it is counted.
  mayReadPerThousandPayments: 21_000_000 / PAYMENTS,
};

/**
 * What it reads are requests that somebody else has taken; what it sorts is the first of each rail.
 */
const SORTS_HEADS: Exception = {
  name: 'who is first of each rail',
  matches: /^SELECT rail, batch_failures FROM \(\(SELECT .* LIMIT 1\) UNION ALL /,
  maySort: true,
};

describe(`turns beside ${PAYMENTS / 2} requests that wait, of several stores`, function () {
  this.timeout(300_000);

  let harness: Harness;
  let store: TestStore;
  let chainId: number;
  const now = new Date();
  const claimedUntil = addMs(now, 30_000);

  before(async () => {
    harness = await createHarness();
    store = await harness.createTestStore();
    const [chain] = harness.config.chains;
    if (chain === undefined) throw new Error('there is no chain');
    ({ chainId } = chain);
    const { db } = harness.ctx;
    const facts = {
      storeId: store.storeId,
      payer: PAYER,
      chainId,
      gateway: chain.gateway,
      token: harness.tokens.TUSD,
    };
    await fillDatabase(db, { payments: PAYMENTS, ...facts, now: new Date() });
    // Turns go in another order than ids. Four of five requests are another store's, and go before;
    // of the store's own the first ones are being chosen by somebody.
    await execute(
      db,
      `UPDATE relay_attempts SET status = 'queued', chain_id = ?, turn_step = 1, priority = ELT(1 + CRC32(id) MOD 2, 'low', 'normal'),
         store_id = IF(CRC32(id) MOD 10 < 8, 'st_scale_1', store_id),
         turn = IF(store_id = 'st_scale_1', 0, 1000000) + CRC32(id) MOD 1000000,
         claim_id = IF(CRC32(id) MOD 1000000 < 4000, 'rlc_other', NULL),
         choose_after = IF(CRC32(id) MOD 1000000 < 4000, ?, NULL),
         request = ?`,
      [chainId, claimedUntil, JSON.stringify({ value: '0', gas: '1', nonce: '0', data: '0x' })],
    );
    await execute(
      db,
      'UPDATE relay_quotas SET in_flight = 2000 WHERE chain_id = ? AND holder = ?',
      [chainId, store.storeId],
    );
    await db.raw('ANALYZE TABLE relay_attempts');
  });
  after(() => harness.close());

  it('are given by reading the first ones of each priority as they lie in the index, and no more', async () => {
    const { db } = harness.ctx;
    const [counted] = await selectRows<{ count: number | string }>(
      db,
      "SELECT COUNT(*) AS count FROM relay_attempts WHERE store_id = ? AND status = 'queued'",
      [store.storeId],
    );
    expect(Number(counted?.count)).to.be.at.least(PAYMENTS / 12);
    const common = {
      chainId,
      storeId: store.storeId,
      rail: 'forwarder' as const,
      priorities: ['normal', 'low'] as const,
      limit: 20,
    };
    const recorder = recordStatements(db);
    for (const exceptPayer of [undefined, PAYER]) {
      recorder.begin(
        exceptPayer === undefined ? 'of all payers' : 'of all but one, who has a tenth of them',
      );
      const waiting = await inTransaction(db, (trx) =>
        listWaitingTurns(trx, { ...common, exceptPayer }),
      );
      expect(waiting).to.have.length(40);
      for (const priority of common.priorities) {
        const turns = waiting
          .filter((one) => one.priority === priority)
          .map(({ turn }) => Number(turn));
        expect(turns).to.have.length(20);
        expect(turns).to.deep.equal(turns.toSorted((a, b) => a - b));
        expect(turns[0]).to.be.at.least(1_004_000);
      }
    }
    recorder.begin('giving a turn');
    const signed = { rail: 'authorization', authorization: { payer: PAYER, deadline: 0 } } as const;
    await inTransaction(db, (trx) =>
      giveTurn(trx, { chainId, storeId: store.storeId, signed, priority: 'high', inFlight: 2_000 }),
    );
    const findings = await examineStatements(db, recorder.stop(), {
      payments: PAYMENTS,
      exceptions: [],
    });
    expect(findings.length).to.be.at.least(4);
    for (const { during, shape, plan, reads, complaint } of findings) {
      const what = `${during}: ${shape}\n    ${plan.join('; ')}`;
      expect(complaint, what).to.equal(undefined);
      expect(reads, what).to.be.below(400);
      expect(plan.join('; '), what).not.to.match(/filesort|temporary/i);
    }
  });

  it('are taken by reading those who are first, and those whom somebody else has just taken', async () => {
    const { db } = harness.ctx;
    const [taken] = await selectRows<{ count: number | string }>(
      db,
      "SELECT COUNT(*) AS count FROM relay_attempts WHERE claim_id = 'rlc_other' AND turn < 1000000",
    );
    // They stand before all others.
    expect(Number(taken?.count)).to.be.within(40, 160);
    const choosing = {
      chainId,
      now,
      freeAfter: addMs(now, 60_000),
      deadlineAfter: new Date(0),
      ownId: null,
    };
    const recorder = recordStatements(db);
    recorder.begin('who is first');
    const [head] = await listHeads(db, choosing);
    if (head === undefined) throw new Error('nobody waits');
    recorder.begin('a batch is claimed');
    const claim = { ...choosing, head, limit: 20, claimId: 'rlc_own', lapsesAt: claimedUntil };
    const claimed = await inTransaction(db, (trx) => claimAttempts(trx, claim));
    const turns = claimed.map(({ turn }) => Number(turn));
    expect(turns).to.have.length(20);
    expect(turns).to.deep.equal(turns.toSorted((a, b) => a - b));
    expect(turns[0]).to.be.within(4_000, 20_000);
    const findings = await examineStatements(db, recorder.stop(), {
      payments: PAYMENTS,
      exceptions: [SORTS_HEADS],
    });
    expect(findings.map(({ during }) => during)).to.deep.equal([
      'who is first',
      'a batch is claimed',
      'a batch is claimed',
    ]);
    for (const { during, shape, plan, reads, complaint } of findings) {
      const what = `${during}: ${shape}\n    ${plan.join('; ')}`;
      expect(complaint, what).to.equal(undefined);
      expect(reads, what).to.be.below(400);
      expect(plan.filter((one) => one.startsWith('a:')).join('; '), what).not.to.match(
        /filesort|temporary/i,
      );
    }
  });

  it('are made later by reading and locking those whose they are, and nobody else', async () => {
    const { db } = harness.ctx;
    const choosing = {
      chainId,
      now,
      freeAfter: addMs(now, 60_000),
      deadlineAfter: new Date(0),
      ownId: null,
    };
    const [head] = await listHeads(db, choosing);
    if (head === undefined) throw new Error('nobody waits');
    const claim = { ...choosing, head, limit: 20, claimId: 'rlc_behind', lapsesAt: claimedUntil };
    const attempts = await inTransaction(db, (trx) => claimAttempts(trx, claim));
    const [first] = attempts;
    if (first === undefined) throw new Error('nobody was claimed');
    const recorder = recordStatements(db);
    recorder.begin('go behind');
    await goBehind(harness.ctx, { chainId, claimId: 'rlc_behind', first: first.turn, attempts });
    recorder.begin('are brought forward');
    await bringForward(harness.ctx, first);
    const findings = await examineStatements(db, recorder.stop(), {
      payments: PAYMENTS,
      exceptions: [COUNTING],
    });
    expect(findings.length).to.be.at.least(8);
    for (const { during, shape, plan, reads, complaint } of findings) {
      const what = `${during}: ${shape}\n    ${plan.join('; ')}`;
      expect(complaint, what).to.equal(undefined);
      if (!COUNTING.matches.test(shape)) expect(reads, what).to.be.below(100);
      expect(plan.join('; '), what).not.to.match(/filesort|temporary/i);
    }
  });

  it('that are far away are looked at by counting who waits now and then, however many look', async () => {
    const LOOKS = 40;
    const MOST_COUNTED = 10_000;
    const { result, reads } = await inTransaction(harness.ctx.db, (trx) =>
      countReads(trx, async () => {
        const spreads: number[] = [];
        for (let looks = 0; looks < LOOKS; looks++)
          spreads.push(await spreadMs(harness.ctx, trx, chainId));
        return spreads;
      }),
    );
    expect(new Set(result).size).to.equal(1);
    expect(result[0]).to.be.above(0);
    // Counted once, or again after each second on a machine that is so slow; by each of them, it
    // would be forty times that.
    expect(reads).to.be.within(MOST_COUNTED, (LOOKS / 4) * MOST_COUNTED);
  });
});
