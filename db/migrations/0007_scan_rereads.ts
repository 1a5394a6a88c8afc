import type { Knex } from 'knex';

/**
 * What came of reading blocks again that the scanner had passed; and the audit's turn, which one
 * process at a time takes.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`CREATE TABLE IF NOT EXISTS chain_rereads (
    chain_id BIGINT UNSIGNED NOT NULL,
    reason VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    ranges BIGINT UNSIGNED NOT NULL COMMENT 'how many were read',
    found BIGINT UNSIGNED NOT NULL COMMENT 'payments that the scanner had not seen in them',
    last_at DATETIME(3) NOT NULL COMMENT 'of the audit: when its last turn began',
    PRIMARY KEY (chain_id, reason)
  )`);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('DROP TABLE chain_rereads');
}
