import type { Knex } from 'knex';

import { hasIndex, hasNoIndex } from '../checks.ts';
import { runSteps, type Step } from '../runSteps.ts';

/**
 * A store's payments are listed by the time they were made, whichever of the filters is given; and
 * when a payer's attempts last ended is found without reading all that it ever made, as are the
 * attempts of a refund.
 */
const UP: readonly Step[] = [
  {
    unless: hasIndex('payments', 'ix_payments_store_created'),
    sql: `ALTER TABLE payments
      ADD KEY ix_payments_store_created (store_id, created_at),
      ADD KEY ix_payments_store_status (store_id, status, created_at),
      ADD KEY ix_payments_store_order_created (store_id, order_id, created_at)`,
  },
  // After those that take their place: the foreign key to the stores needs one of them.
  {
    unless: hasNoIndex('payments', 'ix_payments_store'),
    sql: 'ALTER TABLE payments DROP INDEX ix_payments_store, DROP INDEX ix_payments_store_order',
  },
  {
    unless: hasIndex('relay_attempts', 'ix_relay_attempts_refund'),
    sql: `ALTER TABLE relay_attempts
      ADD KEY ix_relay_attempts_payer_end (chain_id, payer, rail, status, updated_at),
      ADD KEY ix_relay_attempts_refund (refund_id)`,
  },
];

const DOWN = [
  'ALTER TABLE relay_attempts DROP INDEX ix_relay_attempts_payer_end, DROP INDEX ix_relay_attempts_refund',
  'ALTER TABLE payments ADD KEY ix_payments_store (store_id, seq), ADD KEY ix_payments_store_order (store_id, order_id, seq)',
  `ALTER TABLE payments
    DROP INDEX ix_payments_store_created, DROP INDEX ix_payments_store_status, DROP INDEX ix_payments_store_order_created`,
];

export async function up(knex: Knex): Promise<void> {
  await runSteps(knex, UP);
}

export async function down(knex: Knex): Promise<void> {
  for (const statement of DOWN) await knex.raw(statement);
}
