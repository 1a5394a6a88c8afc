import type { Knex } from 'knex';

/**
 * Stores, payments, relay attempts, webhooks, and the outbox that ties them together.
 *
 * Written for what MySQL 8.4 and MariaDB 10.11 both accept. Identifiers and hashes are ascii_bin:
 * they compare byte by byte, and their indexes stay small. Times are UTC DATETIME(3). Amounts are
 * DECIMAL(65,0), the widest there is, read as strings.
 */
const STATEMENTS = [
  `CREATE TABLE IF NOT EXISTS stores (
    id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    name VARCHAR(255) NOT NULL,
    payout_address CHAR(42) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    created_at DATETIME(3) NOT NULL
  )`,

  `CREATE TABLE IF NOT EXISTS store_merchants (
    store_id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    address CHAR(42) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    created_at DATETIME(3) NOT NULL,
    PRIMARY KEY (store_id, address),
    CONSTRAINT fk_store_merchants_store FOREIGN KEY (store_id) REFERENCES stores (id)
  )`,

  `CREATE TABLE IF NOT EXISTS api_keys (
    id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    store_id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    key_hash CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'SHA-256, hex',
    key_hint VARCHAR(24) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'prefix and last four characters, for people',
    role VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    created_at DATETIME(3) NOT NULL,
    revoked_at DATETIME(3) NULL,
    UNIQUE KEY uq_api_keys_hash (key_hash),
    CONSTRAINT fk_api_keys_store FOREIGN KEY (store_id) REFERENCES stores (id),
    CONSTRAINT ck_api_keys_role CHECK (role IN ('store','support','admin','super_admin'))
  )`,

  `CREATE TABLE IF NOT EXISTS payments (
    seq BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    id CHAR(66) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'EIP-712 digest of the terms',
    store_id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    order_id VARCHAR(255) COLLATE utf8mb4_bin NOT NULL,
    chain_id BIGINT UNSIGNED NOT NULL,
    gateway CHAR(42) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    token CHAR(42) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    amount DECIMAL(65,0) NOT NULL COMMENT 'smallest unit of the token',
    merchant CHAR(42) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    salt CHAR(66) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    expires_at DATETIME(3) NOT NULL,
    status VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    version INT UNSIGNED NOT NULL,
    late BOOLEAN NOT NULL DEFAULT FALSE,
    customer_email VARCHAR(320) NULL,
    metadata JSON NULL,
    payer CHAR(42) CHARACTER SET ascii COLLATE ascii_bin NULL,
    relay_attempt_id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NULL COMMENT 'the attempt in flight',
    tx_hash CHAR(66) CHARACTER SET ascii COLLATE ascii_bin NULL,
    block_number BIGINT UNSIGNED NULL,
    block_hash CHAR(66) CHARACTER SET ascii COLLATE ascii_bin NULL,
    log_index INT UNSIGNED NULL,
    created_at DATETIME(3) NOT NULL,
    updated_at DATETIME(3) NOT NULL,
    completed_at DATETIME(3) NULL,
    UNIQUE KEY uq_payments_id (id),
    KEY ix_payments_store (store_id, seq),
    KEY ix_payments_store_order (store_id, order_id, seq),
    KEY ix_payments_status_expiry (status, expires_at),
    KEY ix_payments_block (chain_id, status, block_number),
    CONSTRAINT fk_payments_store FOREIGN KEY (store_id) REFERENCES stores (id),
    CONSTRAINT ck_payments_amount CHECK (amount > 0),
    CONSTRAINT ck_payments_status CHECK (status IN ('pending','processing','completed','expired','failed','cancelled'))
  )`,

  `CREATE TABLE IF NOT EXISTS events (
    id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    store_id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    type VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    payment_id CHAR(66) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    version INT UNSIGNED NOT NULL,
    request_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
    data JSON NOT NULL,
    created_at DATETIME(3) NOT NULL,
    UNIQUE KEY uq_events_payment_version (payment_id, version)
  )`,

  // One row to lock for each relayer: its limits are counted under that lock.
  `CREATE TABLE IF NOT EXISTS relayers (
    id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY
  )`,

  `CREATE TABLE IF NOT EXISTS relay_transactions (
    id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    chain_id BIGINT UNSIGNED NOT NULL,
    relayer_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    to_address CHAR(42) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    data MEDIUMTEXT CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    gas_limit BIGINT UNSIGNED NOT NULL,
    valid_until DATETIME(3) NOT NULL,
    provider_transaction_id VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NULL,
    hash CHAR(66) CHARACTER SET ascii COLLATE ascii_bin NULL,
    hashes JSON NOT NULL,
    sent_at DATETIME(3) NOT NULL,
    block_number BIGINT UNSIGNED NULL,
    block_hash CHAR(66) CHARACTER SET ascii COLLATE ascii_bin NULL,
    gas_used BIGINT UNSIGNED NULL,
    effective_gas_price DECIMAL(65,0) NULL,
    UNIQUE KEY uq_relay_transactions_provider (relayer_id, provider_transaction_id),
    KEY ix_relay_transactions_sent (relayer_id, sent_at)
  )`,

  `CREATE TABLE IF NOT EXISTS relay_attempts (
    id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    payment_id CHAR(66) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    live_payment_id CHAR(66) CHARACTER SET ascii COLLATE ascii_bin NULL COMMENT 'payment_id while the attempt is live: at most one',
    store_id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    chain_id BIGINT UNSIGNED NOT NULL,
    rail VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    status VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    payer CHAR(42) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    deadline DATETIME(3) NOT NULL,
    request JSON NOT NULL,
    signature TEXT CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    permit JSON NULL,
    transaction_id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NULL,
    error_code VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NULL,
    error_detail VARCHAR(1000) NULL,
    created_at DATETIME(3) NOT NULL,
    updated_at DATETIME(3) NOT NULL,
    UNIQUE KEY uq_relay_attempts_live (live_payment_id),
    KEY ix_relay_attempts_payment (payment_id, created_at),
    KEY ix_relay_attempts_status (status, updated_at),
    KEY ix_relay_attempts_transaction (transaction_id),
    CONSTRAINT ck_relay_attempts_status
      CHECK (status IN ('queued','submitting','submitted','unknown','mined','succeeded','failed')),
    CONSTRAINT ck_relay_attempts_rail CHECK (rail IN ('forwarder'))
  )`,

  `CREATE TABLE IF NOT EXISTS webhook_endpoints (
    id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    store_id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    url VARCHAR(2048) NOT NULL,
    secret_ciphertext VARCHAR(512) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    event_types JSON NULL,
    status VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    disabled_reason VARCHAR(255) NULL,
    created_at DATETIME(3) NOT NULL,
    deleted_at DATETIME(3) NULL,
    KEY ix_webhook_endpoints_store (store_id, deleted_at, id),
    CONSTRAINT fk_webhook_endpoints_store FOREIGN KEY (store_id) REFERENCES stores (id),
    CONSTRAINT ck_webhook_endpoints_status CHECK (status IN ('enabled','disabled'))
  )`,

  `CREATE TABLE IF NOT EXISTS webhook_deliveries (
    id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    endpoint_id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    event_id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    status VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    attempts INT UNSIGNED NOT NULL DEFAULT 0,
    next_attempt_at DATETIME(3) NULL,
    created_at DATETIME(3) NOT NULL,
    updated_at DATETIME(3) NOT NULL,
    UNIQUE KEY uq_webhook_deliveries (endpoint_id, event_id),
    KEY ix_webhook_deliveries_pending (endpoint_id, status),
    CONSTRAINT ck_webhook_deliveries_status CHECK (status IN ('pending','succeeded','failed','cancelled'))
  )`,

  `CREATE TABLE IF NOT EXISTS webhook_attempts (
    id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    delivery_id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    number INT UNSIGNED NOT NULL,
    status_code SMALLINT UNSIGNED NULL,
    error VARCHAR(255) NULL,
    latency_ms INT UNSIGNED NOT NULL,
    response_body TEXT NULL,
    started_at DATETIME(3) NOT NULL,
    UNIQUE KEY uq_webhook_attempts (delivery_id, number)
  )`,

  // Open promises of work only: a row is deleted once the effect of its work has committed.
  `CREATE TABLE IF NOT EXISTS outbox (
    id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    queue VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    subject_id VARCHAR(80) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    request_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
    run_at DATETIME(3) NOT NULL COMMENT 'not to be worked on earlier',
    publish_at DATETIME(3) NOT NULL COMMENT 'when it is put on its queue (again)',
    generation INT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'how often it was put on its queue',
    created_at DATETIME(3) NOT NULL,
    UNIQUE KEY uq_outbox_subject (queue, subject_id),
    KEY ix_outbox_publish (publish_at)
  )`,

  `CREATE TABLE IF NOT EXISTS idempotency_keys (
    store_id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    idempotency_key VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    request_hash CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    response_status SMALLINT UNSIGNED NOT NULL,
    response_ciphertext MEDIUMTEXT CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'it may hold a secret that is shown once',
    created_at DATETIME(3) NOT NULL,
    PRIMARY KEY (store_id, idempotency_key),
    KEY ix_idempotency_keys_created (created_at)
  )`,

  `CREATE TABLE IF NOT EXISTS chain_cursors (
    chain_id BIGINT UNSIGNED NOT NULL PRIMARY KEY,
    gateway CHAR(42) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    next_block BIGINT UNSIGNED NOT NULL COMMENT 'first block not scanned yet',
    scanned_timestamp DATETIME(3) NULL COMMENT 'time of the last scanned block',
    head_number BIGINT UNSIGNED NOT NULL,
    updated_at DATETIME(3) NOT NULL
  )`,

  // Hashes of recently scanned blocks: how a reorganisation is noticed, and how deep it went.
  `CREATE TABLE IF NOT EXISTS chain_blocks (
    chain_id BIGINT UNSIGNED NOT NULL,
    number BIGINT UNSIGNED NOT NULL,
    hash CHAR(66) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    PRIMARY KEY (chain_id, number)
  )`,
];

const TABLES_IN_DROP_ORDER = [
  'chain_blocks',
  'chain_cursors',
  'idempotency_keys',
  'outbox',
  'webhook_attempts',
  'webhook_deliveries',
  'webhook_endpoints',
  'relay_attempts',
  'relay_transactions',
  'relayers',
  'events',
  'payments',
  'api_keys',
  'store_merchants',
  'stores',
];

export async function up(knex: Knex): Promise<void> {
  for (const statement of STATEMENTS)
    await knex.raw(`${statement} ENGINE=InnoDB DEFAULT CHARSET=utf8mb4`);
}

export async function down(knex: Knex): Promise<void> {
  for (const table of TABLES_IN_DROP_ORDER) await knex.schema.dropTableIfExists(table);
}
