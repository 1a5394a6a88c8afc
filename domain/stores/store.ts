import { createBatches } from '../../platform/batches.ts';
import { execute, selectRows, type Database, type Transaction } from '../../platform/db.ts';
import type { Address } from '../../shared/hex.ts';
import {
  API_KEY_ROLES,
  type ApiKeyIdentity,
  type ApiKeyRole,
  type RelayPriority,
  type RelayShare,
  type Store,
} from './model.ts';

export async function insertStore(db: Transaction, store: Store, now: Date): Promise<void> {
  await execute(
    db,
    'INSERT INTO stores (id, name, payout_address, created_at) VALUES (?, ?, ?, ?)',
    [store.id, store.name, store.payoutAddress, now],
  );
}

export async function insertMerchants(
  db: Transaction,
  storeId: string,
  addresses: readonly Address[],
  now: Date,
): Promise<void> {
  if (addresses.length === 0) return;
  await execute(
    db,
    `INSERT INTO store_merchants (store_id, address, created_at) VALUES ${addresses.map(() => '(?, ?, ?)').join(', ')}`,
    addresses.flatMap((address) => [storeId, address, now]),
  );
}

export async function findStore(db: Database, storeId: string): Promise<Store | undefined> {
  const [row] = await selectRows<{ id: string; name: string; payout_address: Address }>(
    db,
    'SELECT id, name, payout_address FROM stores WHERE id = ?',
    [storeId],
  );
  return row && { id: row.id, name: row.name, payoutAddress: row.payout_address };
}

/** @returns whether there is such a store */
export async function lockStore(trx: Transaction, storeId: string): Promise<boolean> {
  const rows = await selectRows<{ id: string }>(
    trx,
    'SELECT id FROM stores WHERE id = ? FOR UPDATE',
    [storeId],
  );
  return rows.length > 0;
}

export async function findRelayShare(
  db: Transaction,
  storeId: string,
): Promise<RelayShare | undefined> {
  const [row] = await selectRows<{ relay_weight: string | number; relay_priority: RelayPriority }>(
    db,
    'SELECT relay_weight, relay_priority FROM stores WHERE id = ?',
    [storeId],
  );
  return row && { weight: Number(row.relay_weight), priority: row.relay_priority };
}

export async function updateRelayWeight(
  db: Database,
  storeId: string,
  weight: number,
): Promise<void> {
  await execute(db, 'UPDATE stores SET relay_weight = ? WHERE id = ?', [weight, storeId]);
}

export async function updateRelayPriority(
  db: Database,
  storeId: string,
  priority: RelayPriority,
): Promise<void> {
  await execute(db, 'UPDATE stores SET relay_priority = ? WHERE id = ?', [priority, storeId]);
}

export async function listMerchants(db: Database, storeId: string): Promise<Address[]> {
  const rows = await selectRows<{ address: Address }>(
    db,
    'SELECT address FROM store_merchants WHERE store_id = ?',
    [storeId],
  );
  return rows.map((row) => row.address);
}

export interface NewApiKey {
  readonly id: string;
  readonly storeId: string;
  readonly keyHash: string;
  readonly keyHint: string;
  readonly role: ApiKeyRole;
}

export async function insertApiKey(db: Database, key: NewApiKey, now: Date): Promise<void> {
  await execute(
    db,
    'INSERT INTO api_keys (id, store_id, key_hash, key_hint, role, created_at) VALUES (?, ?, ?, ?, ?, ?)',
    [key.id, key.storeId, key.keyHash, key.keyHint, key.role, now],
  );
}

/**
 * Many keys may be asked about at once by callers who have none: a few questions at a time, with
 * all that wait in each.
 */
const keyQuestions = createBatches<Database, string, ApiKeyIdentity | undefined>(
  findActiveApiKeys,
  { inTurn: false, atOnce: 2 },
);

export function findActiveApiKey(
  db: Database,
  keyHash: string,
): Promise<ApiKeyIdentity | undefined> {
  return keyQuestions.add(db, keyHash);
}

async function findActiveApiKeys(
  db: Database,
  keyHashes: readonly string[],
): Promise<(ApiKeyIdentity | undefined)[]> {
  const rows = await selectRows<{ id: string; store_id: string; role: string; key_hash: string }>(
    db,
    `SELECT id, store_id, role, key_hash FROM api_keys WHERE key_hash IN (${keyHashes.map(() => '?').join(', ')}) AND revoked_at IS NULL`,
    keyHashes,
  );
  const byHash = new Map(
    rows.map((row) => [
      row.key_hash,
      { apiKeyId: row.id, storeId: row.store_id, role: parseRole(row.role) },
    ]),
  );
  return keyHashes.map((keyHash) => byHash.get(keyHash));
}

/** @returns whether there was such a key in force */
export async function markApiKeyRevoked(
  db: Database,
  apiKeyId: string,
  now: Date,
): Promise<boolean> {
  return (
    (await execute(db, 'UPDATE api_keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL', [
      now,
      apiKeyId,
    ])) > 0
  );
}

function parseRole(text: string): ApiKeyRole {
  const role = API_KEY_ROLES.find((candidate) => candidate === text);
  if (role === undefined) throw new TypeError(`the database holds an unknown role: ${text}`);
  return role;
}
