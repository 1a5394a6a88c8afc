import type { Knex } from 'knex';

import { runSteps, type Step } from '../runSteps.ts';

/**
 * Work that failed at its last try, whoever tried it: how often in a row, and since when. Rows are
 * few: one is deleted when its work succeeds.
 */
const UP: readonly Step[] = [
  {
    sql: `CREATE TABLE IF NOT EXISTS work_failures (
      queue VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
      subject_id VARCHAR(80) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'as in outbox; a chain or a task',
      failures INT UNSIGNED NOT NULL COMMENT 'in a row',
      first_failed_at DATETIME(3) NOT NULL,
      last_failed_at DATETIME(3) NOT NULL,
      last_error VARCHAR(100) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'its code or name',
      alerted_at DATETIME(3) NULL,
      PRIMARY KEY (queue, subject_id)
    ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4`,
  },
];

export async function up(knex: Knex): Promise<void> {
  await runSteps(knex, UP);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('DROP TABLE work_failures');
}
