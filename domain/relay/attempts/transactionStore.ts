import { createHash } from 'node:crypto';

import { execute, selectRows, type Database, type Transaction } from '../../../platform/db.ts';
import { asBytes32, asHex, type Address, type Bytes32 } from '../../../shared/hex.ts';
import type { RelayCall } from '../../chain/ports.ts';
import type { RelayTransaction } from '../model.ts';

interface TransactionRow {
  readonly id: string;
  readonly chain_id: string | number;
  readonly relayer_id: string;
  readonly to_address: Address;
  readonly data: string;
  readonly gas_limit: string | number;
  readonly valid_until: Date;
  readonly items: string | number;
  readonly provider_transaction_id: string | null;
  readonly hash: string | null;
  readonly sent_at: Date;
  readonly block_number: string | number | null;
  readonly block_hash: string | null;
  readonly gas_used: string | number | null;
  readonly effective_gas_price: string | null;
  readonly abandoned_at: Date | null;
}

const TRANSACTION_COLUMNS = `id, chain_id, relayer_id, to_address, data, gas_limit, valid_until, items, provider_transaction_id, hash, sent_at,
  block_number, block_hash, gas_used, effective_gas_price, abandoned_at`;

function toTransaction(row: TransactionRow, hashes: readonly Bytes32[]): RelayTransaction {
  return {
    id: row.id,
    chainId: Number(row.chain_id),
    relayerId: row.relayer_id,
    to: row.to_address,
    data: asHex(row.data),
    gasLimit: BigInt(row.gas_limit),
    validUntil: row.valid_until,
    items: Number(row.items),
    providerTransactionId: row.provider_transaction_id,
    hash: row.hash === null ? null : asBytes32(row.hash),
    hashes,
    sentAt: row.sent_at,
    blockNumber: row.block_number === null ? null : BigInt(row.block_number),
    blockHash: row.block_hash === null ? null : asBytes32(row.block_hash),
    gasUsed: row.gas_used === null ? null : BigInt(row.gas_used),
    effectiveGasPrice: row.effective_gas_price === null ? null : BigInt(row.effective_gas_price),
    abandonedAt: row.abandoned_at,
  };
}

async function withHashes(
  db: Database | Transaction,
  row: TransactionRow | undefined,
): Promise<RelayTransaction | undefined> {
  if (row === undefined) return undefined;
  const hashes = await selectRows<{ hash: string }>(
    db,
    'SELECT hash FROM relay_transaction_hashes WHERE transaction_id = ? ORDER BY seq',
    [row.id],
  );
  return toTransaction(
    row,
    hashes.map(({ hash }) => asBytes32(hash)),
  );
}

/** What a call is found by. The migration that introduced it makes the same one in SQL. */
function digestOfCall({ to, data }: RelayCall): string {
  return createHash('sha256').update(`${to}${data}`.toLowerCase()).digest('hex');
}

/** New ones have no hash yet, and fly: see noteFlight. */
export async function insertTransaction(
  db: Transaction,
  transaction: RelayTransaction,
): Promise<void> {
  await execute(
    db,
    `INSERT INTO relay_transactions (id, chain_id, relayer_id, to_address, data, call_digest, gas_limit, valid_until, items, sent_at, is_flying)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, TRUE)`,
    [
      transaction.id,
      transaction.chainId,
      transaction.relayerId,
      transaction.to,
      transaction.data,
      digestOfCall(transaction),
      transaction.gasLimit.toString(),
      transaction.validUntil,
      transaction.items,
      transaction.sentAt,
    ],
  );
}

/** What it is sent with: the attempts, in the order in which it carries them. */
export async function insertItems(
  db: Transaction,
  transactionId: string,
  attemptIds: readonly string[],
): Promise<void> {
  await execute(
    db,
    `INSERT INTO relay_transaction_items (transaction_id, seq, attempt_id) VALUES ${attemptIds.map(() => '(?, ?, ?)').join(', ')}`,
    attemptIds.flatMap((attemptId, seq) => [transactionId, seq, attemptId]),
  );
}

export async function findTransaction(
  db: Database | Transaction,
  transactionId: string,
): Promise<RelayTransaction | undefined> {
  const [row] = await selectRows<TransactionRow>(
    db,
    `SELECT ${TRANSACTION_COLUMNS} FROM relay_transactions WHERE id = ?`,
    [transactionId],
  );
  return withHashes(db, row);
}

/**
 * The transaction of ours, handed over since, that has or had this hash, or that makes this very
 * call.
 */
export async function findLandedTransaction(
  db: Database | Transaction,
  input: {
    readonly chainId: number;
    readonly since: Date;
    readonly hash: Bytes32;
    readonly call: RelayCall;
  },
): Promise<RelayTransaction | undefined> {
  const { chainId, since, hash, call } = input;
  const [found] = await selectRows<{ id: string }>(
    db,
    `SELECT t.id FROM relay_transaction_hashes h JOIN relay_transactions t ON t.id = h.transaction_id
     WHERE h.chain_id = ? AND h.hash = ? AND t.sent_at >= ? LIMIT 1`,
    [chainId, hash, since],
  );
  if (found !== undefined) return findTransaction(db, found.id);
  const [byCall] = await selectRows<TransactionRow>(
    db,
    `SELECT ${TRANSACTION_COLUMNS} FROM relay_transactions WHERE call_digest = ? AND chain_id = ? AND sent_at >= ? LIMIT 1`,
    [digestOfCall(call), chainId, since],
  );
  return withHashes(db, byCall);
}

/** Whether another transaction of ours is known to be this one of the provider's. */
export async function isProviderTransactionTaken(
  db: Database,
  transaction: Pick<RelayTransaction, 'id' | 'relayerId'>,
  providerTransactionId: string,
): Promise<boolean> {
  const rows = await selectRows(
    db,
    'SELECT id FROM relay_transactions WHERE relayer_id = ? AND provider_transaction_id = ? AND id <> ?',
    [transaction.relayerId, providerTransactionId, transaction.id],
  );
  return rows.length > 0;
}

export async function lockTransaction(
  db: Transaction,
  transactionId: string,
): Promise<RelayTransaction | undefined> {
  const [row] = await selectRows<TransactionRow>(
    db,
    `SELECT ${TRANSACTION_COLUMNS} FROM relay_transactions WHERE id = ? FOR UPDATE`,
    [transactionId],
  );
  return withHashes(db, row);
}

/** Another hash that the provider told of; the transaction is locked. */
export async function insertTransactionHash(
  db: Transaction,
  transaction: RelayTransaction,
  hash: Bytes32,
): Promise<void> {
  await execute(
    db,
    'INSERT INTO relay_transaction_hashes (transaction_id, seq, chain_id, hash) VALUES (?, ?, ?, ?)',
    [transaction.id, transaction.hashes.length, transaction.chainId, hash],
  );
}

/** All that can change but for its hashes. */
export async function updateTransaction(
  db: Transaction,
  transaction: RelayTransaction,
): Promise<void> {
  await execute(
    db,
    `UPDATE relay_transactions SET provider_transaction_id = ?, hash = ?, block_number = ?, block_hash = ?, gas_used = ?,
       effective_gas_price = ?, abandoned_at = ? WHERE id = ?`,
    [
      transaction.providerTransactionId,
      transaction.hash,
      transaction.blockNumber?.toString() ?? null,
      transaction.blockHash,
      transaction.gasUsed?.toString() ?? null,
      transaction.effectiveGasPrice?.toString() ?? null,
      transaction.abandonedAt,
      transaction.id,
    ],
  );
}

/**
 * Keeps in the transaction's row whether it flies: it carries an attempt that waits for it, and is
 * in no block as far as we know. For whoever has changed an attempt in it, in the same unit of
 * work.
 */
export async function noteFlight(db: Transaction, transactionId: string): Promise<void> {
  // First the lock, then the look at the attempts: of two that change one each, the later one sees
  // both.
  const [locked] = await selectRows<{ is_flying: number | boolean }>(
    db,
    'SELECT is_flying FROM relay_transactions WHERE id = ? FOR UPDATE',
    [transactionId],
  );
  if (locked === undefined) return;
  const waiting = await selectRows(
    db,
    "SELECT 1 FROM relay_attempts WHERE transaction_id = ? AND status IN ('submitting', 'submitted', 'unknown') LIMIT 1",
    [transactionId],
  );
  const isFlying = waiting.length > 0;
  if (isFlying === Boolean(locked.is_flying)) return;
  await execute(db, 'UPDATE relay_transactions SET is_flying = ? WHERE id = ?', [
    isFlying,
    transactionId,
  ]);
}

export async function deleteTransaction(db: Transaction, transactionId: string): Promise<void> {
  await execute(db, 'DELETE FROM relay_transactions WHERE id = ?', [transactionId]);
  await execute(db, 'DELETE FROM relay_transaction_hashes WHERE transaction_id = ?', [
    transactionId,
  ]);
  await execute(db, 'DELETE FROM relay_transaction_items WHERE transaction_id = ?', [
    transactionId,
  ]);
}
