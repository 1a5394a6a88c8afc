import type { Knex } from 'knex';

import { hasColumn } from '../checks.ts';
import { runSteps, type Step } from '../runSteps.ts';

/**
 * Running totals of what payers and stores have on their way, and of what relaying cost for them on
 * each day: kept by whoever changes an attempt, in the same transaction, so that nobody has to add
 * up the day's attempts to know them.
 */
const UP: readonly Step[] = [
  {
    unless: hasColumn('relay_attempts', 'reserved_gas'),
    sql: `ALTER TABLE relay_attempts
      ADD COLUMN reserved_gas BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'gas set aside of the budgets while it is live' AFTER reserved_cost`,
  },
  {
    unless: hasColumn('relay_quotas', 'in_flight'),
    sql: `ALTER TABLE relay_quotas
      ADD COLUMN in_flight INT NOT NULL DEFAULT 0 COMMENT 'live attempts',
      ADD COLUMN reserved_gas BIGINT NOT NULL DEFAULT 0 COMMENT 'of those',
      ADD COLUMN reserved_cost DECIMAL(65,0) NOT NULL DEFAULT 0 COMMENT 'wei, of those',
      ADD KEY ix_relay_quotas_in_flight (in_flight)`,
  },
  {
    sql: `CREATE TABLE IF NOT EXISTS relay_costs (
      chain_id BIGINT UNSIGNED NOT NULL,
      holder VARCHAR(42) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'as in relay_quotas',
      day DATE NOT NULL COMMENT 'UTC, of the latest charge of each attempt',
      gas_used BIGINT NOT NULL,
      gas_cost DECIMAL(65,0) NOT NULL COMMENT 'wei',
      PRIMARY KEY (chain_id, holder, day),
      KEY ix_relay_costs_day (day)
    ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4`,
  },
  // What is there already, counted anew: attempts may have ended since an interrupted run counted
  // them.
  {
    sql: 'UPDATE relay_quotas SET in_flight = 0, reserved_cost = 0 WHERE in_flight <> 0',
  },
  {
    sql: 'TRUNCATE TABLE relay_costs',
  },
  ...['payer', 'store_id'].flatMap((holder): Step[] => [
    {
      chunks: { table: 'relay_attempts', column: holder, within: 'chain_id' },
      sql: `INSERT INTO relay_quotas (chain_id, holder, in_flight, reserved_cost)
        SELECT chain_id, ${holder}, COUNT(*), SUM(reserved_cost) FROM relay_attempts
        WHERE chain_id = :within AND ${holder} > :after AND ${holder} <= :upTo AND status NOT IN ('succeeded','failed')
        GROUP BY chain_id, ${holder}
        ON DUPLICATE KEY UPDATE in_flight = VALUES(in_flight), reserved_cost = VALUES(reserved_cost)`,
    },
    {
      chunks: { table: 'relay_attempts', column: holder, within: 'chain_id' },
      sql: `INSERT INTO relay_costs (chain_id, holder, day, gas_used, gas_cost)
        SELECT chain_id, ${holder}, DATE(gas_charged_at), SUM(gas_used), SUM(gas_cost) FROM relay_attempts
        WHERE chain_id = :within AND ${holder} > :after AND ${holder} <= :upTo AND gas_charged_at IS NOT NULL
        GROUP BY chain_id, ${holder}, DATE(gas_charged_at)
        ON DUPLICATE KEY UPDATE gas_used = VALUES(gas_used), gas_cost = VALUES(gas_cost)`,
    },
  ]),
];

const DOWN = [
  'DROP TABLE relay_costs',
  `ALTER TABLE relay_quotas DROP INDEX ix_relay_quotas_in_flight, DROP COLUMN in_flight, DROP COLUMN reserved_gas,
    DROP COLUMN reserved_cost`,
  'ALTER TABLE relay_attempts DROP COLUMN reserved_gas',
];

export async function up(knex: Knex): Promise<void> {
  await runSteps(knex, UP);
}

export async function down(knex: Knex): Promise<void> {
  for (const statement of DOWN) await knex.raw(statement);
}
