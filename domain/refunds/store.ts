import {
  execute,
  placeholders,
  selectRows,
  type Database,
  type Transaction,
} from '../../platform/db.ts';
import { lockInOrder } from '../../platform/lockInOrder.ts';
import { splitRows } from '../../platform/splitRows.ts';
import { updateRows } from '../../platform/updateRows.ts';
import { asBytes32, type Bytes32 } from '../../shared/hex.ts';
import { formatAmountUnits, parseAmountUnits } from '../../shared/money.ts';
import type { Refund, RefundStatus } from './model.ts';

interface Row {
  readonly id: string;
  readonly payment_id: string;
  readonly store_id: string;
  readonly chain_id: string | number;
  readonly amount: string;
  readonly nonce: string;
  readonly deadline: Date;
  readonly status: RefundStatus;
  readonly version: string | number;
  readonly relay_attempt_id: string | null;
  readonly tx_hash: string | null;
  readonly block_number: string | number | null;
  readonly block_hash: string | null;
  readonly log_index: string | number | null;
  readonly error_code: string | null;
  readonly error_detail: string | null;
  readonly created_at: Date;
  readonly updated_at: Date;
  readonly completed_at: Date | null;
}

const COLUMNS = `id, payment_id, store_id, chain_id, amount, nonce, deadline, status, version, relay_attempt_id, tx_hash, block_number, block_hash, log_index,
  error_code, error_detail, created_at, updated_at, completed_at`;

function toRefund(row: Row): Refund {
  const txHash = row.tx_hash === null ? null : asBytes32(row.tx_hash);
  return {
    id: row.id,
    paymentId: asBytes32(row.payment_id),
    storeId: row.store_id,
    chainId: Number(row.chain_id),
    amount: parseAmountUnits(row.amount),
    nonce: BigInt(row.nonce),
    deadline: row.deadline,
    status: row.status,
    version: Number(row.version),
    relayAttemptId: row.relay_attempt_id,
    txHash,
    position:
      txHash === null ||
      row.block_number === null ||
      row.block_hash === null ||
      row.log_index === null
        ? null
        : {
            txHash,
            blockNumber: BigInt(row.block_number),
            blockHash: asBytes32(row.block_hash),
            logIndex: Number(row.log_index),
          },
    errorCode: row.error_code,
    errorDetail: row.error_detail,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    completedAt: row.completed_at,
  };
}

/** @throws a duplicate key error when the payment has a refund with this nonce */
export async function insertRefund(db: Transaction, refund: Refund): Promise<void> {
  await execute(
    db,
    `INSERT INTO refunds (id, payment_id, store_id, chain_id, amount, nonce, deadline, status, version, relay_attempt_id, created_at, updated_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    [
      refund.id,
      refund.paymentId,
      refund.storeId,
      refund.chainId,
      formatAmountUnits(refund.amount),
      refund.nonce.toString(),
      refund.deadline,
      refund.status,
      refund.version,
      refund.relayAttemptId,
      refund.createdAt,
      refund.updatedAt,
    ],
  );
}

/** Writes what can change in a refund's life, of locked refunds. */
export async function updateRefunds(db: Transaction, refunds: readonly Refund[]): Promise<void> {
  await updateRows(
    db,
    {
      table: 'refunds',
      key: { column: 'id', type: 'CHAR(40)', index: 'PRIMARY' },
      columns: [
        'amount',
        'deadline',
        'status',
        'version',
        'relay_attempt_id',
        'tx_hash',
        'block_number',
        'block_hash',
        'log_index',
        'error_code',
        'error_detail',
        'updated_at',
        'completed_at',
      ],
    },
    refunds.map((refund) => [
      refund.id,
      formatAmountUnits(refund.amount),
      refund.deadline,
      refund.status,
      refund.version,
      refund.relayAttemptId,
      refund.txHash,
      refund.position?.blockNumber.toString() ?? null,
      refund.position?.blockHash ?? null,
      refund.position?.logIndex ?? null,
      refund.errorCode,
      refund.errorDetail?.slice(0, 1000) ?? null,
      refund.updatedAt,
      refund.completedAt,
    ]),
  );
}

export async function findRefundRow(db: Database, refundId: string): Promise<Refund | undefined> {
  const [row] = await selectRows<Row>(db, `SELECT ${COLUMNS} FROM refunds WHERE id = ?`, [
    refundId,
  ]);
  return row && toRefund(row);
}

/** By id, which is the order in which everybody locks several. */
export async function lockRefundRows(
  db: Transaction,
  refundIds: readonly string[],
): Promise<Refund[]> {
  return lockInOrder(refundIds, async (ids) => {
    const sql = `SELECT ${COLUMNS} FROM refunds FORCE INDEX (PRIMARY) WHERE id IN (${placeholders(ids)}) ORDER BY id FOR UPDATE`;
    return (await selectRows<Row>(db, sql, ids)).map(toRefund);
  });
}

/** Ids of the refunds of these payments. */
export async function listRefundIdsOfPayments(
  db: Transaction,
  paymentIds: readonly Bytes32[],
): Promise<string[]> {
  const ids: string[] = [];
  for (const part of splitRows(paymentIds.map((id) => [id]))) {
    const sql = `SELECT id FROM refunds WHERE payment_id IN (${placeholders(part)})`;
    ids.push(...(await selectRows<{ id: string }>(db, sql, part.flat())).map(({ id }) => id));
  }
  return ids;
}

/** Newest first. */
export async function listRefundsOfPayment(
  db: Database | Transaction,
  paymentId: Bytes32,
): Promise<Refund[]> {
  const rows = await selectRows<Row>(
    db,
    `SELECT ${COLUMNS} FROM refunds WHERE payment_id = ? ORDER BY id DESC`,
    [paymentId],
  );
  return rows.map(toRefund);
}

export interface UnplacedRefunds {
  readonly after: string;
  readonly unchangedSince: Date;
  readonly limit: number;
}

/** See listUnplacedRefunds. */
export async function listUnplacedRows(
  db: Database,
  chainId: number,
  { after, unchangedSince, limit }: UnplacedRefunds,
): Promise<Refund[]> {
  const rows = await selectRows<Row>(
    db,
    `SELECT ${COLUMNS} FROM refunds FORCE INDEX (ix_refunds_block)
     WHERE chain_id = ? AND status = 'processing' AND block_number IS NULL AND id > ? AND updated_at < ? ORDER BY id LIMIT ?`,
    [chainId, after, unchangedSince, limit],
  );
  return rows.map(toRefund);
}

/** Where a refund's event was seen. */
export interface RefundPlace {
  readonly refundId: string;
  readonly paymentId: Bytes32;
  readonly nonce: bigint;
  readonly blockNumber: bigint;
  readonly blockHash: Bytes32;
}

interface PlaceRow {
  readonly id: string;
  readonly payment_id: string;
  readonly nonce: string;
  readonly block_number: string | number;
  readonly block_hash: string;
}

const PLACE_COLUMNS = 'id, payment_id, nonce, block_number, block_hash';

function toPlace(row: PlaceRow): RefundPlace {
  return {
    refundId: row.id,
    paymentId: asBytes32(row.payment_id),
    nonce: BigInt(row.nonce),
    blockNumber: BigInt(row.block_number),
    blockHash: asBytes32(row.block_hash),
  };
}

/** Refunds whose event was seen in a block later than `after`, up to `until`. */
export async function listRefundPlacesInBlocks(
  db: Database,
  chainId: number,
  blocks: { readonly after: bigint; readonly until: bigint },
): Promise<RefundPlace[]> {
  const rows = await selectRows<PlaceRow>(
    db,
    `SELECT ${PLACE_COLUMNS} FROM refunds
     WHERE chain_id = ? AND status IN ('processing', 'completed') AND block_number > ? AND block_number <= ?`,
    [chainId, blocks.after.toString(), blocks.until.toString()],
  );
  return rows.map(toPlace);
}

/** Completed refunds in the order of their blocks, from one place on, itself left out. */
export async function listCompletedPlacesFrom(
  db: Database,
  chainId: number,
  from: { readonly blockNumber: bigint; readonly refundId: string },
  limit: number,
): Promise<RefundPlace[]> {
  const number = from.blockNumber.toString();
  const rows = await selectRows<PlaceRow>(
    db,
    `SELECT ${PLACE_COLUMNS} FROM refunds FORCE INDEX (ix_refunds_block)
     WHERE chain_id = ? AND status = 'completed' AND block_number >= ? AND (block_number > ? OR id > ?) ORDER BY block_number, id LIMIT ?`,
    [chainId, number, number, from.refundId, limit],
  );
  return rows.map(toPlace);
}

/**
 * Refunds whose event is in a block up to `maxBlock` and that are not completed yet, in the order
 * of their blocks, from one place on, itself left out.
 */
export async function listFinalRefunds(
  db: Database,
  chainId: number,
  { maxBlock, after, limit }: FinalRefunds,
): Promise<RefundPlace[]> {
  const from = after.blockNumber.toString();
  const rows = await selectRows<PlaceRow>(
    db,
    `SELECT ${PLACE_COLUMNS} FROM refunds
     WHERE chain_id = ? AND status = 'processing' AND block_number >= ? AND block_number <= ? AND (block_number > ? OR id > ?)
     ORDER BY block_number, id LIMIT ?`,
    [chainId, from, maxBlock.toString(), from, after.refundId, limit],
  );
  return rows.map(toPlace);
}

export interface FinalRefunds {
  readonly maxBlock: bigint;
  readonly after: Pick<RefundPlace, 'blockNumber' | 'refundId'>;
  readonly limit: number;
}

/** Refunds in blocks up to `maxBlock` that are not completed, and have not changed since. */
export interface OverdueRefunds {
  readonly chainId: number;
  readonly maxBlock: bigint;
  readonly unchangedSince: Date;
}

export async function countFinalRefundsSince(
  db: Database,
  { chainId, maxBlock, unchangedSince }: OverdueRefunds,
): Promise<number> {
  const [row] = await selectRows<{ readonly count: string | number }>(
    db,
    `SELECT COUNT(*) AS count FROM refunds WHERE chain_id = ? AND status = 'processing' AND block_number <= ? AND updated_at < ?`,
    [chainId, maxBlock.toString(), unchangedSince],
  );
  return Number(row?.count ?? 0);
}
