import { expect } from 'chai';

import { giveTurn } from '../../domain/relay/giveTurn.ts';
import { listWaitingTurns } from '../../domain/relay/turnStore.ts';
import { execute, inTransaction, selectRows } from '../../platform/db.ts';
import type { Address } from '../../shared/hex.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { examineStatements } from './examineStatements.ts';
import { fillDatabase } from './fillDatabase.ts';
import { recordStatements } from './recordStatements.ts';

const PAYMENTS = 50_000;
const PAYER: Address = '0x90F79bf6EB2c4f870365E785982E1f101E93b906';

describe(`giving a turn beside ${PAYMENTS / 2} requests that wait, of stores whose turn comes earlier and of its own`, function () {
  this.timeout(300_000);

  let harness: Harness;
  let store: TestStore;
  let chainId: number;

  before(async () => {
    harness = await createHarness();
    store = await harness.createTestStore();
    const [chain] = harness.config.chains;
    if (chain === undefined) throw new Error('there is no chain');
    ({ chainId } = chain);
    const { db } = harness.ctx;
    const facts = { storeId: store.storeId, payer: PAYER, chainId, gateway: chain.gateway, token: harness.tokens.TUSD };
    await fillDatabase(db, { payments: PAYMENTS, ...facts, now: new Date() });
    // Turns go in another order than ids. Four of five requests are another store's, and go before; of the store's own the first ones are being chosen by somebody.
    await execute(
      db,
      `UPDATE relay_attempts SET status = 'queued', chain_id = ?, turn_step = 1, priority = ELT(1 + CRC32(id) MOD 2, 'low', 'normal'),
         store_id = IF(CRC32(id) MOD 10 < 8, 'st_scale_1', store_id),
         turn = IF(store_id = 'st_scale_1', 0, 1000000) + CRC32(id) MOD 1000000,
         claim_id = IF(CRC32(id) MOD 1000000 < 4000, 'rlc_other', NULL)`,
      [chainId],
    );
    await execute(db, 'INSERT INTO relay_quotas (chain_id, holder, in_flight) VALUES (?, ?, ?)', [chainId, store.storeId, 2_000]);
    await db.raw('ANALYZE TABLE relay_attempts');
  });
  after(() => harness.close());

  it('reads the first ones of each priority as they lie in the index, and no more', async () => {
    const { db } = harness.ctx;
    const [counted] = await selectRows<{ count: number | string }>(
      db,
      "SELECT COUNT(*) AS count FROM relay_attempts WHERE store_id = ? AND status = 'queued'",
      [store.storeId],
    );
    expect(Number(counted?.count)).to.be.at.least(PAYMENTS / 12);
    const common = { chainId, storeId: store.storeId, rail: 'forwarder' as const, priorities: ['normal', 'low'] as const, limit: 20 };
    const recorder = recordStatements(db);
    for (const exceptPayer of [undefined, PAYER]) {
      recorder.begin(exceptPayer === undefined ? 'of all payers' : 'of all but one, who has a tenth of them');
      const waiting = await inTransaction(db, (trx) => listWaitingTurns(trx, { ...common, exceptPayer }));
      expect(waiting).to.have.length(40);
      for (const priority of common.priorities) {
        const turns = waiting.filter((one) => one.priority === priority).map(({ turn }) => Number(turn));
        expect(turns).to.have.length(20);
        expect(turns).to.deep.equal(turns.toSorted((a, b) => a - b));
        expect(turns[0]).to.be.at.least(1_004_000);
      }
    }
    recorder.begin('giving a turn');
    const signed = { rail: 'authorization', authorization: { payer: PAYER, deadline: 0 } } as const;
    await inTransaction(db, (trx) => giveTurn(trx, { chainId, storeId: store.storeId, signed, priority: 'high', inFlight: 2_000 }));
    const findings = await examineStatements(db, recorder.stop(), { payments: PAYMENTS, exceptions: [] });
    expect(findings.length).to.be.at.least(4);
    for (const { during, shape, plan, reads, complaint } of findings) {
      const what = `${during}: ${shape}\n    ${plan.join('; ')}`;
      expect(complaint, what).to.equal(undefined);
      expect(reads, what).to.be.below(400);
      expect(plan.join('; '), what).not.to.match(/filesort|temporary/i);
    }
  });
});
