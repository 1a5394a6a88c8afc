import type { Knex } from 'knex';

import { hasColumn } from '../checks.ts';
import { runSteps, type Step } from '../runSteps.ts';

/**
 * Rails beside the forwarder, refunds, several relayers a chain, and what relaying costs.
 *
 * An attempt is live for a subject: its payment, or (rail `refund`) its refund. Forwarder attempts
 * hold their nonce while they are live, so that two requests of one payer never compete for it.
 */
const UP: readonly Step[] = [
  {
    unless: hasColumn('relay_attempts', 'refund_id'),
    sql: `ALTER TABLE relay_attempts
      DROP CONSTRAINT ck_relay_attempts_rail,
      DROP INDEX uq_relay_attempts_live,
      CHANGE live_payment_id live_subject_id VARCHAR(80) CHARACTER SET ascii COLLATE ascii_bin NULL
        COMMENT 'id of the payment or refund while the attempt is live: at most one',
      ADD COLUMN refund_id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NULL AFTER payment_id,
      ADD COLUMN live_nonce BIGINT UNSIGNED NULL COMMENT 'forwarder nonce while the attempt is live' AFTER payer,
      ADD COLUMN batch_index INT UNSIGNED NULL COMMENT 'place in its transaction' AFTER transaction_id,
      ADD COLUMN sends INT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'transactions it was handed over in',
      ADD COLUMN may_still_land BOOLEAN NOT NULL DEFAULT FALSE COMMENT 'a transaction that was given up carries it',
      ADD COLUMN reserved_cost DECIMAL(65,0) NOT NULL DEFAULT 0 COMMENT 'wei set aside of the store''s gas budget while it is live',
      ADD COLUMN gas_used BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'its share of its transactions',
      ADD COLUMN gas_cost DECIMAL(65,0) NOT NULL DEFAULT 0 COMMENT 'wei, its share',
      ADD COLUMN gas_charged_at DATETIME(3) NULL,
      ADD CONSTRAINT ck_relay_attempts_rail CHECK (rail IN ('forwarder','authorization','refund')),
      ADD UNIQUE KEY uq_relay_attempts_subject (live_subject_id),
      ADD UNIQUE KEY uq_relay_attempts_nonce (chain_id, payer, live_nonce),
      ADD KEY ix_relay_attempts_waiting (chain_id, rail, status, created_at),
      ADD KEY ix_relay_attempts_budget (store_id, chain_id, gas_charged_at),
      ADD KEY ix_relay_attempts_store (store_id, chain_id, status)`,
  },

  // Those that are on their way hold their nonces from now on.
  {
    chunks: { table: 'relay_attempts', column: 'id' },
    sql: `UPDATE relay_attempts SET live_nonce =
        CASE WHEN status NOT IN ('succeeded', 'failed') THEN CAST(JSON_UNQUOTE(JSON_EXTRACT(request, '$.nonce')) AS UNSIGNED) END
      WHERE id > :after AND id <= :upTo`,
  },

  {
    unless: hasColumn('relay_transactions', 'items'),
    sql: `ALTER TABLE relay_transactions
      ADD COLUMN items INT UNSIGNED NOT NULL DEFAULT 1 COMMENT 'attempts in it when it was handed over',
      ADD KEY ix_relay_transactions_chain (chain_id, sent_at)`,
  },

  {
    unless: hasColumn('relayers', 'standing'),
    sql: `ALTER TABLE relayers
      ADD COLUMN failures INT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'in a row',
      ADD COLUMN resting_until DATETIME(3) NULL COMMENT 'is sent nothing before; then one transaction, to see',
      ADD COLUMN resting_reason VARCHAR(255) NULL,
      ADD COLUMN standing VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'unknown',
      ADD COLUMN address CHAR(42) CHARACTER SET ascii COLLATE ascii_bin NULL,
      ADD COLUMN balance DECIMAL(65,0) NULL COMMENT 'wei',
      ADD COLUMN checked_at DATETIME(3) NULL,
      ADD CONSTRAINT ck_relayers_standing CHECK (standing IN ('unknown','ready','paused','poor','silent'))`,
  },

  // One row to lock for each payer and for each store: their limits are counted, and forwarder
  // nonces are given out, under that lock.
  {
    sql: `CREATE TABLE IF NOT EXISTS relay_quotas (
      chain_id BIGINT UNSIGNED NOT NULL,
      holder VARCHAR(42) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'address of a payer, or id of a store',
      PRIMARY KEY (chain_id, holder)
    )`,
  },

  // The merchant's signed word that some of a payment goes back.
  {
    sql: `CREATE TABLE IF NOT EXISTS refunds (
      id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
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
      UNIQUE KEY uq_refunds_nonce (payment_id, nonce),
      KEY ix_refunds_payment (payment_id, id),
      KEY ix_refunds_block (chain_id, status, block_number),
      CONSTRAINT ck_refunds_amount CHECK (amount > 0),
      CONSTRAINT ck_refunds_status CHECK (status IN ('processing','completed','failed'))
    )`,
  },

  // An event is about a payment (refund_id is empty) or about one of its refunds; each counts
  // versions of its own.
  {
    unless: hasColumn('events', 'refund_id'),
    sql: `ALTER TABLE events
      DROP INDEX uq_events_payment_version,
      ADD COLUMN refund_id VARCHAR(40) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '' AFTER payment_id,
      ADD UNIQUE KEY uq_events_version (payment_id, refund_id, version)`,
  },
];

const DOWN = [
  // Refunds are not known before this migration.
  `DELETE FROM events WHERE refund_id <> ''`,
  `ALTER TABLE events DROP INDEX uq_events_version, DROP COLUMN refund_id, ADD UNIQUE KEY uq_events_payment_version (payment_id, version)`,
  `DROP TABLE refunds`,
  `DROP TABLE relay_quotas`,
  `ALTER TABLE relayers DROP CONSTRAINT ck_relayers_standing, DROP COLUMN failures, DROP COLUMN resting_until, DROP COLUMN resting_reason,
    DROP COLUMN standing, DROP COLUMN address, DROP COLUMN balance, DROP COLUMN checked_at`,
  `ALTER TABLE relay_transactions DROP INDEX ix_relay_transactions_chain, DROP COLUMN items`,
  `DELETE FROM relay_attempts WHERE rail <> 'forwarder'`,
  `ALTER TABLE relay_attempts
    DROP CONSTRAINT ck_relay_attempts_rail, DROP INDEX uq_relay_attempts_subject, DROP INDEX uq_relay_attempts_nonce,
    DROP INDEX ix_relay_attempts_waiting, DROP INDEX ix_relay_attempts_budget, DROP INDEX ix_relay_attempts_store,
    DROP COLUMN refund_id, DROP COLUMN live_nonce, DROP COLUMN batch_index, DROP COLUMN sends, DROP COLUMN may_still_land, DROP COLUMN reserved_cost, DROP COLUMN gas_used,
    DROP COLUMN gas_cost, DROP COLUMN gas_charged_at,
    CHANGE live_subject_id live_payment_id CHAR(66) CHARACTER SET ascii COLLATE ascii_bin NULL
      COMMENT 'payment_id while the attempt is live: at most one',
    ADD CONSTRAINT ck_relay_attempts_rail CHECK (rail IN ('forwarder')),
    ADD UNIQUE KEY uq_relay_attempts_live (live_payment_id)`,
];

export async function up(knex: Knex): Promise<void> {
  await runSteps(knex, UP);
}

export async function down(knex: Knex): Promise<void> {
  for (const statement of DOWN) await knex.raw(statement);
}
