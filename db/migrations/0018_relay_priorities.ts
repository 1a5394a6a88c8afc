import type { Knex } from 'knex';

import { hasColumn } from '../checks.ts';
import { runSteps, type Step } from '../runSteps.ts';

/**
 * Which of a store's requests go first, and which of the stores; what waits already is of the usual
 * priority.
 */
const UP: readonly Step[] = [
  {
    unless: hasColumn('stores', 'relay_priority'),
    sql: `ALTER TABLE stores
      ADD COLUMN relay_priority VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'normal' COMMENT 'what it makes of its weight',
      ADD CONSTRAINT ck_stores_relay_priority CHECK (relay_priority IN ('low','normal','high'))`,
  },
  {
    unless: hasColumn('relay_attempts', 'priority'),
    sql: `ALTER TABLE relay_attempts
      ADD COLUMN priority VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'normal' COMMENT 'among those of its store',
      ADD COLUMN turn_step BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'how much of its store''s turns it took up',
      ADD COLUMN gave_way TINYINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'how often it gave its turn to one of more priority',
      ADD CONSTRAINT ck_relay_attempts_priority CHECK (priority IN ('low','normal','high')),
      DROP INDEX ix_relay_attempts_store,
      ADD KEY ix_relay_attempts_store (store_id, chain_id, status, rail, priority, turn)`,
  },
];

const DOWN = [
  `ALTER TABLE relay_attempts DROP CONSTRAINT ck_relay_attempts_priority,
    DROP INDEX ix_relay_attempts_store,
    ADD KEY ix_relay_attempts_store (store_id, chain_id, status),
    DROP COLUMN priority, DROP COLUMN turn_step, DROP COLUMN gave_way`,
  'ALTER TABLE stores DROP CONSTRAINT ck_stores_relay_priority, DROP COLUMN relay_priority',
];

export async function up(knex: Knex): Promise<void> {
  await runSteps(knex, UP);
}

export async function down(knex: Knex): Promise<void> {
  for (const statement of DOWN) await knex.raw(statement);
}
