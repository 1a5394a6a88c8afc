import type { Knex } from 'knex';

import { hasColumn } from '../checks.ts';
import { runSteps, type Step } from '../runSteps.ts';

/**
 * Stores take turns at being published when much is due. Rows from before are of no store, which
 * has its turn as well.
 */
const UP: readonly Step[] = [
  {
    unless: hasColumn('outbox', 'store_id'),
    sql: `ALTER TABLE outbox
      ADD COLUMN store_id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '' COMMENT 'empty: it takes no turns by store',
      ADD KEY ix_outbox_queue_store_publish (queue, store_id, publish_at)`,
  },
];

export async function up(knex: Knex): Promise<void> {
  await runSteps(knex, UP);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(
    'ALTER TABLE outbox DROP INDEX ix_outbox_queue_store_publish, DROP COLUMN store_id',
  );
}
