import type { Knex } from 'knex';

import { hasColumn } from '../checks.ts';
import { runSteps, type Step } from '../runSteps.ts';

/**
 * A chain's own clock, as far as nothing turns it back: what is decided for good by a deadline, is
 * decided by it. The next scan fills it in.
 */
const UP: readonly Step[] = [
  {
    unless: hasColumn('chain_cursors', 'settled_timestamp'),
    sql: `ALTER TABLE chain_cursors
      ADD COLUMN settled_block BIGINT UNSIGNED NULL COMMENT 'newest block that is both final and scanned; NULL: not known',
      ADD COLUMN settled_timestamp DATETIME(3) NULL COMMENT 'its time'`,
  },
];

export async function up(knex: Knex): Promise<void> {
  await runSteps(knex, UP);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(
    'ALTER TABLE chain_cursors DROP COLUMN settled_block, DROP COLUMN settled_timestamp',
  );
}
