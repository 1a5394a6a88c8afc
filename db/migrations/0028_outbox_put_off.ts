import type { Knex } from 'knex';

import { hasColumn } from '../checks.ts';
import { runSteps, type Step } from '../runSteps.ts';

/** Work that a gate puts off is told apart from work that nobody does. */
const UP: readonly Step[] = [
  {
    unless: hasColumn('outbox', 'put_off_until'),
    sql: `ALTER TABLE outbox
      ADD COLUMN put_off_until DATETIME(3) NULL COMMENT 'when its gate is asked again; null: it was always let in'`,
  },
];

export async function up(knex: Knex): Promise<void> {
  await runSteps(knex, UP);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('ALTER TABLE outbox DROP COLUMN put_off_until');
}
