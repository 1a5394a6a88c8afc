-- The tables as the migrations leave them, each with the folder whose own it is (db/tables.ts).
-- Printed by `npm run db:schema`; nothing is made from it.

-- db
CREATE TABLE schema_migrations (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT,
  name VARCHAR(255) NULL,
  batch INT NULL,
  migration_time TIMESTAMP NULL,
  PRIMARY KEY (id)
);

-- platform
CREATE TABLE readiness_writes (
  id TINYINT UNSIGNED NOT NULL,
  written_at DATETIME(3) NOT NULL,
  PRIMARY KEY (id)
);

-- domain/outbox
CREATE TABLE outbox (
  id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  queue VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  subject_id VARCHAR(80) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  request_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
  run_at DATETIME(3) NOT NULL COMMENT 'not to be worked on earlier',
  publish_at DATETIME(3) NOT NULL COMMENT 'when it is put on its queue (again)',
  generation INT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'how often it was put on its queue',
  created_at DATETIME(3) NOT NULL,
  store_id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '' COMMENT 'empty: it takes no turns by store',
  put_off_until DATETIME(3) NULL COMMENT 'when its gate is asked again; null: it was always let in',
  PRIMARY KEY (id),
  UNIQUE KEY uq_outbox_subject (queue, subject_id),
  KEY ix_outbox_queue_publish (queue, publish_at),
  KEY ix_outbox_queue_store_publish (queue, store_id, publish_at)
);

-- domain/outbox
CREATE TABLE work_failures (
  queue VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  subject_id VARCHAR(80) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'as in outbox; a chain or a task',
  failures INT UNSIGNED NOT NULL COMMENT 'in a row',
  first_failed_at DATETIME(3) NOT NULL,
  last_failed_at DATETIME(3) NOT NULL,
  last_error VARCHAR(100) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'its code or name',
  alerted_at DATETIME(3) NULL,
  PRIMARY KEY (queue, subject_id)
);

-- domain/idempotency
CREATE TABLE idempotency_keys (
  store_id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  idempotency_key VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  request_hash CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  response_status SMALLINT UNSIGNED NOT NULL,
  response_ciphertext MEDIUMTEXT CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'it may hold a secret that is shown once',
  created_at DATETIME(3) NOT NULL,
  PRIMARY KEY (store_id, idempotency_key),
  KEY ix_idempotency_keys_created (created_at)
);

-- domain/stores
CREATE TABLE stores (
  id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  name VARCHAR(255) NOT NULL,
  payout_address CHAR(42) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  created_at DATETIME(3) NOT NULL,
  relay_weight INT UNSIGNED NOT NULL DEFAULT 100 COMMENT 'share of the relayers, beside the others'' weights',
  relay_priority VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'normal' COMMENT 'what it makes of its weight',
  PRIMARY KEY (id),
  CONSTRAINT ck_stores_relay_priority CHECK (relay_priority IN ('low', 'normal', 'high'))
);

-- domain/stores
CREATE TABLE store_merchants (
  store_id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  address CHAR(42) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  created_at DATETIME(3) NOT NULL,
  PRIMARY KEY (store_id, address),
  CONSTRAINT fk_store_merchants_store FOREIGN KEY (store_id) REFERENCES stores (id)
);

-- domain/stores
CREATE TABLE api_keys (
  id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  store_id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  key_hash CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'SHA-256, hex',
  key_hint VARCHAR(24) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'prefix and last four characters, for people',
  role VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  created_at DATETIME(3) NOT NULL,
  revoked_at DATETIME(3) NULL,
  PRIMARY KEY (id),
  UNIQUE KEY uq_api_keys_hash (key_hash),
  KEY fk_api_keys_store (store_id),
  CONSTRAINT fk_api_keys_store FOREIGN KEY (store_id) REFERENCES stores (id),
  CONSTRAINT ck_api_keys_role CHECK (role IN ('store', 'support', 'admin', 'super_admin'))
);

-- domain/chain
CREATE TABLE chain_cursors (
  chain_id BIGINT UNSIGNED NOT NULL,
  gateway CHAR(42) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  next_block BIGINT UNSIGNED NOT NULL COMMENT 'first block not scanned yet',
  scanned_timestamp DATETIME(3) NULL COMMENT 'time of the last scanned block',
  head_number BIGINT UNSIGNED NOT NULL,
  updated_at DATETIME(3) NOT NULL,
  highest_block BIGINT UNSIGNED NULL COMMENT 'newest block that was ever scanned; NULL: the one before next_block',
  generation INT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'goes up whenever the scan is moved back',
  withdraw_after BIGINT NULL COMMENT 'what was seen in later blocks ...',
  withdraw_until BIGINT NULL COMMENT '... up to this one is withdrawn, unless it is found again',
  withdrawn INT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'payments and refunds, since these were set',
  withdrawals_allowed INT UNSIGNED NULL COMMENT 'by an operator, until these are cleared',
  halt_reason VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NULL COMMENT 'waits for an operator',
  halted_at DATETIME(3) NULL,
  halt_count INT UNSIGNED NULL COMMENT 'payments and refunds that would be withdrawn',
  settled_block BIGINT UNSIGNED NULL COMMENT 'newest block that is both final and scanned; NULL: not known',
  settled_timestamp DATETIME(3) NULL COMMENT 'its time',
  PRIMARY KEY (chain_id)
);

-- domain/chain
CREATE TABLE chain_blocks (
  chain_id BIGINT UNSIGNED NOT NULL,
  number BIGINT UNSIGNED NOT NULL,
  hash CHAR(66) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  PRIMARY KEY (chain_id, number)
);

-- domain/events
CREATE TABLE events (
  id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  store_id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  type VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  subject_type VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  subject_id VARCHAR(80) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  parent_type VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NULL COMMENT 'what the subject belongs to',
  parent_id VARCHAR(80) CHARACTER SET ascii COLLATE ascii_bin NULL,
  version INT UNSIGNED NOT NULL,
  request_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
  data JSON NOT NULL,
  created_at DATETIME(3) NOT NULL,
  PRIMARY KEY (id),
  UNIQUE KEY uq_events_subject (subject_type, subject_id, version)
);

-- domain/webhooks
CREATE TABLE webhook_endpoints (
  id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  store_id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  url VARCHAR(2048) NOT NULL,
  secret_ciphertext VARCHAR(512) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  event_types JSON NULL,
  status VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  disabled_reason VARCHAR(255) NULL,
  created_at DATETIME(3) NOT NULL,
  deleted_at DATETIME(3) NULL,
  PRIMARY KEY (id),
  KEY ix_webhook_endpoints_store (store_id, deleted_at, id),
  CONSTRAINT fk_webhook_endpoints_store FOREIGN KEY (store_id) REFERENCES stores (id),
  CONSTRAINT ck_webhook_endpoints_status CHECK (status IN ('enabled', 'disabled'))
);

-- domain/webhooks
CREATE TABLE webhook_deliveries (
  id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  endpoint_id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  event_id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  status VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  attempts INT UNSIGNED NOT NULL DEFAULT 0,
  next_attempt_at DATETIME(3) NULL,
  created_at DATETIME(3) NOT NULL,
  updated_at DATETIME(3) NOT NULL,
  PRIMARY KEY (id),
  UNIQUE KEY uq_webhook_deliveries (endpoint_id, event_id),
  KEY ix_webhook_deliveries_due (endpoint_id, status, next_attempt_at),
  CONSTRAINT ck_webhook_deliveries_status CHECK (status IN ('pending', 'succeeded', 'failed', 'cancelled'))
);

-- domain/webhooks
CREATE TABLE webhook_attempts (
  id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  delivery_id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  number INT UNSIGNED NOT NULL,
  status_code SMALLINT UNSIGNED NULL,
  error VARCHAR(255) NULL,
  latency_ms INT UNSIGNED NOT NULL,
  response_body TEXT NULL,
  started_at DATETIME(3) NOT NULL,
  PRIMARY KEY (id),
  UNIQUE KEY uq_webhook_attempts (delivery_id, number)
);

-- domain/payments
CREATE TABLE payments (
  seq BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
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
  PRIMARY KEY (seq),
  UNIQUE KEY uq_payments_id (id),
  KEY ix_payments_block (chain_id, status, block_number),
  KEY ix_payments_status_expiry (status, expires_at),
  KEY ix_payments_store_created (store_id, created_at),
  KEY ix_payments_store_order_created (store_id, order_id, created_at),
  KEY ix_payments_store_status (store_id, status, created_at),
  CONSTRAINT fk_payments_store FOREIGN KEY (store_id) REFERENCES stores (id),
  CONSTRAINT ck_payments_amount CHECK (amount > 0),
  CONSTRAINT ck_payments_status CHECK (status IN ('pending', 'processing', 'completed', 'expired', 'failed', 'cancelled'))
);

-- domain/refunds
CREATE TABLE refunds (
  id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  payment_id CHAR(66) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  store_id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  chain_id BIGINT UNSIGNED NOT NULL,
  amount DECIMAL(65,0) NOT NULL COMMENT 'smallest unit of the token',
  nonce DECIMAL(65,0) NOT NULL COMMENT 'unique in its payment, see the contract',
  deadline DATETIME(3) NOT NULL,
  status VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  version INT UNSIGNED NOT NULL,
  relay_attempt_id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NULL COMMENT 'the attempt in flight',
  tx_hash CHAR(66) CHARACTER SET ascii COLLATE ascii_bin NULL,
  block_number BIGINT UNSIGNED NULL,
  block_hash CHAR(66) CHARACTER SET ascii COLLATE ascii_bin NULL,
  log_index INT UNSIGNED NULL,
  error_code VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NULL,
  error_detail VARCHAR(1000) NULL,
  created_at DATETIME(3) NOT NULL,
  updated_at DATETIME(3) NOT NULL,
  completed_at DATETIME(3) NULL,
  PRIMARY KEY (id),
  UNIQUE KEY uq_refunds_nonce (payment_id, nonce),
  KEY ix_refunds_block (chain_id, status, block_number),
  KEY ix_refunds_payment (payment_id, id),
  CONSTRAINT ck_refunds_amount CHECK (amount > 0),
  CONSTRAINT ck_refunds_status CHECK (status IN ('processing', 'completed', 'failed'))
);

-- domain/scan
CREATE TABLE chain_rereads (
  chain_id BIGINT UNSIGNED NOT NULL,
  reason VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  ranges BIGINT UNSIGNED NOT NULL COMMENT 'how many were read',
  found BIGINT UNSIGNED NOT NULL COMMENT 'payments that the scanner had not seen in them',
  last_at DATETIME(3) NOT NULL COMMENT 'of the audit: when its last turn began',
  PRIMARY KEY (chain_id, reason)
);

-- domain/relayers
CREATE TABLE relayers (
  id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  failures INT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'in a row',
  resting_until DATETIME(3) NULL COMMENT 'is sent nothing before; then one transaction, to see',
  resting_reason VARCHAR(255) NULL,
  standing VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'unknown',
  address CHAR(42) CHARACTER SET ascii COLLATE ascii_bin NULL,
  balance DECIMAL(65,0) NULL COMMENT 'wei',
  checked_at DATETIME(3) NULL,
  low_below DECIMAL(65,0) NULL COMMENT 'wei, as of the last check',
  has_stuck_nonce BOOLEAN NOT NULL DEFAULT FALSE COMMENT 'as of the last check',
  PRIMARY KEY (id),
  CONSTRAINT ck_relayers_standing CHECK (standing IN ('unknown', 'ready', 'paused', 'poor', 'silent'))
);

-- adapters/relayers/local
CREATE TABLE local_relayer_accounts (
  chain_id BIGINT UNSIGNED NOT NULL,
  address CHAR(42) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  next_nonce BIGINT UNSIGNED NOT NULL COMMENT 'the first one not given out',
  gap_seen_at DATETIME(3) NULL COMMENT 'since when a nonce below it is in nobody''s transaction',
  PRIMARY KEY (chain_id, address)
);

-- adapters/relayers/local
CREATE TABLE local_relayer_transactions (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
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
  PRIMARY KEY (id),
  UNIQUE KEY uq_local_relayer_transactions_nonce (chain_id, address, nonce),
  KEY ix_local_relayer_transactions_created (chain_id, address, created_at),
  KEY ix_local_relayer_transactions_recheck (chain_id, address, recheck_at),
  KEY ix_local_relayer_transactions_status (chain_id, address, status, nonce),
  CONSTRAINT ck_local_relayer_transactions_status CHECK (status IN ('pending', 'cancelling', 'mined', 'ended'))
);

-- domain/relay
CREATE TABLE relay_attempts (
  id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  payment_id CHAR(66) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  refund_id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NULL,
  live_subject_id VARCHAR(80) CHARACTER SET ascii COLLATE ascii_bin NULL COMMENT 'id of the payment or refund while the attempt is live: at most one',
  store_id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  chain_id BIGINT UNSIGNED NOT NULL,
  rail VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  status VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  payer CHAR(42) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  live_nonce BIGINT UNSIGNED NULL COMMENT 'forwarder nonce while the attempt is live',
  deadline DATETIME(3) NOT NULL,
  request JSON NOT NULL,
  signature TEXT CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  permit JSON NULL,
  transaction_id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NULL,
  batch_index INT UNSIGNED NULL COMMENT 'place in its transaction',
  error_code VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NULL,
  error_detail VARCHAR(1000) NULL,
  created_at DATETIME(3) NOT NULL,
  updated_at DATETIME(3) NOT NULL,
  sends INT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'transactions it was handed over in',
  may_still_land BOOLEAN NOT NULL DEFAULT FALSE COMMENT 'a transaction that was given up carries it',
  reserved_cost DECIMAL(65,0) NOT NULL DEFAULT 0 COMMENT 'wei set aside of the store''s gas budget while it is live',
  reserved_gas BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'gas set aside of the budgets while it is live',
  gas_used BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'its share of its transactions',
  gas_cost DECIMAL(65,0) NOT NULL DEFAULT 0 COMMENT 'wei, its share',
  gas_charged_at DATETIME(3) NULL,
  claim_id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NULL COMMENT 'of whoever is choosing a batch from it',
  choose_after DATETIME(3) NULL COMMENT 'nobody else chooses it before: then a claim lapses, or it has stood aside',
  batch_failures INT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'batches that came back with it as a whole',
  turn BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'its place in the order of sending',
  runs_foreign_code BOOLEAN NOT NULL DEFAULT FALSE COMMENT 'a contract of the signer''s is asked while it is carried',
  priority VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'normal' COMMENT 'among those of its store',
  turn_step BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'how much of its store''s turns it took up',
  gave_way TINYINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'how often it gave its turn to one of more priority',
  PRIMARY KEY (id),
  UNIQUE KEY uq_relay_attempts_nonce (chain_id, payer, live_nonce),
  UNIQUE KEY uq_relay_attempts_subject (live_subject_id),
  KEY ix_relay_attempts_budget (store_id, chain_id, gas_charged_at),
  KEY ix_relay_attempts_payer_end (chain_id, payer, rail, status, updated_at),
  KEY ix_relay_attempts_payment (payment_id, created_at),
  KEY ix_relay_attempts_refund (refund_id),
  KEY ix_relay_attempts_status (status, updated_at),
  KEY ix_relay_attempts_store (store_id, chain_id, status, rail, priority, turn),
  KEY ix_relay_attempts_transaction (transaction_id),
  KEY ix_relay_attempts_waiting (chain_id, rail, status, turn),
  CONSTRAINT ck_relay_attempts_priority CHECK (priority IN ('low', 'normal', 'high')),
  CONSTRAINT ck_relay_attempts_rail CHECK (rail IN ('forwarder', 'authorization', 'refund')),
  CONSTRAINT ck_relay_attempts_status CHECK (status IN ('queued', 'submitting', 'submitted', 'unknown', 'mined', 'succeeded', 'failed'))
);

-- domain/relay
CREATE TABLE relay_transactions (
  id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  chain_id BIGINT UNSIGNED NOT NULL,
  relayer_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  to_address CHAR(42) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  data MEDIUMTEXT CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  call_digest CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'SHA-256, hex',
  gas_limit BIGINT UNSIGNED NOT NULL,
  valid_until DATETIME(3) NOT NULL,
  provider_transaction_id VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NULL,
  hash CHAR(66) CHARACTER SET ascii COLLATE ascii_bin NULL,
  sent_at DATETIME(3) NOT NULL,
  block_number BIGINT UNSIGNED NULL,
  block_hash CHAR(66) CHARACTER SET ascii COLLATE ascii_bin NULL,
  gas_used BIGINT UNSIGNED NULL,
  effective_gas_price DECIMAL(65,0) NULL,
  items INT UNSIGNED NOT NULL DEFAULT 1 COMMENT 'attempts in it when it was handed over',
  abandoned_at DATETIME(3) NULL COMMENT 'since when it carries nothing any more, as long as it may still be mined',
  is_flying BOOLEAN NOT NULL COMMENT 'it carries something that waits for it, and is in no block as far as we know',
  PRIMARY KEY (id),
  UNIQUE KEY uq_relay_transactions_provider (relayer_id, provider_transaction_id),
  KEY ix_relay_transactions_abandoned (relayer_id, abandoned_at, sent_at),
  KEY ix_relay_transactions_call (call_digest),
  KEY ix_relay_transactions_chain (chain_id, sent_at),
  KEY ix_relay_transactions_flying (relayer_id, is_flying, sent_at),
  KEY ix_relay_transactions_sent (relayer_id, sent_at)
);

-- domain/relay
CREATE TABLE relay_transaction_hashes (
  transaction_id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  seq INT UNSIGNED NOT NULL COMMENT 'from 0, latest last',
  chain_id BIGINT UNSIGNED NOT NULL,
  hash CHAR(66) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  PRIMARY KEY (transaction_id, seq),
  KEY ix_relay_transaction_hashes_hash (chain_id, hash)
);

-- domain/relay
CREATE TABLE relay_transaction_items (
  transaction_id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  seq SMALLINT UNSIGNED NOT NULL COMMENT 'from 0, as the transaction carries them',
  attempt_id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  PRIMARY KEY (transaction_id, seq)
);

-- domain/relay
CREATE TABLE relay_waste (
  chain_id BIGINT UNSIGNED NOT NULL,
  holder VARCHAR(66) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'address of a signer, id of a payment, refund or store',
  hour DATETIME NOT NULL COMMENT 'the clock hour in which they were judged',
  kind VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  items INT UNSIGNED NOT NULL,
  gas_cost DECIMAL(65,0) NOT NULL COMMENT 'wei',
  latest_at DATETIME(3) NOT NULL,
  PRIMARY KEY (chain_id, holder, hour),
  KEY ix_relay_waste_hour (hour),
  KEY ix_relay_waste_kind (kind, hour),
  CONSTRAINT ck_relay_waste_kind CHECK (kind IN ('signer', 'subject', 'store'))
);

-- domain/relay
CREATE TABLE relay_quotas (
  chain_id BIGINT UNSIGNED NOT NULL,
  holder VARCHAR(42) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'address of a payer, or id of a store',
  last_turn BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'of a store: the latest that it was given',
  in_flight INT NOT NULL DEFAULT 0 COMMENT 'live attempts',
  reserved_gas BIGINT NOT NULL DEFAULT 0 COMMENT 'of those',
  reserved_cost DECIMAL(65,0) NOT NULL DEFAULT 0 COMMENT 'wei, of those',
  PRIMARY KEY (chain_id, holder),
  KEY ix_relay_quotas_in_flight (in_flight)
);

-- domain/relay
CREATE TABLE relay_costs (
  chain_id BIGINT UNSIGNED NOT NULL,
  holder VARCHAR(42) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'as in relay_quotas',
  day DATE NOT NULL COMMENT 'UTC, of the latest charge of each attempt',
  gas_used BIGINT NOT NULL,
  gas_cost DECIMAL(65,0) NOT NULL COMMENT 'wei',
  PRIMARY KEY (chain_id, holder, day),
  KEY ix_relay_costs_day (day)
);

-- domain/relay
CREATE TABLE relay_turns (
  chain_id BIGINT UNSIGNED NOT NULL,
  served_turn BIGINT UNSIGNED NOT NULL COMMENT 'the first of the latest batch: who comes anew begins here',
  PRIMARY KEY (chain_id)
);
