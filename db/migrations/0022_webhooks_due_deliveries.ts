import type { Knex } from 'knex';

import { hasIndex } from '../checks.ts';
import { runSteps, type Step } from '../runSteps.ts';

/** What is due for an endpoint, in its order, however much of it waits for a later attempt. */
const UP: readonly Step[] = [
  {
    unless: hasIndex('webhook_deliveries', 'ix_webhook_deliveries_due'),
    sql: `ALTER TABLE webhook_deliveries DROP INDEX ix_webhook_deliveries_pending,
      ADD KEY ix_webhook_deliveries_due (endpoint_id, status, next_attempt_at)`,
  },
];

export async function up(knex: Knex): Promise<void> {
  await runSteps(knex, UP);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`ALTER TABLE webhook_deliveries DROP INDEX ix_webhook_deliveries_due,
    ADD KEY ix_webhook_deliveries_pending (endpoint_id, status)`);
}
