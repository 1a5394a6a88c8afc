import type { Knex } from 'knex';

import { hasColumn } from '../checks.ts';
import { runSteps, type Step } from '../runSteps.ts';

/**
 * Stores take turns: each attempt is given its place in the order when it is taken on, by the
 * weight of its store.
 */
const UP: readonly Step[] = [
  {
    unless: hasColumn('stores', 'relay_weight'),
    sql: `ALTER TABLE stores ADD COLUMN relay_weight INT UNSIGNED NOT NULL DEFAULT 100 COMMENT 'share of the relayers, beside the others'' weights'`,
  },
  {
    unless: hasColumn('relay_quotas', 'last_turn'),
    sql: `ALTER TABLE relay_quotas ADD COLUMN last_turn BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'of a store: the latest that it was given'`,
  },
  {
    sql: `CREATE TABLE IF NOT EXISTS relay_turns (
      chain_id BIGINT UNSIGNED NOT NULL PRIMARY KEY,
      served_turn BIGINT UNSIGNED NOT NULL COMMENT 'the first of the latest batch: who comes anew begins here'
    ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4`,
  },
  // What waits already keeps its order, before all that comes.
  {
    unless: hasColumn('relay_attempts', 'turn'),
    sql: `ALTER TABLE relay_attempts
      ADD COLUMN turn BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'its place in the order of sending',
      DROP INDEX ix_relay_attempts_waiting,
      ADD KEY ix_relay_attempts_waiting (chain_id, rail, status, turn)`,
  },
];

const DOWN = [
  `ALTER TABLE relay_attempts DROP INDEX ix_relay_attempts_waiting, DROP COLUMN turn,
    ADD KEY ix_relay_attempts_waiting (chain_id, rail, status, created_at)`,
  'DROP TABLE relay_turns',
  'ALTER TABLE relay_quotas DROP COLUMN last_turn',
  'ALTER TABLE stores DROP COLUMN relay_weight',
];

export async function up(knex: Knex): Promise<void> {
  await runSteps(knex, UP);
}

export async function down(knex: Knex): Promise<void> {
  for (const statement of DOWN) await knex.raw(statement);
}
