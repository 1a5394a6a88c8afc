import type { Knex } from 'knex';

import { hasIndex } from '../checks.ts';
import { runSteps, type Step } from '../runSteps.ts';

/** Each queue's rows are published by themselves: much work for one does not hold up another's. */
const UP: readonly Step[] = [
  {
    unless: hasIndex('outbox', 'ix_outbox_queue_publish'),
    sql: 'ALTER TABLE outbox DROP INDEX ix_outbox_publish, ADD KEY ix_outbox_queue_publish (queue, publish_at)',
  },
];

export async function up(knex: Knex): Promise<void> {
  await runSteps(knex, UP);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(
    'ALTER TABLE outbox DROP INDEX ix_outbox_queue_publish, ADD KEY ix_outbox_publish (publish_at)',
  );
}
