import type { Knex } from 'knex';

import { hasColumn, hasIndex } from '../checks.ts';
import { runSteps, type Step } from '../runSteps.ts';

/**
 * Whether a relay transaction still has to come into a block for something that it carries is kept
 * in its row, so that a relayer's load is counted from an index: choosing a relayer reads no
 * attempts, and no more entries than the relayer's limits allow.
 */
const UP: readonly Step[] = [
  {
    unless: hasColumn('relay_transactions', 'is_flying'),
    sql: `ALTER TABLE relay_transactions
      ADD COLUMN is_flying BOOLEAN NOT NULL DEFAULT TRUE COMMENT 'it carries something that waits for it, and is in no block as far as we know'`,
  },
  {
    unless: hasIndex('relay_transactions', 'ix_relay_transactions_flying'),
    chunks: { table: 'relay_transactions', column: 'id' },
    sql: `UPDATE relay_transactions SET is_flying = EXISTS (
        SELECT 1 FROM relay_attempts a WHERE a.transaction_id = relay_transactions.id AND a.status IN ('submitting', 'submitted', 'unknown'))
      WHERE id > :after AND id <= :upTo`,
  },
  {
    unless: hasIndex('relay_transactions', 'ix_relay_transactions_flying'),
    sql: `ALTER TABLE relay_transactions
      ALTER COLUMN is_flying DROP DEFAULT,
      ADD KEY ix_relay_transactions_flying (relayer_id, is_flying, sent_at),
      DROP INDEX ix_relay_transactions_abandoned,
      ADD KEY ix_relay_transactions_abandoned (relayer_id, abandoned_at, sent_at)`,
  },
];

const DOWN = [
  `ALTER TABLE relay_transactions
    DROP INDEX ix_relay_transactions_flying,
    DROP COLUMN is_flying,
    DROP INDEX ix_relay_transactions_abandoned,
    ADD KEY ix_relay_transactions_abandoned (relayer_id, abandoned_at)`,
];

export async function up(knex: Knex): Promise<void> {
  await runSteps(knex, UP);
}

export async function down(knex: Knex): Promise<void> {
  for (const statement of DOWN) await knex.raw(statement);
}
