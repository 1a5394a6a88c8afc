import { execute, parseJsonColumn, selectRows, type Database, type Transaction } from '../../platform/db.ts';
import { asBytes32, asHex, type Address, type Bytes32 } from '../../shared/hex.ts';
import type { ForwardRequest, Permit, RelayAttempt, RelayAttemptStatus, RelayRail, RelayTransaction } from './model.ts';

interface AttemptRow {
  readonly id: string;
  readonly payment_id: string;
  readonly store_id: string;
  readonly chain_id: string | number;
  readonly rail: RelayRail;
  readonly status: RelayAttemptStatus;
  readonly request: unknown;
  readonly signature: string;
  readonly permit: unknown;
  readonly deadline: Date;
  readonly transaction_id: string | null;
  readonly error_code: string | null;
  readonly error_detail: string | null;
  readonly created_at: Date;
  readonly updated_at: Date;
}

const ATTEMPT_COLUMNS = `id, payment_id, store_id, chain_id, rail, status, request, signature, permit, deadline, transaction_id, error_code, error_detail,
  created_at, updated_at`;

/** JSON has no bigint: amounts and nonces are written as decimal strings. */
interface StoredRequest {
  readonly from: Address;
  readonly to: Address;
  readonly value: string;
  readonly gas: string;
  readonly nonce: string;
  readonly deadline: number;
  readonly data: string;
}

interface StoredPermit {
  readonly value: string;
  readonly deadline: string;
  readonly signature: string;
}

function toStoredRequest(request: ForwardRequest): StoredRequest {
  return { ...request, value: request.value.toString(), gas: request.gas.toString(), nonce: request.nonce.toString() };
}

function toRequest(stored: StoredRequest): ForwardRequest {
  return { ...stored, value: BigInt(stored.value), gas: BigInt(stored.gas), nonce: BigInt(stored.nonce), data: asHex(stored.data) };
}

function toStoredPermit(permit: Permit): StoredPermit {
  return { value: permit.value.toString(), deadline: permit.deadline.toString(), signature: permit.signature };
}

function toPermit(stored: StoredPermit): Permit {
  return { value: BigInt(stored.value), deadline: BigInt(stored.deadline), signature: asHex(stored.signature) };
}

function toAttempt(row: AttemptRow): RelayAttempt {
  const permit = parseJsonColumn(row.permit) as StoredPermit | null;
  return {
    id: row.id,
    paymentId: asBytes32(row.payment_id),
    storeId: row.store_id,
    chainId: Number(row.chain_id),
    rail: row.rail,
    status: row.status,
    request: toRequest(parseJsonColumn(row.request) as StoredRequest),
    signature: asHex(row.signature),
    permit: permit === null ? null : toPermit(permit),
    deadline: row.deadline,
    transactionId: row.transaction_id,
    errorCode: row.error_code,
    errorDetail: row.error_detail,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

/** @throws a duplicate key error when the payment has a live attempt already */
export async function insertAttempt(db: Transaction, attempt: RelayAttempt): Promise<void> {
  await execute(
    db,
    `INSERT INTO relay_attempts (id, payment_id, live_payment_id, store_id, chain_id, rail, status, payer, deadline, request, signature, permit,
       created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    [
      attempt.id,
      attempt.paymentId,
      attempt.paymentId,
      attempt.storeId,
      attempt.chainId,
      attempt.rail,
      attempt.status,
      attempt.request.from,
      attempt.deadline,
      JSON.stringify(toStoredRequest(attempt.request)),
      attempt.signature,
      attempt.permit === null ? null : JSON.stringify(toStoredPermit(attempt.permit)),
      attempt.createdAt,
      attempt.updatedAt,
    ],
  );
}

export async function findAttempt(db: Database | Transaction, attemptId: string): Promise<RelayAttempt | undefined> {
  const [row] = await selectRows<AttemptRow>(db, `SELECT ${ATTEMPT_COLUMNS} FROM relay_attempts WHERE id = ?`, [attemptId]);
  return row && toAttempt(row);
}

export async function lockAttempt(db: Transaction, attemptId: string): Promise<RelayAttempt | undefined> {
  const [row] = await selectRows<AttemptRow>(db, `SELECT ${ATTEMPT_COLUMNS} FROM relay_attempts WHERE id = ? FOR UPDATE`, [attemptId]);
  return row && toAttempt(row);
}

export async function listAttemptsOfTransaction(db: Database | Transaction, transactionId: string): Promise<RelayAttempt[]> {
  const rows = await selectRows<AttemptRow>(db, `SELECT ${ATTEMPT_COLUMNS} FROM relay_attempts WHERE transaction_id = ? ORDER BY id`, [
    transactionId,
  ]);
  return rows.map(toAttempt);
}

/** Oldest first, each with its transaction's latest hash. */
export async function listAttemptsOfPayment(
  db: Database,
  paymentId: Bytes32,
): Promise<(RelayAttempt & { readonly txHash: Bytes32 | null })[]> {
  const columns = ATTEMPT_COLUMNS.split(',').map((column) => `a.${column.trim()}`);
  const rows = await selectRows<AttemptRow & { hash: string | null }>(
    db,
    `SELECT ${columns.join(', ')}, t.hash FROM relay_attempts a LEFT JOIN relay_transactions t ON t.id = a.transaction_id
     WHERE a.payment_id = ? ORDER BY a.created_at, a.id`,
    [paymentId],
  );
  return rows.map((row) => ({ ...toAttempt(row), txHash: row.hash === null ? null : asBytes32(row.hash) }));
}

/** Writes what can change in an attempt's life; an ended one makes room for another attempt of its payment. */
export async function updateAttempt(db: Transaction, attempt: RelayAttempt): Promise<void> {
  const isLive = attempt.status !== 'succeeded' && attempt.status !== 'failed';
  await execute(
    db,
    `UPDATE relay_attempts SET status = ?, live_payment_id = ?, transaction_id = ?, error_code = ?, error_detail = ?, updated_at = ? WHERE id = ?`,
    [
      attempt.status,
      isLive ? attempt.paymentId : null,
      attempt.transactionId,
      attempt.errorCode,
      attempt.errorDetail?.slice(0, 1000) ?? null,
      attempt.updatedAt,
      attempt.id,
    ],
  );
}

/** Live attempts that have been left alone since `before` and for which no work is promised. */
export async function listForgottenAttempts(db: Database, before: Date, limit: number): Promise<RelayAttempt[]> {
  const columns = ATTEMPT_COLUMNS.split(',').map((column) => `a.${column.trim()}`);
  const rows = await selectRows<AttemptRow>(
    db,
    `SELECT ${columns.join(', ')} FROM relay_attempts a
     LEFT JOIN outbox r ON r.queue = 'relay' AND r.subject_id = a.id
     LEFT JOIN outbox c ON c.queue = 'confirm' AND c.subject_id = a.transaction_id
     WHERE a.status IN ('queued', 'submitting', 'submitted', 'unknown', 'mined') AND a.updated_at < ? AND r.id IS NULL AND c.id IS NULL
     ORDER BY a.updated_at LIMIT ?`,
    [before, limit],
  );
  return rows.map(toAttempt);
}

interface TransactionRow {
  readonly id: string;
  readonly chain_id: string | number;
  readonly relayer_id: string;
  readonly to_address: Address;
  readonly data: string;
  readonly gas_limit: string | number;
  readonly valid_until: Date;
  readonly provider_transaction_id: string | null;
  readonly hash: string | null;
  readonly hashes: unknown;
  readonly sent_at: Date;
  readonly block_number: string | number | null;
  readonly block_hash: string | null;
  readonly gas_used: string | number | null;
  readonly effective_gas_price: string | null;
}

const TRANSACTION_COLUMNS = `id, chain_id, relayer_id, to_address, data, gas_limit, valid_until, provider_transaction_id, hash, hashes, sent_at,
  block_number, block_hash, gas_used, effective_gas_price`;

function toTransaction(row: TransactionRow): RelayTransaction {
  return {
    id: row.id,
    chainId: Number(row.chain_id),
    relayerId: row.relayer_id,
    to: row.to_address,
    data: asHex(row.data),
    gasLimit: BigInt(row.gas_limit),
    validUntil: row.valid_until,
    providerTransactionId: row.provider_transaction_id,
    hash: row.hash === null ? null : asBytes32(row.hash),
    hashes: (parseJsonColumn(row.hashes) as string[]).map(asBytes32),
    sentAt: row.sent_at,
    blockNumber: row.block_number === null ? null : BigInt(row.block_number),
    blockHash: row.block_hash === null ? null : asBytes32(row.block_hash),
    gasUsed: row.gas_used === null ? null : BigInt(row.gas_used),
    effectiveGasPrice: row.effective_gas_price === null ? null : BigInt(row.effective_gas_price),
  };
}

export async function insertTransaction(db: Transaction, transaction: RelayTransaction): Promise<void> {
  await execute(
    db,
    `INSERT INTO relay_transactions (id, chain_id, relayer_id, to_address, data, gas_limit, valid_until, hashes, sent_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, '[]', ?)`,
    [
      transaction.id,
      transaction.chainId,
      transaction.relayerId,
      transaction.to,
      transaction.data,
      transaction.gasLimit.toString(),
      transaction.validUntil,
      transaction.sentAt,
    ],
  );
}

export async function findTransaction(db: Database | Transaction, transactionId: string): Promise<RelayTransaction | undefined> {
  const [row] = await selectRows<TransactionRow>(db, `SELECT ${TRANSACTION_COLUMNS} FROM relay_transactions WHERE id = ?`, [transactionId]);
  return row && toTransaction(row);
}

/** Whether another transaction of ours is known to be this one of the provider's. */
export async function isProviderTransactionTaken(
  db: Database,
  transaction: Pick<RelayTransaction, 'id' | 'relayerId'>,
  providerTransactionId: string,
): Promise<boolean> {
  const rows = await selectRows(db, 'SELECT id FROM relay_transactions WHERE relayer_id = ? AND provider_transaction_id = ? AND id <> ?', [
    transaction.relayerId,
    providerTransactionId,
    transaction.id,
  ]);
  return rows.length > 0;
}

export async function lockTransaction(db: Transaction, transactionId: string): Promise<RelayTransaction | undefined> {
  const [row] = await selectRows<TransactionRow>(db, `SELECT ${TRANSACTION_COLUMNS} FROM relay_transactions WHERE id = ? FOR UPDATE`, [
    transactionId,
  ]);
  return row && toTransaction(row);
}

export async function updateTransaction(db: Transaction, transaction: RelayTransaction): Promise<void> {
  await execute(
    db,
    `UPDATE relay_transactions SET provider_transaction_id = ?, hash = ?, hashes = ?, block_number = ?, block_hash = ?, gas_used = ?,
       effective_gas_price = ? WHERE id = ?`,
    [
      transaction.providerTransactionId,
      transaction.hash,
      JSON.stringify(transaction.hashes),
      transaction.blockNumber?.toString() ?? null,
      transaction.blockHash,
      transaction.gasUsed?.toString() ?? null,
      transaction.effectiveGasPrice?.toString() ?? null,
      transaction.id,
    ],
  );
}

export async function deleteTransaction(db: Transaction, transactionId: string): Promise<void> {
  await execute(db, 'DELETE FROM relay_transactions WHERE id = ?', [transactionId]);
}

/** Locks the relayer, so that its limits hold however many workers there are. */
export async function lockRelayer(db: Transaction, relayerId: string): Promise<void> {
  await execute(db, 'INSERT INTO relayers (id) VALUES (?) ON DUPLICATE KEY UPDATE id = id', [relayerId]);
  await selectRows(db, 'SELECT id FROM relayers WHERE id = ? FOR UPDATE', [relayerId]);
}

export interface RelayerLoad {
  /** Transactions handed over since `windowStart`. */
  readonly sent: number;
  readonly oldestSentAt: Date | null;
  /** Of those ever handed over, the ones that are not in a block yet, as far as we know. */
  readonly inFlight: number;
}

export async function readRelayerLoad(db: Transaction, relayerId: string, windowStart: Date): Promise<RelayerLoad> {
  const [recent] = await selectRows<{ sent: string | number; oldest: Date | null }>(
    db,
    'SELECT COUNT(*) AS sent, MIN(sent_at) AS oldest FROM relay_transactions WHERE relayer_id = ? AND sent_at > ?',
    [relayerId, windowStart],
  );
  const [flying] = await selectRows<{ count: string | number }>(
    db,
    `SELECT COUNT(DISTINCT t.id) AS count FROM relay_attempts a JOIN relay_transactions t ON t.id = a.transaction_id
     WHERE a.status IN ('submitting', 'submitted', 'unknown') AND t.relayer_id = ?`,
    [relayerId],
  );
  return { sent: Number(recent?.sent ?? 0), oldestSentAt: recent?.oldest ?? null, inFlight: Number(flying?.count ?? 0) };
}
