import type { Knex } from 'knex';

import { hasColumn } from '../checks.ts';
import { runSteps, type Step } from '../runSteps.ts';

/**
 * The memory of relayed requests that cost gas and did nothing, counted by clock hour, and whether
 * carrying a request may run code of somebody else's. Those on their way are taken for requests
 * that run none: which ones do is not known any more, and they end soon.
 */
const UP: readonly Step[] = [
  {
    sql: `CREATE TABLE IF NOT EXISTS relay_waste (
      chain_id BIGINT UNSIGNED NOT NULL,
      holder VARCHAR(66) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'address of a signer, id of a payment, refund or store',
      hour DATETIME NOT NULL COMMENT 'the clock hour in which they were judged',
      kind VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
      items INT UNSIGNED NOT NULL,
      gas_cost DECIMAL(65,0) NOT NULL COMMENT 'wei',
      latest_at DATETIME(3) NOT NULL,
      PRIMARY KEY (chain_id, holder, hour),
      KEY ix_relay_waste_kind (kind, hour),
      KEY ix_relay_waste_hour (hour),
      CONSTRAINT ck_relay_waste_kind CHECK (kind IN ('signer','subject','store'))
    ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4`,
  },
  {
    unless: hasColumn('relay_attempts', 'runs_foreign_code'),
    sql: `ALTER TABLE relay_attempts
      ADD COLUMN runs_foreign_code BOOLEAN NOT NULL DEFAULT FALSE COMMENT 'a contract of the signer''s is asked while it is carried'`,
  },
];

export async function up(knex: Knex): Promise<void> {
  await runSteps(knex, UP);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('ALTER TABLE relay_attempts DROP COLUMN runs_foreign_code');
  await knex.raw('DROP TABLE relay_waste');
}
