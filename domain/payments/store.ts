import {
  parseJsonColumn,
  placeholders,
  selectRows,
  type Database,
  type Transaction,
} from '../../platform/db.ts';
import { insertRows } from '../../platform/insertRows.ts';
import { lockInOrder } from '../../platform/lockInOrder.ts';
import { splitRows } from '../../platform/splitRows.ts';
import { updateRows } from '../../platform/updateRows.ts';
import { asBytes32, type Address, type Bytes32 } from '../../shared/hex.ts';
import { parseAmountUnits } from '../../shared/money.ts';
import type { Payment, PaymentStatus } from './model.ts';

interface Row {
  readonly seq: string | number;
  readonly id: string;
  readonly store_id: string;
  readonly order_id: string;
  readonly chain_id: string | number;
  readonly gateway: Address;
  readonly token: Address;
  readonly amount: string;
  readonly merchant: Address;
  readonly salt: string;
  readonly expires_at: Date;
  readonly status: PaymentStatus;
  readonly version: number;
  readonly late: number;
  readonly customer_email: string | null;
  readonly metadata: unknown;
  readonly payer: Address | null;
  readonly relay_attempt_id: string | null;
  readonly tx_hash: string | null;
  readonly block_number: string | number | null;
  readonly block_hash: string | null;
  readonly log_index: number | null;
  readonly created_at: Date;
  readonly updated_at: Date;
  readonly completed_at: Date | null;
}

const COLUMNS = `seq, id, store_id, order_id, chain_id, gateway, token, amount, merchant, salt, expires_at, status, version, late, customer_email,
  metadata, payer, relay_attempt_id, tx_hash, block_number, block_hash, log_index, created_at, updated_at, completed_at`;

function toPayment(row: Row): Payment {
  return {
    id: asBytes32(row.id),
    storeId: row.store_id,
    orderId: row.order_id,
    chainId: Number(row.chain_id),
    gateway: row.gateway,
    terms: {
      salt: asBytes32(row.salt),
      token: row.token,
      amount: parseAmountUnits(row.amount),
      merchant: row.merchant,
      expiresAt: row.expires_at,
    },
    status: row.status,
    version: Number(row.version),
    late: Boolean(Number(row.late)),
    customerEmail: row.customer_email,
    metadata: parseJsonColumn(row.metadata) as Payment['metadata'],
    payer: row.payer,
    relayAttemptId: row.relay_attempt_id,
    txHash: row.tx_hash === null ? null : asBytes32(row.tx_hash),
    position:
      row.block_number === null ||
      row.block_hash === null ||
      row.log_index === null ||
      row.tx_hash === null
        ? null
        : {
            txHash: asBytes32(row.tx_hash),
            blockNumber: BigInt(row.block_number),
            blockHash: asBytes32(row.block_hash),
            logIndex: Number(row.log_index),
          },
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    completedAt: row.completed_at,
  };
}

export async function insertPayments(db: Transaction, payments: readonly Payment[]): Promise<void> {
  await insertRows(
    db,
    {
      into: `INSERT INTO payments (id, store_id, order_id, chain_id, gateway, token, amount, merchant, salt, expires_at, status, version,
        customer_email, metadata, created_at, updated_at)`,
      values: '(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    },
    payments.map((payment) => [
      payment.id,
      payment.storeId,
      payment.orderId,
      payment.chainId,
      payment.gateway,
      payment.terms.token,
      payment.terms.amount.toString(),
      payment.terms.merchant,
      payment.terms.salt,
      payment.terms.expiresAt,
      payment.status,
      payment.version,
      payment.customerEmail,
      payment.metadata === null ? null : JSON.stringify(payment.metadata),
      payment.createdAt,
      payment.updatedAt,
    ]),
  );
}

export async function findPayment(
  db: Database | Transaction,
  paymentId: Bytes32,
): Promise<Payment | undefined> {
  const [row] = await selectRows<Row>(db, `SELECT ${COLUMNS} FROM payments WHERE id = ?`, [
    paymentId,
  ]);
  return row && toPayment(row);
}

/** Unknown ids are left out. */
export async function listPaymentsById(
  db: Database | Transaction,
  paymentIds: readonly Bytes32[],
): Promise<Payment[]> {
  const rows: Row[] = [];
  for (const part of splitRows(paymentIds.map((id) => [id]))) {
    rows.push(
      ...(await selectRows<Row>(
        db,
        `SELECT ${COLUMNS} FROM payments WHERE id IN (${placeholders(part)})`,
        part.flat(),
      )),
    );
  }
  return rows.map(toPayment);
}

/** By id, which is the one order in which payments are locked. Unknown ids are left out. */
export async function lockPayments(
  db: Transaction,
  paymentIds: readonly Bytes32[],
): Promise<Payment[]> {
  return lockInOrder(paymentIds, async (ids) => {
    const rows = await selectRows<Row>(
      db,
      `SELECT ${COLUMNS} FROM payments FORCE INDEX (uq_payments_id) WHERE id IN (${placeholders(ids)}) ORDER BY id FOR UPDATE`,
      ids,
    );
    return rows.map(toPayment);
  });
}

/** Writes what can change in a payment's life, of locked payments. */
export async function updatePayments(db: Transaction, payments: readonly Payment[]): Promise<void> {
  await updateRows(
    db,
    {
      table: 'payments',
      key: { column: 'id', type: 'CHAR(66)', index: 'uq_payments_id' },
      columns: [
        'status',
        'version',
        'late',
        'payer',
        'relay_attempt_id',
        'tx_hash',
        'block_number',
        'block_hash',
        'log_index',
        'updated_at',
        'completed_at',
      ],
    },
    payments.map((payment) => [
      payment.id,
      payment.status,
      payment.version,
      payment.late,
      payment.payer,
      payment.relayAttemptId,
      payment.txHash,
      payment.position?.blockNumber.toString() ?? null,
      payment.position?.blockHash ?? null,
      payment.position?.logIndex ?? null,
      payment.updatedAt,
      payment.completedAt,
    ]),
  );
}

export interface PaymentFilter {
  readonly storeId: string;
  readonly status?: PaymentStatus | undefined;
  readonly orderId?: string | undefined;
  readonly createdAfter?: Date | undefined;
  readonly createdBefore?: Date | undefined;
}

/** Where a page of a list ends. */
export interface PagePlace {
  readonly createdAt: Date;
  readonly seq: bigint;
}

/**
 * Newest first; `before` is where the page before ended. Each combination of filters is one range
 * of an index.
 */
export async function listPaymentRows(
  db: Database,
  filter: PaymentFilter,
  page: { readonly limit: number; readonly before: PagePlace | undefined },
): Promise<{ readonly place: PagePlace; readonly payment: Payment }[]> {
  const conditions = ['store_id = ?'];
  const bindings: (string | Date | number)[] = [filter.storeId];
  const add = (condition: string, ...values: readonly (string | Date | undefined)[]) => {
    const given = values.filter((value) => value !== undefined);
    if (given.length < values.length) return;
    conditions.push(condition);
    bindings.push(...given);
  };
  add('status = ?', filter.status);
  // The comparison of texts in the database passes over spaces at their end; the index finds all of
  // these, few enough.
  add('order_id = ? AND CHAR_LENGTH(order_id) = CHAR_LENGTH(?)', filter.orderId, filter.orderId);
  add('created_at >= ?', filter.createdAfter);
  add('created_at < ?', filter.createdBefore);
  const { before } = page;
  add('created_at <= ?', before?.createdAt);
  add('(created_at < ? OR seq < ?)', before?.createdAt, before?.seq.toString());
  const rows = await selectRows<Row>(
    db,
    `SELECT ${COLUMNS} FROM payments WHERE ${conditions.join(' AND ')} ORDER BY created_at DESC, seq DESC LIMIT ?`,
    [...bindings, page.limit],
  );
  return rows.map((row) => ({
    place: { createdAt: row.created_at, seq: BigInt(row.seq) },
    payment: toPayment(row),
  }));
}

/**
 * Payments that are being relayed, that the chain has not shown, and that have not changed since;
 * in the order in which they were made, from one on, itself left out.
 */
export async function listUnplacedPayments(
  db: Database,
  chainId: number,
  {
    after,
    unchangedSince,
    limit,
  }: { readonly after: bigint; readonly unchangedSince: Date; readonly limit: number },
): Promise<(Payment & { readonly seq: bigint })[]> {
  const rows = await selectRows<Row>(
    db,
    `SELECT ${COLUMNS} FROM payments
     WHERE chain_id = ? AND status = 'processing' AND block_number IS NULL AND seq > ? AND updated_at < ? ORDER BY seq LIMIT ?`,
    [chainId, after.toString(), unchangedSince, limit],
  );
  return rows.map((row) => ({ ...toPayment(row), seq: BigInt(row.seq) }));
}

/** Where a payment's event was seen. */
export interface PaymentPlace {
  readonly paymentId: Bytes32;
  readonly blockNumber: bigint;
  readonly blockHash: Bytes32;
}

interface PlaceRow {
  readonly id: string;
  readonly block_number: string | number;
  readonly block_hash: string;
}

type OrderedPlaceRow = PlaceRow & Pick<Row, 'seq'>;

function toPlace(row: PlaceRow): PaymentPlace {
  return {
    paymentId: asBytes32(row.id),
    blockNumber: BigInt(row.block_number),
    blockHash: asBytes32(row.block_hash),
  };
}

/** A place in the order of blocks, and in that in which payments were made. */
export interface BlockOrder {
  readonly blockNumber: bigint;
  readonly seq: bigint;
}

/** Before all others. */
export const FIRST_IN_BLOCKS: BlockOrder = { blockNumber: 0n, seq: 0n };

/**
 * Payments whose event is in a block up to `maxBlock` and that are not completed yet, in the order
 * of their blocks, from one place on, itself left out.
 */
export async function listFinalPayments(
  db: Database,
  chainId: number,
  {
    maxBlock,
    after,
    limit,
  }: { readonly maxBlock: bigint; readonly after: BlockOrder; readonly limit: number },
): Promise<(PaymentPlace & BlockOrder)[]> {
  const from = after.blockNumber.toString();
  const rows = await selectRows<OrderedPlaceRow>(
    db,
    `SELECT seq, id, block_number, block_hash FROM payments
     WHERE chain_id = ? AND status = 'processing' AND block_number >= ? AND block_number <= ? AND (block_number > ? OR seq > ?)
     ORDER BY block_number, seq LIMIT ?`,
    [chainId, from, maxBlock.toString(), from, after.seq.toString(), limit],
  );
  return rows.map((row) => ({ ...toPlace(row), seq: BigInt(row.seq) }));
}

/** Payments in blocks up to `maxBlock` that are not completed, and have not changed since. */
export async function countOverdueCompletions(
  db: Database,
  {
    chainId,
    maxBlock,
    unchangedSince,
  }: { readonly chainId: number; readonly maxBlock: bigint; readonly unchangedSince: Date },
): Promise<number> {
  const [row] = await selectRows<{ readonly count: string | number }>(
    db,
    `SELECT COUNT(*) AS count FROM payments WHERE chain_id = ? AND status = 'processing' AND block_number <= ? AND updated_at < ?`,
    [chainId, maxBlock.toString(), unchangedSince],
  );
  return Number(row?.count ?? 0);
}

/** Payments whose event was seen in a block later than `after`, up to `until`. */
export async function listPlacesInBlocks(
  db: Database,
  chainId: number,
  blocks: { readonly after: bigint; readonly until: bigint },
): Promise<PaymentPlace[]> {
  const rows = await selectRows<PlaceRow>(
    db,
    `SELECT id, block_number, block_hash FROM payments
     WHERE chain_id = ? AND status IN ('processing', 'completed') AND block_number > ? AND block_number <= ?`,
    [chainId, blocks.after.toString(), blocks.until.toString()],
  );
  return rows.map(toPlace);
}

/** Completed payments in the order of their blocks, from one place on, itself left out. */
export async function listCompletedFrom(
  db: Database,
  chainId: number,
  from: BlockOrder,
  limit: number,
): Promise<(PaymentPlace & BlockOrder)[]> {
  const number = from.blockNumber.toString();
  const rows = await selectRows<OrderedPlaceRow>(
    db,
    `SELECT seq, id, block_number, block_hash FROM payments
     WHERE chain_id = ? AND status = 'completed' AND block_number >= ? AND (block_number > ? OR seq > ?) ORDER BY block_number, seq LIMIT ?`,
    [chainId, number, number, from.seq.toString(), limit],
  );
  return rows.map((row) => ({ ...toPlace(row), seq: BigInt(row.seq) }));
}

/**
 * What decides whether an event changes anything: without the rest of the payment, which may be
 * large.
 */
export interface PaymentStanding {
  readonly id: Bytes32;
  readonly status: PaymentStatus;
  readonly blockHash: string | null;
  readonly logIndex: number | null;
}

/** Unknown ids are left out. */
export async function listStandings(
  db: Database | Transaction,
  paymentIds: readonly Bytes32[],
): Promise<PaymentStanding[]> {
  const found: PaymentStanding[] = [];
  for (const part of splitRows(paymentIds.map((id) => [id]))) {
    const rows = await selectRows<Pick<Row, 'id' | 'status' | 'block_hash' | 'log_index'>>(
      db,
      `SELECT id, status, block_hash, log_index FROM payments WHERE id IN (${placeholders(part)})`,
      part.flat(),
    );
    for (const row of rows) {
      const logIndex = row.log_index === null ? null : Number(row.log_index);
      found.push({
        id: asBytes32(row.id),
        status: row.status,
        blockHash: row.block_hash,
        logIndex,
      });
    }
  }
  return found;
}
