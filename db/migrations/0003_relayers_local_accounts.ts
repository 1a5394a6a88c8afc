import type { Knex } from 'knex';

/** Relayers that are a key of ours: which nonces were given out, and for what. */
const STATEMENTS = [
  // One row to lock for each account: nonces are given out under that lock.
  `CREATE TABLE IF NOT EXISTS local_relayer_accounts (
    chain_id BIGINT UNSIGNED NOT NULL,
    address CHAR(42) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    next_nonce BIGINT UNSIGNED NOT NULL COMMENT 'the first one not given out',
    gap_seen_at DATETIME(3) NULL COMMENT 'since when a nonce below it is in nobody''s transaction',
    PRIMARY KEY (chain_id, address)
  )`,

  // Signatures are not kept: the key makes the same ones again from the same row.
  `CREATE TABLE IF NOT EXISTS local_relayer_transactions (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    chain_id BIGINT UNSIGNED NOT NULL,
    address CHAR(42) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    nonce BIGINT UNSIGNED NOT NULL,
    status VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    version INT UNSIGNED NOT NULL DEFAULT 1,
    to_address CHAR(42) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    data MEDIUMTEXT CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    gas_limit BIGINT UNSIGNED NOT NULL COMMENT 'of what is broadcast now, the call or the no-op',
    valid_until DATETIME(3) NOT NULL,
    max_fee_per_gas DECIMAL(65,0) NOT NULL COMMENT 'wei; the gas price where max_priority_fee_per_gas is null',
    max_priority_fee_per_gas DECIMAL(65,0) NULL COMMENT 'wei; null on a chain without EIP-1559',
    hashes JSON NOT NULL COMMENT 'of the call, latest last',
    noop_hashes JSON NOT NULL COMMENT 'of the no-op in its place, latest last',
    mined_hash CHAR(66) CHARACTER SET ascii COLLATE ascii_bin NULL,
    created_at DATETIME(3) NOT NULL,
    priced_at DATETIME(3) NOT NULL,
    broadcast_at DATETIME(3) NULL COMMENT 'when a node last took it',
    missing_since DATETIME(3) NULL COMMENT 'its nonce is used, and not by it',
    settled_at DATETIME(3) NULL,
    recheck_at DATETIME(3) NULL COMMENT 'settled, and to be looked at once more',
    alerted_at DATETIME(3) NULL,
    UNIQUE KEY uq_local_relayer_transactions_nonce (chain_id, address, nonce),
    KEY ix_local_relayer_transactions_status (chain_id, address, status, nonce),
    KEY ix_local_relayer_transactions_recheck (chain_id, address, recheck_at),
    KEY ix_local_relayer_transactions_created (chain_id, address, created_at),
    CONSTRAINT ck_local_relayer_transactions_status CHECK (status IN ('pending','cancelling','mined','ended'))
  )`,
];

export async function up(knex: Knex): Promise<void> {
  for (const statement of STATEMENTS)
    await knex.raw(`${statement} ENGINE=InnoDB DEFAULT CHARSET=utf8mb4`);
}

export async function down(knex: Knex): Promise<void> {
  await knex.schema.dropTableIfExists('local_relayer_transactions');
  await knex.schema.dropTableIfExists('local_relayer_accounts');
}
