import type { Knex } from 'knex';

import { runSteps, type Step } from '../runSteps.ts';

/**
 * What readiness writes to find out whether the database takes writes: a few rows, written again
 * and again.
 */
const UP: readonly Step[] = [
  {
    sql: `CREATE TABLE IF NOT EXISTS readiness_writes (
      id TINYINT UNSIGNED NOT NULL PRIMARY KEY,
      written_at DATETIME(3) NOT NULL
    ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4`,
  },
];

export async function up(knex: Knex): Promise<void> {
  await runSteps(knex, UP);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('DROP TABLE readiness_writes');
}
