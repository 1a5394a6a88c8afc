import {
  execute,
  parseJsonColumn,
  placeholders,
  selectRows,
  type Database,
  type Transaction,
} from '../../platform/db.ts';
import { insertRows } from '../../platform/insertRows.ts';
import { lockInOrder } from '../../platform/lockInOrder.ts';
import { splitRows } from '../../platform/splitRows.ts';
import type { EventSubject, EventType, StoreEvent } from '../events/model.ts';
import type {
  WebhookDelivery,
  WebhookDeliveryStatus,
  WebhookEndpoint,
  WebhookEndpointStatus,
} from './model.ts';

// Endpoints

export async function countEndpoints(db: Database | Transaction, storeId: string): Promise<number> {
  const [row] = await selectRows<{ count: string | number }>(
    db,
    'SELECT COUNT(*) AS count FROM webhook_endpoints WHERE store_id = ? AND deleted_at IS NULL',
    [storeId],
  );
  return Number(row?.count ?? 0);
}

export async function insertEndpoint(
  trx: Transaction,
  endpoint: WebhookEndpoint,
  secretCiphertext: string,
): Promise<void> {
  await execute(
    trx,
    `INSERT INTO webhook_endpoints (id, store_id, url, secret_ciphertext, event_types, status, disabled_reason, created_at, deleted_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)`,
    [
      endpoint.id,
      endpoint.storeId,
      endpoint.url,
      secretCiphertext,
      endpoint.eventTypes === null ? null : JSON.stringify(endpoint.eventTypes),
      endpoint.status,
      endpoint.disabledReason,
      endpoint.createdAt,
    ],
  );
}

interface EndpointRow {
  readonly id: string;
  readonly store_id: string;
  readonly url: string;
  readonly event_types: unknown;
  readonly status: WebhookEndpointStatus;
  readonly disabled_reason: string | null;
  readonly created_at: Date;
}

/** Oldest first. */
export async function listEndpoints(
  db: Database | Transaction,
  storeId: string,
): Promise<WebhookEndpoint[]> {
  const rows = await selectRows<EndpointRow>(
    db,
    `SELECT id, store_id, url, event_types, status, disabled_reason, created_at FROM webhook_endpoints
     WHERE store_id = ? AND deleted_at IS NULL ORDER BY id`,
    [storeId],
  );
  return rows.map((row) => ({
    id: row.id,
    storeId: row.store_id,
    url: row.url,
    eventTypes: parseEventTypes(row.event_types),
    status: row.status,
    disabledReason: row.disabled_reason,
    createdAt: row.created_at,
  }));
}

function parseEventTypes(column: unknown): EventType[] | null {
  return parseJsonColumn(column) as EventType[] | null;
}

export interface ListeningEndpoint {
  readonly id: string;
  readonly storeId: string;
  readonly eventTypes: readonly EventType[] | null;
}

/** The endpoints of these stores that take events at all. */
export async function listListeningEndpoints(
  db: Database | Transaction,
  storeIds: readonly string[],
): Promise<ListeningEndpoint[]> {
  const rows = [];
  for (const part of splitRows(storeIds.map((id) => [id]))) {
    const found = await selectRows<Pick<EndpointRow, 'id' | 'store_id' | 'event_types'>>(
      db,
      `SELECT id, store_id, event_types FROM webhook_endpoints
       WHERE store_id IN (${placeholders(part)}) AND deleted_at IS NULL AND status = 'enabled' ORDER BY id`,
      part.flat(),
    );
    rows.push(...found);
  }
  return rows.map((row) => ({
    id: row.id,
    storeId: row.store_id,
    eventTypes: parseEventTypes(row.event_types),
  }));
}

/** @returns undefined when there is none (any more) */
export async function lockEndpoint(
  trx: Transaction,
  endpointId: string,
): Promise<{ readonly storeId: string } | undefined> {
  const [row] = await selectRows<{ store_id: string }>(
    trx,
    'SELECT store_id FROM webhook_endpoints WHERE id = ? AND deleted_at IS NULL FOR UPDATE',
    [endpointId],
  );
  return row && { storeId: row.store_id };
}

/** The row stays for the history of its deliveries; the secret, of no use any more, does not. */
export async function markEndpointDeleted(
  trx: Transaction,
  endpointId: string,
  now: Date,
): Promise<void> {
  await execute(
    trx,
    "UPDATE webhook_endpoints SET deleted_at = ?, secret_ciphertext = '' WHERE id = ?",
    [now, endpointId],
  );
}

export async function markEndpointDisabled(
  trx: Transaction,
  endpointId: string,
  reason: string,
): Promise<void> {
  await execute(
    trx,
    "UPDATE webhook_endpoints SET status = 'disabled', disabled_reason = ? WHERE id = ?",
    [reason, endpointId],
  );
}

// Deliveries

export interface NewDelivery {
  readonly id: string;
  readonly endpointId: string;
  readonly eventId: string;
}

export async function insertDeliveries(
  trx: Transaction,
  deliveries: readonly NewDelivery[],
  nextAttemptAt: Date,
  now: Date,
): Promise<void> {
  await insertRows(
    trx,
    {
      into: `INSERT INTO webhook_deliveries (id, endpoint_id, event_id, status, attempts, next_attempt_at, created_at, updated_at)`,
      values: "(?, ?, ?, 'pending', 0, ?, ?, ?)",
    },
    deliveries.map(({ id, endpointId, eventId }) => [
      id,
      endpointId,
      eventId,
      nextAttemptAt,
      now,
      now,
    ]),
  );
}

interface DeliveryRow {
  readonly id: string;
  readonly endpoint_id: string;
  readonly event_id: string;
  readonly status: WebhookDeliveryStatus;
  readonly attempts: number;
  readonly next_attempt_at: Date | null;
}

function toDelivery(row: DeliveryRow): WebhookDelivery {
  return {
    id: row.id,
    endpointId: row.endpoint_id,
    eventId: row.event_id,
    status: row.status,
    attempts: Number(row.attempts),
    nextAttemptAt: row.next_attempt_at,
  };
}

/** A delivery with everything that an attempt needs. */
export interface DeliveryToAttempt extends WebhookDelivery {
  readonly createdAt: Date;
  readonly storeId: string;
  readonly url: string;
  /** See platform/secretBox.ts. */
  readonly secretCiphertext: string;
  /** Neither deleted nor disabled. */
  readonly isEndpointListening: boolean;
  readonly event: Pick<StoreEvent, 'type' | 'subject' | 'parent' | 'createdAt' | 'data'>;
}

interface DeliveryToAttemptRow extends DeliveryRow {
  readonly created_at: Date;
  readonly store_id: string;
  readonly url: string;
  readonly secret_ciphertext: string;
  readonly endpoint_status: WebhookEndpointStatus;
  readonly deleted_at: Date | null;
  readonly type: EventType;
  readonly subject_type: EventSubject['type'];
  readonly subject_id: string;
  readonly parent_type: EventSubject['type'] | null;
  readonly parent_id: string | null;
  readonly data: unknown;
  readonly event_created_at: Date;
}

export async function findDeliveryToAttempt(
  db: Database,
  deliveryId: string,
): Promise<DeliveryToAttempt | undefined> {
  const [row] = await selectRows<DeliveryToAttemptRow>(
    db,
    `SELECT d.id, d.endpoint_id, d.event_id, d.status, d.attempts, d.next_attempt_at, d.created_at,
            en.store_id, en.url, en.secret_ciphertext, en.status AS endpoint_status, en.deleted_at,
            ev.type, ev.subject_type, ev.subject_id, ev.parent_type, ev.parent_id, ev.data, ev.created_at AS event_created_at
     FROM webhook_deliveries d
     JOIN webhook_endpoints en ON en.id = d.endpoint_id
     JOIN events ev ON ev.id = d.event_id
     WHERE d.id = ?`,
    [deliveryId],
  );
  if (row === undefined) return undefined;
  return {
    ...toDelivery(row),
    createdAt: row.created_at,
    storeId: row.store_id,
    url: row.url,
    secretCiphertext: row.secret_ciphertext,
    isEndpointListening: row.endpoint_status === 'enabled' && row.deleted_at === null,
    event: {
      type: row.type,
      subject: { type: row.subject_type, id: row.subject_id },
      parent:
        row.parent_type === null || row.parent_id === null
          ? null
          : { type: row.parent_type, id: row.parent_id },
      createdAt: row.event_created_at,
      data: parseJsonColumn(row.data) as StoreEvent['data'],
    },
  };
}

/** Whose these deliveries are; those that are not there are left out. */
export async function listStoresOfDeliveries(
  db: Database | Transaction,
  deliveryIds: readonly string[],
): Promise<
  {
    readonly deliveryId: string;
    readonly endpointId: string;
    readonly storeId: string;
    readonly createdAt: Date;
  }[]
> {
  if (deliveryIds.length === 0) return [];
  const rows = await selectRows<{
    id: string;
    endpoint_id: string;
    store_id: string;
    created_at: Date;
  }>(
    db,
    `SELECT d.id, d.endpoint_id, d.created_at, en.store_id FROM webhook_deliveries d JOIN webhook_endpoints en ON en.id = d.endpoint_id
     WHERE d.id IN (${placeholders(deliveryIds)})`,
    deliveryIds,
  );
  const byId = new Map(rows.map((row) => [row.id, row]));
  return deliveryIds.flatMap((id) => {
    const row = byId.get(id);
    return row === undefined
      ? []
      : [
          {
            deliveryId: id,
            endpointId: row.endpoint_id,
            storeId: row.store_id,
            createdAt: row.created_at,
          },
        ];
  });
}

/**
 * What is due for an endpoint, whether it is being posted or waits: the ids of the `limit` oldest.
 */
export async function listDueDeliveries(
  db: Database,
  endpointId: string,
  now: Date,
  limit: number,
): Promise<string[]> {
  const rows = await selectRows<{ id: string }>(
    db,
    `SELECT id FROM webhook_deliveries WHERE endpoint_id = ? AND status = 'pending' AND next_attempt_at <= ?
     ORDER BY next_attempt_at LIMIT ?`,
    [endpointId, now, limit],
  );
  return rows.map(({ id }) => id);
}

export async function lockDelivery(
  trx: Transaction,
  deliveryId: string,
): Promise<WebhookDelivery | undefined> {
  const [row] = await selectRows<DeliveryRow>(
    trx,
    'SELECT id, endpoint_id, event_id, status, attempts, next_attempt_at FROM webhook_deliveries WHERE id = ? FOR UPDATE',
    [deliveryId],
  );
  return row && toDelivery(row);
}

export async function updateDelivery(
  trx: Transaction,
  delivery: Pick<WebhookDelivery, 'id' | 'status' | 'attempts' | 'nextAttemptAt'>,
  now: Date,
): Promise<void> {
  await execute(
    trx,
    'UPDATE webhook_deliveries SET status = ?, attempts = ?, next_attempt_at = ?, updated_at = ? WHERE id = ?',
    [delivery.status, delivery.attempts, delivery.nextAttemptAt, now, delivery.id],
  );
}

/** Without an attempt, if it is still pending. */
export async function endDelivery(
  db: Database,
  deliveryId: string,
  status: 'failed' | 'cancelled',
  now: Date,
): Promise<void> {
  await execute(
    db,
    "UPDATE webhook_deliveries SET status = ?, next_attempt_at = NULL, updated_at = ? WHERE id = ? AND status = 'pending'",
    [status, now, deliveryId],
  );
}

/** Of an endpoint that the caller has locked. @returns the ids of those that were pending */
export async function markPendingCancelled(
  trx: Transaction,
  endpointId: string,
  now: Date,
): Promise<string[]> {
  // Read first, without locks: the index of what is pending leads to its rows in the opposite
  // direction of an attempt that locks its row and then takes it out of that index.
  const pending = await selectRows<{ id: string }>(
    trx,
    "SELECT id FROM webhook_deliveries WHERE endpoint_id = ? AND status = 'pending'",
    [endpointId],
  );
  const ids = await lockInOrder(
    pending.map(({ id }) => id),
    async (chunk) => {
      const sql = `SELECT id, status FROM webhook_deliveries FORCE INDEX (PRIMARY) WHERE id IN (${placeholders(chunk)}) ORDER BY id FOR UPDATE`;
      const rows = await selectRows<Pick<DeliveryRow, 'id' | 'status'>>(trx, sql, chunk);
      return rows.flatMap(({ id, status }) => (status === 'pending' ? [id] : []));
    },
  );
  for (let from = 0; from < ids.length; from += MAX_CANCELLED_AT_ONCE) {
    const chunk = ids.slice(from, from + MAX_CANCELLED_AT_ONCE);
    await execute(
      trx,
      `UPDATE webhook_deliveries SET status = 'cancelled', next_attempt_at = NULL, updated_at = ? WHERE id IN (${placeholders(chunk)})`,
      [now, ...chunk],
    );
  }
  return ids;
}

/** An endpoint that has not answered for days may have any number. */
const MAX_CANCELLED_AT_ONCE = 1_000;

// Attempts

export interface NewAttempt {
  readonly id: string;
  readonly deliveryId: string;
  /** From 1; (deliveryId, number) is unique. */
  readonly number: number;
  readonly statusCode: number | null;
  readonly error: string | null;
  readonly latencyMs: number;
  readonly responseBody: string | null;
  readonly startedAt: Date;
}

export async function insertAttempt(trx: Transaction, attempt: NewAttempt): Promise<void> {
  await execute(
    trx,
    `INSERT INTO webhook_attempts (id, delivery_id, number, status_code, error, latency_ms, response_body, started_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    [
      attempt.id,
      attempt.deliveryId,
      attempt.number,
      attempt.statusCode,
      attempt.error,
      attempt.latencyMs,
      attempt.responseBody,
      attempt.startedAt,
    ],
  );
}
