import type { Knex } from 'knex';

import { hasColumn } from '../checks.ts';
import { runSteps, type Step } from '../runSteps.ts';

/**
 * What a scan has to remember of a reorganisation until it has followed it to the end, and why it
 * waits for an operator.
 */
const UP: readonly Step[] = [
  {
    unless: hasColumn('chain_cursors', 'highest_block'),
    sql: `ALTER TABLE chain_cursors
      ADD COLUMN highest_block BIGINT UNSIGNED NULL COMMENT 'newest block that was ever scanned; NULL: the one before next_block',
      ADD COLUMN generation INT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'goes up whenever the scan is moved back',
      ADD COLUMN withdraw_after BIGINT NULL COMMENT 'what was seen in later blocks ...',
      ADD COLUMN withdraw_until BIGINT NULL COMMENT '... up to this one is withdrawn, unless it is found again',
      ADD COLUMN withdrawn INT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'payments and refunds, since these were set',
      ADD COLUMN withdrawals_allowed INT UNSIGNED NULL COMMENT 'by an operator, until these are cleared',
      ADD COLUMN halt_reason VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NULL COMMENT 'waits for an operator',
      ADD COLUMN halted_at DATETIME(3) NULL,
      ADD COLUMN halt_count INT UNSIGNED NULL COMMENT 'payments and refunds that would be withdrawn'`,
  },
];

export async function up(knex: Knex): Promise<void> {
  await runSteps(knex, UP);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`ALTER TABLE chain_cursors
    DROP COLUMN highest_block, DROP COLUMN generation, DROP COLUMN withdraw_after, DROP COLUMN withdraw_until, DROP COLUMN withdrawn,
    DROP COLUMN withdrawals_allowed, DROP COLUMN halt_reason, DROP COLUMN halted_at, DROP COLUMN halt_count`);
}
