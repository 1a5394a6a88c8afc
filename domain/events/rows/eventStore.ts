import { selectRows, type Database, type Transaction } from '../../../platform/db.ts';
import { insertRows } from '../../../platform/insertRows.ts';
import type { EventSubject, EventSummary, EventType, StoreEvent } from '../model.ts';

export async function insertEvents(trx: Transaction, events: readonly StoreEvent[]): Promise<void> {
  await insertRows(
    trx,
    {
      into: 'INSERT INTO events (id, store_id, type, subject_type, subject_id, parent_type, parent_id, version, request_id, data, created_at)',
      values: '(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    },
    events.map((event) => [
      event.id,
      event.storeId,
      event.type,
      event.subject.type,
      event.subject.id,
      event.parent?.type ?? null,
      event.parent?.id ?? null,
      event.version,
      event.requestId,
      JSON.stringify(event.data),
      event.createdAt,
    ]),
  );
}

/** Oldest first. */
export async function listEventsOf(
  db: Database | Transaction,
  subject: EventSubject,
): Promise<EventSummary[]> {
  const rows = await selectRows<{ id: string; type: EventType; version: number; created_at: Date }>(
    db,
    'SELECT id, type, version, created_at FROM events WHERE subject_type = ? AND subject_id = ? ORDER BY version',
    [subject.type, subject.id],
  );
  return rows.map((row) => ({
    eventId: row.id,
    type: row.type,
    version: Number(row.version),
    at: row.created_at,
  }));
}
