import type { Knex } from 'knex';

import { hasColumn } from '../checks.ts';
import { runSteps, type Step } from '../runSteps.ts';

/**
 * Attempts are claimed before they are simulated, so that no two workers choose the same; and what
 * speaks against the size of a batch is counted apart from how often an attempt was sent.
 */
const UP: readonly Step[] = [
  {
    unless: hasColumn('relay_attempts', 'claim_id'),
    sql: `ALTER TABLE relay_attempts
      ADD COLUMN claim_id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NULL COMMENT 'of whoever is choosing a batch from it',
      ADD COLUMN choose_after DATETIME(3) NULL COMMENT 'nobody else chooses it before: then a claim lapses, or it has stood aside',
      ADD COLUMN batch_failures INT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'batches that came back with it as a whole'`,
  },
];

const DOWN =
  'ALTER TABLE relay_attempts DROP COLUMN claim_id, DROP COLUMN choose_after, DROP COLUMN batch_failures';

export async function up(knex: Knex): Promise<void> {
  await runSteps(knex, UP);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(DOWN);
}
