import { createBatches } from '../../platform/batches.ts';
import {
  execute,
  isDuplicateKey,
  placeholders,
  selectRows,
  type Database,
  type Transaction,
} from '../../platform/db.ts';
import { errnoOf } from '../../platform/errnoOf.ts';
import { insertRows } from '../../platform/insertRows.ts';
import { splitRows } from '../../platform/splitRows.ts';
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
export function findStoredReply(
  db: Database,
  { storeId, key }: Key,
): Promise<StoredReply | undefined> {
  return lookUps.add(db, { storeId, key });
}

async function findStoredReplies(
  db: Database | Transaction,
  keys: readonly Key[],
): Promise<(StoredReply | undefined)[]> {
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
    const row = rows.find(
      (candidate) => candidate.store_id === storeId && candidate.idempotency_key === key,
    );
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
 * Together with all others that are added to the transaction in the same turn of the event loop.
 * Waits for a transaction that is about to take the key; fails with a duplicate key when it is
 * taken, with a lock wait timeout when that transaction does not end. The others of that turn do
 * not fail with it, so it is for the caller to roll the transaction back.
 */
export function insertStoredReply(db: Transaction, reply: NewStoredReply): Promise<void> {
  return insertions.add(db, reply);
}

async function insertStoredReplies(
  db: Transaction,
  replies: readonly NewStoredReply[],
): Promise<(undefined | Error)[]> {
  const failures = new Map<NewStoredReply, Error>();
  // In one order, so that groups with the same keys wait for each other rather than meet in a
  // deadlock.
  const sorted = replies.toSorted(
    (a, b) => compare(a.claim.storeId, b.claim.storeId) || compare(a.claim.key, b.claim.key),
  );
  let together: NewStoredReply[] = [];
  for (const reply of sorted) {
    if (reply.replacesBefore !== undefined) {
      // What comes before it in that order is locked before it.
      await insertFree(db, together, failures);
      together = [];
      await deleteStoredReply(db, reply.claim, reply.replacesBefore);
    }
    together.push(reply);
  }
  await insertFree(db, together, failures);
  return replies.map((reply) => failures.get(reply));
}

/** Another of the keys may be taken while those that are free are being inserted. */
const MAX_ROUNDS = 5;

/** Without those whose key is taken or held: these are added to `failures`. */
async function insertFree(
  db: Transaction,
  replies: readonly NewStoredReply[],
  failures: Map<NewStoredReply, Error>,
): Promise<void> {
  const replyOf = new Map(replies.map((reply) => [toRow(reply), reply]));
  for (const part of splitRows([...replyOf.keys()])) {
    await insertPart(
      db,
      part.flatMap((row) => replyOf.get(row) ?? []),
      failures,
    );
  }
}

/** By one statement, which is done or undone as a whole. */
async function insertPart(
  db: Transaction,
  replies: readonly NewStoredReply[],
  failures: Map<NewStoredReply, Error>,
): Promise<void> {
  for (let round = 1; ; round++) {
    const rest = replies.filter((reply) => !failures.has(reply));
    try {
      await insertRows(
        db,
        {
          into: 'INSERT INTO idempotency_keys (store_id, idempotency_key, request_hash, response_status, response_ciphertext, created_at)',
          values: '(?, ?, ?, ?, ?, ?)',
        },
        rest.map(toRow),
      );
      return;
    } catch (error) {
      const isTaken = isDuplicateKey(error);
      if (
        !(error instanceof Error) ||
        !(isTaken || errnoOf(error) === LOCK_WAIT_TIMEOUT_ERRNO) ||
        round === MAX_ROUNDS
      )
        throw error;
      const unavailable =
        rest.length === 1 ? rest : await (isTaken ? listTaken(db, rest) : listHeld(db, rest));
      for (const reply of unavailable) failures.set(reply, error);
    }
  }
}

function toRow({ claim, reply, now }: NewStoredReply) {
  return [claim.storeId, claim.key, claim.requestHash, reply.status, reply.ciphertext, now];
}

async function listTaken(
  db: Transaction,
  replies: readonly NewStoredReply[],
): Promise<NewStoredReply[]> {
  const stored = await findStoredReplies(
    db,
    replies.map(({ claim }) => claim),
  );
  return replies.filter((_, index) => stored[index] !== undefined);
}

/** Those whose key another transaction has inserted and not committed. */
async function listHeld(
  db: Transaction,
  replies: readonly NewStoredReply[],
): Promise<NewStoredReply[]> {
  const held: NewStoredReply[] = [];
  for (const reply of replies) {
    const sql =
      'SELECT 1 FROM idempotency_keys WHERE store_id = ? AND idempotency_key = ? FOR UPDATE NOWAIT';
    try {
      await selectRows(db, sql, [reply.claim.storeId, reply.claim.key]);
    } catch (error) {
      // MariaDB tells it as a lock wait timeout, MySQL by a number of its own.
      if (!NOWAIT_ERRNOS.has(errnoOf(error) ?? 0)) throw error;
      held.push(reply);
    }
  }
  return held;
}

const LOCK_WAIT_TIMEOUT_ERRNO = 1205;
const NOWAIT_ERRNOS = new Set([LOCK_WAIT_TIMEOUT_ERRNO, 3572]);

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

async function deleteStoredReply(
  db: Transaction,
  claim: IdempotencyClaim,
  createdBefore: Date,
): Promise<void> {
  await execute(
    db,
    'DELETE FROM idempotency_keys WHERE store_id = ? AND idempotency_key = ? AND created_at < ?',
    [claim.storeId, claim.key, createdBefore],
  );
}

/** @returns how many were that old; equal to `limit` when there may be more */
export async function deleteStoredReplies(
  db: Database,
  createdBefore: Date,
  limit: number,
): Promise<number> {
  // Found by their age, deleted by their keys: a request that replaces an old reply goes by the key
  // too.
  const old = await selectRows<{ store_id: string; idempotency_key: string }>(
    db,
    'SELECT store_id, idempotency_key FROM idempotency_keys WHERE created_at < ? ORDER BY created_at LIMIT ?',
    [createdBefore, limit],
  );
  if (old.length === 0) return 0;
  const matching = matchKeys(
    old.map((row) => ({ storeId: row.store_id, key: row.idempotency_key })),
  );
  const sql = `DELETE k FROM idempotency_keys k FORCE INDEX (PRIMARY) WHERE (${matching.sql}) AND created_at < ?`;
  await execute(db, sql, [...matching.bindings, createdBefore]);
  return old.length;
}

/** A condition for the rows of these keys that both databases look up by the primary key. */
function matchKeys(keys: readonly Key[]): {
  readonly sql: string;
  readonly bindings: readonly string[];
} {
  const keysOfStores = new Map<string, string[]>();
  for (const { storeId, key } of keys) {
    const own = keysOfStores.get(storeId);
    if (own === undefined) keysOfStores.set(storeId, [key]);
    else own.push(key);
  }
  const stores = [...keysOfStores];
  return {
    sql: stores
      .map(([, own]) => `(store_id = ? AND idempotency_key IN (${placeholders(own)}))`)
      .join(' OR '),
    bindings: stores.flatMap(([storeId, own]) => [storeId, ...own]),
  };
}
