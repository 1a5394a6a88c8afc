import { selectRows, type Database, type Transaction } from '../../../platform/db.ts';
import { insertRows } from '../../../platform/insertRows.ts';
import type { Bytes32 } from '../../../shared/hex.ts';
import type { EventType, PaymentEventSummary, StoreEvent } from '../model.ts';

export async function insertEvents(trx: Transaction, events: readonly StoreEvent[]): Promise<void> {
  await insertRows(
    trx,
    {
      into: 'INSERT INTO events (id, store_id, type, payment_id, refund_id, version, request_id, data, created_at)',
      values: '(?, ?, ?, ?, ?, ?, ?, ?, ?)',
    },
    events.map((event) => [
      event.id,
      event.storeId,
      event.type,
      event.paymentId,
      event.refundId ?? '',
      event.version,
      event.requestId,
      JSON.stringify(event.data),
      event.createdAt,
    ]),
  );
}

/** Oldest first. */
export async function listEventsOfPayment(
  db: Database | Transaction,
  paymentId: Bytes32,
): Promise<PaymentEventSummary[]> {
  const rows = await selectRows<{ id: string; type: EventType; version: number; created_at: Date }>(
    db,
    "SELECT id, type, version, created_at FROM events WHERE payment_id = ? AND refund_id = '' ORDER BY version",
    [paymentId],
  );
  return rows.map((row) => ({
    eventId: row.id,
    type: row.type,
    version: Number(row.version),
    at: row.created_at,
  }));
}
