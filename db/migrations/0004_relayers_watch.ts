import type { Knex } from 'knex';

import { hasColumn } from '../checks.ts';
import { runSteps, type Step } from '../runSteps.ts';

/**
 * More to watch relayers by: transactions that were given up and may still be mined, what balance
 * is low, nonces that do not move.
 */
const UP: readonly Step[] = [
  {
    unless: hasColumn('relay_transactions', 'abandoned_at'),
    sql: `ALTER TABLE relay_transactions
      ADD COLUMN abandoned_at DATETIME(3) NULL COMMENT 'since when it carries nothing any more, as long as it may still be mined',
      ADD KEY ix_relay_transactions_abandoned (relayer_id, abandoned_at)`,
  },
  {
    unless: hasColumn('relayers', 'low_below'),
    sql: `ALTER TABLE relayers
      ADD COLUMN low_below DECIMAL(65,0) NULL COMMENT 'wei, as of the last check',
      ADD COLUMN has_stuck_nonce BOOLEAN NOT NULL DEFAULT FALSE COMMENT 'as of the last check'`,
  },
];

export async function up(knex: Knex): Promise<void> {
  await runSteps(knex, UP);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('ALTER TABLE relayers DROP COLUMN low_below, DROP COLUMN has_stuck_nonce');
  await knex.raw(
    'ALTER TABLE relay_transactions DROP INDEX ix_relay_transactions_abandoned, DROP COLUMN abandoned_at',
  );
}
