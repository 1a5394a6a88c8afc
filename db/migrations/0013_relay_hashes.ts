import type { Knex } from 'knex';

import { hasColumn, hasIndex } from '../checks.ts';
import { runSteps, type Step } from '../runSteps.ts';

/**
 * The hashes of relay transactions in a table of their own, and a digest of what each calls: so
 * that the one that landed is found by an index. The digest is the SHA-256, in hexadecimal digits,
 * of address and data in lower case: `digestOfCall` in domain/relay/attempts/transactionStore.ts
 * makes the same one.
 */
const UP: readonly Step[] = [
  {
    sql: `CREATE TABLE IF NOT EXISTS relay_transaction_hashes (
      transaction_id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
      seq INT UNSIGNED NOT NULL COMMENT 'from 0, latest last',
      chain_id BIGINT UNSIGNED NOT NULL,
      hash CHAR(66) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
      PRIMARY KEY (transaction_id, seq),
      KEY ix_relay_transaction_hashes_hash (chain_id, hash)
    ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4`,
  },
  {
    unless: hasColumn('relay_transactions', 'call_digest'),
    chunks: { table: 'relay_transactions', column: 'id' },
    sql: `INSERT INTO relay_transaction_hashes (transaction_id, seq, chain_id, hash)
     SELECT t.id, told.number - 1, t.chain_id, told.hash FROM relay_transactions t
     JOIN JSON_TABLE(t.hashes, '$[*]' COLUMNS (number FOR ORDINALITY, hash CHAR(66) PATH '$')) AS told
     WHERE t.id > :after AND t.id <= :upTo
     ON DUPLICATE KEY UPDATE hash = VALUES(hash)`,
  },
  {
    unless: hasColumn('relay_transactions', 'call_digest'),
    sql: `ALTER TABLE relay_transactions
      DROP COLUMN hashes,
      ADD COLUMN call_digest CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '' COMMENT 'SHA-256, hex' AFTER data`,
  },
  {
    unless: hasIndex('relay_transactions', 'ix_relay_transactions_call'),
    chunks: { table: 'relay_transactions', column: 'id' },
    sql: `UPDATE relay_transactions SET call_digest = SHA2(LOWER(CONCAT(to_address, data)), 256)
     WHERE id > :after AND id <= :upTo AND call_digest = ''`,
  },
  {
    unless: hasIndex('relay_transactions', 'ix_relay_transactions_call'),
    sql: `ALTER TABLE relay_transactions ALTER COLUMN call_digest DROP DEFAULT, ADD KEY ix_relay_transactions_call (call_digest)`,
  },
];

const DOWN = [
  `ALTER TABLE relay_transactions DROP INDEX ix_relay_transactions_call, DROP COLUMN call_digest, ADD COLUMN hashes JSON NULL AFTER hash`,
  // Otherwise some fifteen hashes are all that fit in, on MySQL.
  `SET SESSION group_concat_max_len = 1000000`,
  `UPDATE relay_transactions t SET hashes = COALESCE(
     (SELECT CONCAT('[', GROUP_CONCAT(JSON_QUOTE(h.hash) ORDER BY h.seq SEPARATOR ','), ']') FROM relay_transaction_hashes h WHERE h.transaction_id = t.id),
     '[]')`,
  `SET SESSION group_concat_max_len = DEFAULT`,
  `ALTER TABLE relay_transactions MODIFY hashes JSON NOT NULL`,
  `DROP TABLE relay_transaction_hashes`,
];

export async function up(knex: Knex): Promise<void> {
  await runSteps(knex, UP);
}

export async function down(knex: Knex): Promise<void> {
  for (const statement of DOWN) await knex.raw(statement);
}
