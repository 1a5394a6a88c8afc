import { execute, parseJsonColumn, selectRows, type Database, type Transaction } from '../../platform/db.ts';
import { asBytes32, asHex, type Address, type Bytes32, type Hex } from '../../shared/hex.ts';
import type { RelayTransaction } from './model.ts';

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
  readonly hashes: unknown;
  readonly sent_at: Date;
  readonly block_number: string | number | null;
  readonly block_hash: string | null;
  readonly gas_used: string | number | null;
  readonly effective_gas_price: string | null;
  readonly abandoned_at: Date | null;
}

const TRANSACTION_COLUMNS = `id, chain_id, relayer_id, to_address, data, gas_limit, valid_until, items, provider_transaction_id, hash, hashes, sent_at,
  block_number, block_hash, gas_used, effective_gas_price, abandoned_at`;

function toTransaction(row: TransactionRow): RelayTransaction {
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
    hashes: (parseJsonColumn(row.hashes) as string[]).map(asBytes32),
    sentAt: row.sent_at,
    blockNumber: row.block_number === null ? null : BigInt(row.block_number),
    blockHash: row.block_hash === null ? null : asBytes32(row.block_hash),
    gasUsed: row.gas_used === null ? null : BigInt(row.gas_used),
    effectiveGasPrice: row.effective_gas_price === null ? null : BigInt(row.effective_gas_price),
    abandonedAt: row.abandoned_at,
  };
}

export async function insertTransaction(db: Transaction, transaction: RelayTransaction): Promise<void> {
  await execute(
    db,
    `INSERT INTO relay_transactions (id, chain_id, relayer_id, to_address, data, gas_limit, valid_until, items, hashes, sent_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, '[]', ?)`,
    [
      transaction.id,
      transaction.chainId,
      transaction.relayerId,
      transaction.to,
      transaction.data,
      transaction.gasLimit.toString(),
      transaction.validUntil,
      transaction.items,
      transaction.sentAt,
    ],
  );
}

export async function findTransaction(db: Database | Transaction, transactionId: string): Promise<RelayTransaction | undefined> {
  const [row] = await selectRows<TransactionRow>(db, `SELECT ${TRANSACTION_COLUMNS} FROM relay_transactions WHERE id = ?`, [transactionId]);
  return row && toTransaction(row);
}

/** The transaction of ours, handed over since, that has or had this hash, or that makes this very call. */
export async function findLandedTransaction(
  db: Database,
  input: {
    readonly chainId: number;
    readonly since: Date;
    readonly hash: Bytes32;
    readonly call: { readonly to: Address; readonly data: Hex };
  },
): Promise<RelayTransaction | undefined> {
  const [row] = await selectRows<TransactionRow>(
    db,
    `SELECT ${TRANSACTION_COLUMNS} FROM relay_transactions WHERE chain_id = ? AND sent_at >= ?
       AND (JSON_CONTAINS(hashes, JSON_QUOTE(?)) OR (to_address = ? AND data = ?)) LIMIT 1`,
    [input.chainId, input.since, input.hash, input.call.to, input.call.data],
  );
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
       effective_gas_price = ?, abandoned_at = ? WHERE id = ?`,
    [
      transaction.providerTransactionId,
      transaction.hash,
      JSON.stringify(transaction.hashes),
      transaction.blockNumber?.toString() ?? null,
      transaction.blockHash,
      transaction.gasUsed?.toString() ?? null,
      transaction.effectiveGasPrice?.toString() ?? null,
      transaction.abandonedAt,
      transaction.id,
    ],
  );
}

export async function deleteTransaction(db: Transaction, transactionId: string): Promise<void> {
  await execute(db, 'DELETE FROM relay_transactions WHERE id = ?', [transactionId]);
}
