import { expect } from 'chai';

import { insertItems } from '../../domain/relay/attempts/transactionStore.ts';
import { execute, inTransaction } from '../../platform/db.ts';
import { judgeBooks } from '../chaos/judging/judgeBooks.ts';
import type { Character } from '../chaos/people/planPayments.ts';
import { createHarness, type Harness } from '../support/harness.ts';

/** More than any honest request uses. */
const BURNED = 434_771;
const HASH = `0x${'ab'.repeat(32)}`;

describe('the judge of what is charged for gas', () => {
  let harness: Harness;
  before(async function () {
    this.timeout(120_000);
    harness = await createHarness();
  });
  after(() => harness.close());

  beforeEach(async () => {
    for (const table of [
      'relay_attempts',
      'relay_transaction_items',
      'relay_transaction_hashes',
      'payments',
    ])
      await execute(harness.ctx.db, `DELETE FROM ${table}`, []);
  });

  const idOf = (character: Character) =>
    `0x${Buffer.from(character).toString('hex').padStart(64, '0')}` as const;

  async function insertAttempt(
    character: Character,
    attempt: { status: string; transactionId: string | null; gas: number },
  ): Promise<void> {
    await execute(
      harness.ctx.db,
      `INSERT INTO relay_attempts (id, payment_id, store_id, chain_id, rail, status, payer, deadline, request, signature, runs_foreign_code,
         transaction_id, sends, gas_used, gas_cost, created_at, updated_at)
       VALUES (?, ?, 'st_1', 1, 'authorization', ?, '0x', NOW(3), '{}', '0x', TRUE, ?, 1, ?, 0, NOW(3), NOW(3))`,
      [`rla_${character}`, idOf(character), attempt.status, attempt.transactionId, attempt.gas],
    );
  }

  /**
   * Both were sent in one transaction. @returns what is said of the honest one, which paid for what
   * was burned
   */
  async function judgeBeside(
    burner: Character,
    attempt: { status: string; transactionId: string | null },
  ): Promise<string[]> {
    await insertAttempt('honestWallet', {
      status: 'succeeded',
      transactionId: 'rtx_1',
      gas: BURNED,
    });
    await insertAttempt(burner, { ...attempt, gas: 1 });
    await inTransaction(harness.ctx.db, (trx) =>
      insertItems(trx, 'rtx_1', [`rla_${burner}`, 'rla_honestWallet']),
    );
    const payments = (['honestWallet', burner] as const).map((character) => ({
      character,
      paymentId: idOf(character),
    }));
    const said = await judgeBooks({ db: harness.ctx.db, chains: [], payments });
    return said.filter((line) => line.includes('rla_honestWallet'));
  }

  it('says so when an honest one pays for what one burned that has left, or is charged so much beside nobody costly', async () => {
    expect(
      await judgeBeside('turnsCostly', { status: 'failed', transactionId: null }),
    ).to.have.length(1);
  });

  it('says nothing of one that shared a transaction with whoever burned gas and paid, in it still or not', async () => {
    const { storeId } = await harness.createTestStore();
    expect(
      await judgeBeside('wastesGas', { status: 'succeeded', transactionId: 'rtx_1' }),
    ).to.deep.equal([]);
    await execute(
      harness.ctx.db,
      "UPDATE relay_attempts SET status = 'failed', transaction_id = NULL WHERE id = 'rla_wastesGas'",
      [],
    );
    await execute(
      harness.ctx.db,
      "INSERT INTO relay_transaction_hashes (transaction_id, seq, chain_id, hash) VALUES ('rtx_1', 0, 1, ?)",
      [HASH],
    );
    await execute(
      harness.ctx.db,
      `INSERT INTO payments (id, store_id, order_id, chain_id, gateway, token, amount, merchant, salt, expires_at, status, version, tx_hash, created_at, updated_at)
       VALUES (?, ?, 'o', 1, '0x', '0x', 1, '0x', ?, NOW(3), 'completed', 2, ?, NOW(3), NOW(3))`,
      [idOf('wastesGas'), storeId, HASH, HASH],
    );
    const payments = (['honestWallet', 'wastesGas'] as const).map((character) => ({
      character,
      paymentId: idOf(character),
    }));
    expect(
      (await judgeBooks({ db: harness.ctx.db, chains: [], payments })).filter((line) =>
        line.includes('honestWallet'),
      ),
    ).to.deep.equal([]);
  });
});
