import { execute, selectRows, type Database, type Transaction } from '../../platform/db.ts';
import type { IdempotencyClaim } from './model.ts';

export interface StoredReply {
  readonly requestHash: string;
  readonly status: number;
  /** See platform/secretBox.ts. */
  readonly ciphertext: string;
  readonly createdAt: Date;
}

export async function findStoredReply(db: Database, claim: IdempotencyClaim): Promise<StoredReply | undefined> {
  const [row] = await selectRows<{ request_hash: string; response_status: number; response_ciphertext: string; created_at: Date }>(
    db,
    `SELECT request_hash, response_status, response_ciphertext, created_at FROM idempotency_keys WHERE store_id = ? AND idempotency_key = ?`,
    [claim.storeId, claim.key],
  );
  return (
    row && {
      requestHash: row.request_hash,
      status: Number(row.response_status),
      ciphertext: row.response_ciphertext,
      createdAt: row.created_at,
    }
  );
}

/** Fails with a duplicate key when the key is taken, after waiting for a transaction that is about to take it. */
export async function insertStoredReply(
  db: Transaction,
  claim: IdempotencyClaim,
  reply: { readonly status: number; readonly ciphertext: string },
  now: Date,
): Promise<void> {
  await execute(
    db,
    `INSERT INTO idempotency_keys (store_id, idempotency_key, request_hash, response_status, response_ciphertext, created_at)
     VALUES (?, ?, ?, ?, ?, ?)`,
    [claim.storeId, claim.key, claim.requestHash, reply.status, reply.ciphertext, now],
  );
}

export async function updateStoredReply(
  db: Database,
  claim: IdempotencyClaim,
  reply: { readonly status: number; readonly ciphertext: string },
): Promise<void> {
  await execute(
    db,
    `UPDATE idempotency_keys SET response_status = ?, response_ciphertext = ?
     WHERE store_id = ? AND idempotency_key = ? AND request_hash = ?`,
    [reply.status, reply.ciphertext, claim.storeId, claim.key, claim.requestHash],
  );
}

export async function deleteStoredReply(db: Transaction, claim: IdempotencyClaim, createdBefore: Date): Promise<void> {
  await execute(db, 'DELETE FROM idempotency_keys WHERE store_id = ? AND idempotency_key = ? AND created_at < ?', [
    claim.storeId,
    claim.key,
    createdBefore,
  ]);
}

/** @returns how many; equal to `limit` when there may be more */
export async function deleteStoredReplies(db: Database, createdBefore: Date, limit: number): Promise<number> {
  return execute(db, 'DELETE FROM idempotency_keys WHERE created_at < ? ORDER BY created_at LIMIT ?', [createdBefore, limit]);
}
