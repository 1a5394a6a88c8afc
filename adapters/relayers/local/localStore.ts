import {
  execute,
  parseJsonColumn,
  selectRows,
  type Database,
  type Transaction,
} from '../../../platform/db.ts';
import { asBytes32, asHex, type Address, type Hex } from '../../../shared/hex.ts';
import type { LocalAccount, LocalStatus, LocalTransaction } from './localModel.ts';

interface TransactionRow {
  readonly id: string | number;
  readonly chain_id: string | number;
  readonly address: Address;
  readonly nonce: string | number;
  readonly status: LocalStatus;
  readonly version: string | number;
  readonly to_address: Address;
  readonly data: string;
  readonly gas_limit: string | number;
  readonly valid_until: Date;
  readonly max_fee_per_gas: string;
  readonly max_priority_fee_per_gas: string | null;
  readonly hashes: unknown;
  readonly noop_hashes: unknown;
  readonly mined_hash: string | null;
  readonly created_at: Date;
  readonly priced_at: Date;
  readonly broadcast_at: Date | null;
  readonly missing_since: Date | null;
  readonly settled_at: Date | null;
  readonly recheck_at: Date | null;
}

const COLUMNS = `id, chain_id, address, nonce, status, version, to_address, data, gas_limit, valid_until, max_fee_per_gas, max_priority_fee_per_gas,
  hashes, noop_hashes, mined_hash, created_at, priced_at, broadcast_at, missing_since, settled_at, recheck_at`;
const OPEN = `('pending', 'cancelling')`;

function toTransaction(row: TransactionRow): LocalTransaction {
  return {
    id: String(row.id),
    chainId: Number(row.chain_id),
    address: row.address,
    nonce: Number(row.nonce),
    status: row.status,
    version: Number(row.version),
    to: row.to_address,
    data: asHex(row.data),
    gasLimit: BigInt(row.gas_limit),
    validUntil: row.valid_until,
    fees: {
      maxFeePerGas: BigInt(row.max_fee_per_gas),
      maxPriorityFeePerGas:
        row.max_priority_fee_per_gas === null ? null : BigInt(row.max_priority_fee_per_gas),
    },
    hashes: (parseJsonColumn(row.hashes) as string[]).map(asBytes32),
    noopHashes: (parseJsonColumn(row.noop_hashes) as string[]).map(asBytes32),
    minedHash: row.mined_hash === null ? null : asBytes32(row.mined_hash),
    createdAt: row.created_at,
    pricedAt: row.priced_at,
    broadcastAt: row.broadcast_at,
    missingSince: row.missing_since,
    settledAt: row.settled_at,
    recheckAt: row.recheck_at,
  };
}

async function selectTransactions(
  db: Database | Transaction,
  account: LocalAccount,
  rest: string,
  values: readonly (string | number | Date)[],
) {
  const sql = `SELECT ${COLUMNS} FROM local_relayer_transactions WHERE chain_id = ? AND address = ? AND ${rest}`;
  return (
    await selectRows<TransactionRow>(db, sql, [account.chainId, account.address, ...values])
  ).map(toTransaction);
}

/**
 * Locks the account until the transaction ends; one that is new begins with nonce 0. @returns the
 * first nonce not given out
 */
export async function lockAccount(
  db: Transaction,
  { chainId, address }: LocalAccount,
): Promise<{ nextNonce: number; gapSeenAt: Date | null }> {
  await execute(
    db,
    'INSERT INTO local_relayer_accounts (chain_id, address, next_nonce) VALUES (?, ?, 0) ON DUPLICATE KEY UPDATE next_nonce = next_nonce',
    [chainId, address],
  );
  const [row] = await selectRows<{ next_nonce: string | number; gap_seen_at: Date | null }>(
    db,
    'SELECT next_nonce, gap_seen_at FROM local_relayer_accounts WHERE chain_id = ? AND address = ? FOR UPDATE',
    [chainId, address],
  );
  if (row === undefined) throw new Error(`the account ${address} is gone`);
  return { nextNonce: Number(row.next_nonce), gapSeenAt: row.gap_seen_at };
}

/** Under the account's lock. */
export async function updateAccount(
  db: Transaction,
  { chainId, address }: LocalAccount,
  values: { readonly nextNonce: number; readonly gapSeenAt: Date | null },
): Promise<void> {
  await execute(
    db,
    'UPDATE local_relayer_accounts SET next_nonce = ?, gap_seen_at = ? WHERE chain_id = ? AND address = ?',
    [values.nextNonce, values.gapSeenAt, chainId, address],
  );
}

/** @returns wei that the open transactions from this nonce on cost at most */
export async function sumOpenCost(
  db: Transaction,
  { chainId, address }: LocalAccount,
  fromNonce: number,
): Promise<bigint> {
  const [row] = await selectRows<{ cost: string | null }>(
    db,
    `SELECT SUM(gas_limit * max_fee_per_gas) AS cost FROM local_relayer_transactions
     WHERE chain_id = ? AND address = ? AND status IN ${OPEN} AND nonce >= ?`,
    [chainId, address, fromNonce],
  );
  return BigInt(row?.cost ?? 0);
}

/** Under the account's lock. @returns it with its id */
export async function insertLocalTransaction(
  db: Transaction,
  transaction: Omit<LocalTransaction, 'id' | 'version'>,
): Promise<LocalTransaction> {
  await execute(
    db,
    `INSERT INTO local_relayer_transactions (chain_id, address, nonce, status, to_address, data, gas_limit, valid_until, max_fee_per_gas,
       max_priority_fee_per_gas, hashes, noop_hashes, created_at, priced_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    [
      transaction.chainId,
      transaction.address,
      transaction.nonce,
      transaction.status,
      transaction.to,
      transaction.data,
      transaction.gasLimit.toString(),
      transaction.validUntil,
      transaction.fees.maxFeePerGas.toString(),
      transaction.fees.maxPriorityFeePerGas?.toString() ?? null,
      JSON.stringify(transaction.hashes),
      JSON.stringify(transaction.noopHashes),
      transaction.createdAt,
      transaction.pricedAt,
    ],
  );
  const [saved] = await selectTransactions(db, transaction, 'nonce = ?', [transaction.nonce]);
  if (saved === undefined)
    throw new Error(`the transaction with nonce ${transaction.nonce} was not saved`);
  return saved;
}

export async function findLocalTransaction(
  db: Database,
  account: LocalAccount,
  id: string,
): Promise<LocalTransaction | undefined> {
  const [transaction] = await selectTransactions(db, account, 'id = ?', [id]);
  return transaction;
}

/** Newest first. */
export function listByCall(
  db: Database,
  account: LocalAccount,
  call: { to: Address; data: Hex; since: Date },
): Promise<LocalTransaction[]> {
  const rest = 'created_at >= ? AND to_address = ? AND data = ? ORDER BY nonce DESC';
  return selectTransactions(db, account, rest, [call.since, call.to, call.data]);
}

/** The lowest nonces. */
export function listOpen(
  db: Database,
  account: LocalAccount,
  limit: number,
): Promise<LocalTransaction[]> {
  return selectTransactions(db, account, `status IN ${OPEN} ORDER BY nonce LIMIT ${limit}`, []);
}

export async function countOpen(db: Database, { chainId, address }: LocalAccount): Promise<number> {
  const [row] = await selectRows<{ count: string | number }>(
    db,
    `SELECT COUNT(*) AS count FROM local_relayer_transactions WHERE chain_id = ? AND address = ? AND status IN ${OPEN}`,
    [chainId, address],
  );
  return Number(row?.count ?? 0);
}

/** Whether an alert about one that is not settled was raised since. */
export async function hasOpenAlert(
  db: Database,
  { chainId, address }: LocalAccount,
  since: Date,
): Promise<boolean> {
  const rows = await selectRows(
    db,
    `SELECT id FROM local_relayer_transactions WHERE chain_id = ? AND address = ? AND status IN ${OPEN} AND alerted_at > ? LIMIT 1`,
    [chainId, address, since],
  );
  return rows.length > 0;
}

/** Settled ones that are still watched. */
export async function countWatched(
  db: Database,
  { chainId, address }: LocalAccount,
): Promise<number> {
  const [row] = await selectRows<{ count: string | number }>(
    db,
    'SELECT COUNT(*) AS count FROM local_relayer_transactions WHERE chain_id = ? AND address = ? AND recheck_at IS NOT NULL',
    [chainId, address],
  );
  return Number(row?.count ?? 0);
}

/** Settled ones that are to be looked at again by now. */
export function listToRecheck(
  db: Database,
  account: LocalAccount,
  now: Date,
  limit: number,
): Promise<LocalTransaction[]> {
  return selectTransactions(db, account, `recheck_at <= ? ORDER BY recheck_at LIMIT ${limit}`, [
    now,
  ]);
}

/** Settled ones from this nonce on, of before that moment. */
export function listSettledFrom(
  db: Database,
  account: LocalAccount,
  options: { readonly nonce: number; readonly before: Date; readonly limit: number },
): Promise<LocalTransaction[]> {
  const rest = `nonce >= ? AND status IN ('mined', 'ended') AND settled_at < ? ORDER BY nonce LIMIT ${options.limit}`;
  return selectTransactions(db, account, rest, [options.nonce, options.before]);
}

/** From this one on. */
export async function listNonces(
  db: Transaction,
  { chainId, address }: LocalAccount,
  fromNonce: number,
): Promise<ReadonlySet<number>> {
  const rows = await selectRows<{ nonce: string | number }>(
    db,
    'SELECT nonce FROM local_relayer_transactions WHERE chain_id = ? AND address = ? AND nonce >= ?',
    [chainId, address, fromNonce],
  );
  return new Set(rows.map(({ nonce }) => Number(nonce)));
}

/**
 * Saves it if nobody else changed it since it was read.
 * @returns it as it is now; undefined when somebody did
 */
export async function saveLocalTransaction(
  db: Database,
  transaction: LocalTransaction,
): Promise<LocalTransaction | undefined> {
  const matched = await execute(
    db,
    `UPDATE local_relayer_transactions SET status = ?, gas_limit = ?, max_fee_per_gas = ?, max_priority_fee_per_gas = ?, hashes = ?, noop_hashes = ?,
       mined_hash = ?, priced_at = ?, broadcast_at = ?, missing_since = ?, settled_at = ?, recheck_at = ?, version = version + 1
     WHERE id = ? AND version = ?`,
    [
      transaction.status,
      transaction.gasLimit.toString(),
      transaction.fees.maxFeePerGas.toString(),
      transaction.fees.maxPriorityFeePerGas?.toString() ?? null,
      JSON.stringify(transaction.hashes),
      JSON.stringify(transaction.noopHashes),
      transaction.minedHash,
      transaction.pricedAt,
      transaction.broadcastAt,
      transaction.missingSince,
      transaction.settledAt,
      transaction.recheckAt,
      transaction.id,
      transaction.version,
    ],
  );
  return matched === 0 ? undefined : { ...transaction, version: transaction.version + 1 };
}

/** Of this version: what replaced it meanwhile is still to be broadcast. */
export async function noteBroadcast(
  db: Database,
  { id, version }: Pick<LocalTransaction, 'id' | 'version'>,
  at: Date,
): Promise<void> {
  await execute(
    db,
    'UPDATE local_relayer_transactions SET broadcast_at = ? WHERE id = ? AND version = ?',
    [at, id, version],
  );
}

/** @returns whether to raise the alarm now: whoever asks first after that moment does */
export async function takeAlert(
  db: Database,
  id: string,
  alert: { readonly now: Date; readonly notSince: Date },
): Promise<boolean> {
  const sql =
    'UPDATE local_relayer_transactions SET alerted_at = ? WHERE id = ? AND (alerted_at IS NULL OR alerted_at <= ?)';
  return (await execute(db, sql, [alert.now, id, alert.notSince])) > 0;
}
