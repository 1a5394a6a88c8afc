import { createBatches } from '../../platform/batches.ts';
import { execute, placeholders, selectRows, type Database, type Transaction } from '../../platform/db.ts';
import { insertRows } from '../../platform/insertRows.ts';
import type { IdempotencyClaim } from './model.ts';

export interface StoredReply {
  readonly requestHash: string;
  readonly status: number;
  /** See platform/secretBox.ts. */
  readonly ciphertext: string;
  readonly createdAt: Date;
}

type Key = Pick<IdempotencyClaim, 'storeId' | 'key'>;

const lookUps = createBatches(findStoredReplies, { inTurn: false });

/** With one statement for all that ask in the same turn of the event loop. */
export function findStoredReply(db: Database, { storeId, key }: Key): Promise<StoredReply | undefined> {
  return lookUps.add(db, { storeId, key });
}

async function findStoredReplies(db: Database, keys: readonly Key[]): Promise<(StoredReply | undefined)[]> {
  const matching = matchKeys(keys);
  const rows = await selectRows<{
    store_id: string;
    idempotency_key: string;
    request_hash: string;
    response_status: number;
    response_ciphertext: string;
    created_at: Date;
  }>(
    db,
    `SELECT store_id, idempotency_key, request_hash, response_status, response_ciphertext, created_at FROM idempotency_keys
     WHERE ${matching.sql}`,
    matching.bindings,
  );
  return keys.map(({ storeId, key }) => {
    const row = rows.find((candidate) => candidate.store_id === storeId && candidate.idempotency_key === key);
    return (
      row && {
        requestHash: row.request_hash,
        status: Number(row.response_status),
        ciphertext: row.response_ciphertext,
        createdAt: row.created_at,
      }
    );
  });
}

interface NewStoredReply {
  readonly claim: IdempotencyClaim;
  readonly reply: { readonly status: number; readonly ciphertext: string };
  readonly now: Date;
  /** A row of the same key that is older than this is in the way, and goes. */
  readonly replacesBefore: Date | undefined;
}

const insertions = createBatches(insertStoredReplies, { inTurn: true });

/**
 * Together with all others that are added to the transaction in the same turn of the event loop, which fail together. Fails with a duplicate key when a
 * key is taken, after waiting for a transaction that is about to take it.
 */
export function insertStoredReply(db: Transaction, reply: NewStoredReply): Promise<void> {
  return insertions.add(db, reply);
}

async function insertStoredReplies(db: Transaction, replies: readonly NewStoredReply[]): Promise<undefined[]> {
  // In one order, so that groups with the same keys wait for each other rather than meet in a deadlock.
  const sorted = replies.toSorted((a, b) => compare(a.claim.storeId, b.claim.storeId) || compare(a.claim.key, b.claim.key));
  let together: NewStoredReply[] = [];
  for (const reply of sorted) {
    if (reply.replacesBefore !== undefined) {
      // What comes before it in that order is locked before it.
      await insertSorted(db, together);
      together = [];
      await deleteStoredReply(db, reply.claim, reply.replacesBefore);
    }
    together.push(reply);
  }
  await insertSorted(db, together);
  return replies.map(() => undefined);
}

function insertSorted(db: Transaction, replies: readonly NewStoredReply[]): Promise<void> {
  return insertRows(
    db,
    {
      into: 'INSERT INTO idempotency_keys (store_id, idempotency_key, request_hash, response_status, response_ciphertext, created_at)',
      values: '(?, ?, ?, ?, ?, ?)',
    },
    replies.map(({ claim, reply, now }) => [claim.storeId, claim.key, claim.requestHash, reply.status, reply.ciphertext, now]),
  );
}

function compare(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
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

async function deleteStoredReply(db: Transaction, claim: IdempotencyClaim, createdBefore: Date): Promise<void> {
  await execute(db, 'DELETE FROM idempotency_keys WHERE store_id = ? AND idempotency_key = ? AND created_at < ?', [
    claim.storeId,
    claim.key,
    createdBefore,
  ]);
}

/** @returns how many were that old; equal to `limit` when there may be more */
export async function deleteStoredReplies(db: Database, createdBefore: Date, limit: number): Promise<number> {
  // Found by their age, deleted by their keys: a request that replaces an old reply goes by the key too.
  const old = await selectRows<{ store_id: string; idempotency_key: string }>(
    db,
    'SELECT store_id, idempotency_key FROM idempotency_keys WHERE created_at < ? ORDER BY created_at LIMIT ?',
    [createdBefore, limit],
  );
  if (old.length === 0) return 0;
  const matching = matchKeys(old.map((row) => ({ storeId: row.store_id, key: row.idempotency_key })));
  const sql = `DELETE k FROM idempotency_keys k FORCE INDEX (PRIMARY) WHERE (${matching.sql}) AND created_at < ?`;
  await execute(db, sql, [...matching.bindings, createdBefore]);
  return old.length;
}

/** A condition for the rows of these keys that both databases look up by the primary key. */
function matchKeys(keys: readonly Key[]): { readonly sql: string; readonly bindings: readonly string[] } {
  const keysOfStores = new Map<string, string[]>();
  for (const { storeId, key } of keys) {
    const own = keysOfStores.get(storeId);
    if (own === undefined) keysOfStores.set(storeId, [key]);
    else own.push(key);
  }
  const stores = [...keysOfStores];
  return {
    sql: stores.map(([, own]) => `(store_id = ? AND idempotency_key IN (${placeholders(own)}))`).join(' OR '),
    bindings: stores.flatMap(([storeId, own]) => [storeId, ...own]),
  };
}
