import type { Knex } from 'knex';

import { runSteps, type Step } from '../runSteps.ts';

/**
 * What each relay transaction was sent with, for as long as it is kept: an attempt may leave one
 * that is mined all the same, and its place there is what tells whose gas is whose. Of those that
 * had left before, the place is not known any more: one of them that came to its end as the one
 * that had done it names the place that it had in another transaction, so whoever has not ended
 * keeps its own; and a place that several name which have ended is nobody's.
 */
const UP: readonly Step[] = [
  {
    sql: `CREATE TABLE IF NOT EXISTS relay_transaction_items (
      transaction_id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
      seq SMALLINT UNSIGNED NOT NULL COMMENT 'from 0, as the transaction carries them',
      attempt_id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
      PRIMARY KEY (transaction_id, seq)
    ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4`,
  },
  {
    chunks: { table: 'relay_transactions', column: 'id' },
    sql: `INSERT INTO relay_transaction_items (transaction_id, seq, attempt_id)
     SELECT transaction_id, seq, COALESCE(live_id, ended_id) FROM (
       SELECT t.id AS transaction_id, COALESCE(a.batch_index, 0) AS seq,
         MAX(CASE WHEN a.status NOT IN ('succeeded', 'failed') THEN a.id END) AS live_id,
         CASE WHEN COUNT(*) = 1 THEN MAX(a.id) END AS ended_id
       FROM relay_transactions t JOIN relay_attempts a ON a.transaction_id = t.id
       WHERE t.id > :after AND t.id <= :upTo AND (a.batch_index IS NOT NULL OR t.items = 1)
       GROUP BY t.id, COALESCE(a.batch_index, 0)
     ) AS places WHERE live_id IS NOT NULL OR ended_id IS NOT NULL
     ON DUPLICATE KEY UPDATE attempt_id = VALUES(attempt_id)`,
  },
];

export async function up(knex: Knex): Promise<void> {
  await runSteps(knex, UP);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('DROP TABLE relay_transaction_items');
}
