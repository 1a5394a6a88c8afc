import { hash } from 'node:crypto';

import type { Context } from '../../platform/context.ts';
import {
  inTransaction,
  isDuplicateKey,
  type Database,
  type Transaction,
} from '../../platform/db.ts';
import { AppError, COMMON_ERRORS } from '../../shared/errors.ts';
import type { Address } from '../../shared/hex.ts';
import { createExpiringCache, type ExpiringCache } from './expiringCache.ts';
import type { ApiKeyIdentity, ApiKeyRole, RelayPriority, RelayShare, Store } from './model.ts';
import {
  findActiveApiKey,
  findRelayShare,
  findStore,
  insertApiKey,
  insertMerchants,
  insertStore,
  listMerchants,
  lockStore as lockStoreRow,
  markApiKeyRevoked,
  updateRelayPriority,
  updateRelayWeight,
} from './store.ts';

/**
 * Stores, their merchant addresses and their API keys.
 *
 * Every request asks who is asking and most ask for the store, so the answers are kept in this
 * process for a few seconds. A revoked key is refused at once by the process that revoked it and
 * after at most KEPT_MS by the others; the same holds for a merchant address that was just added.
 */
const KEPT_MS = 5_000;
/** An unknown key is asked for again sooner: it may just have been issued by another process. */
const MISS_KEPT_MS = 1_000;
const MAX_KEPT = 10_000;
const MAX_MISSES_KEPT = 1_000;

interface StoreEntry {
  readonly store: Store;
  readonly merchants: ReadonlySet<Address>;
}

interface Caches {
  readonly identities: ExpiringCache<ApiKeyIdentity | undefined>;
  /** Apart from the valid ones, so that a flood of made-up keys does not push those out. */
  readonly unknownKeys: ExpiringCache<ApiKeyIdentity | undefined>;
  readonly stores: ExpiringCache<StoreEntry | undefined>;
}

/** One set for each database: a process (a test run, above all) may hold several contexts. */
const cachesByDatabase = new WeakMap<Database, Caches>();

function cachesOf(ctx: Context): Caches {
  const known = cachesByDatabase.get(ctx.db);
  if (known !== undefined) return known;
  const caches: Caches = {
    identities: createExpiringCache({
      maxEntries: MAX_KEPT,
      lifetimeMs: (identity) => (identity === undefined ? 0 : KEPT_MS),
    }),
    unknownKeys: createExpiringCache({
      maxEntries: MAX_MISSES_KEPT,
      lifetimeMs: (identity) => (identity === undefined ? MISS_KEPT_MS : 0),
    }),
    stores: createExpiringCache({
      maxEntries: MAX_KEPT,
      lifetimeMs: (entry) => (entry === undefined ? MISS_KEPT_MS : KEPT_MS),
    }),
  };
  cachesByDatabase.set(ctx.db, caches);
  return caches;
}

/**
 * @param input.merchants further addresses that payments may go to; the payout address is always
 *   one of them
 */
export async function createStore(
  ctx: Context,
  input: {
    readonly name: string;
    readonly payoutAddress: Address;
    readonly merchants?: readonly Address[];
  },
): Promise<Store> {
  const store: Store = {
    id: ctx.newId('st'),
    name: input.name,
    payoutAddress: input.payoutAddress,
  };
  const now = ctx.clock.now();
  await inTransaction(ctx.db, async (trx) => {
    await insertStore(trx, store, now);
    await insertMerchants(
      trx,
      store.id,
      [...new Set([store.payoutAddress, ...(input.merchants ?? [])])],
      now,
    );
  });
  return store;
}

/** @throws AppError `COMMON_ERRORS.notFound` */
export async function getStore(ctx: Context, storeId: string): Promise<Store> {
  return (await getStoreEntry(ctx, storeId)).store;
}

export async function isRegisteredMerchant(
  ctx: Context,
  input: { readonly storeId: string; readonly address: Address },
): Promise<boolean> {
  return (await getStoreEntry(ctx, input.storeId)).merchants.has(input.address);
}

/**
 * One more address that the store's payments may go to. Already registered: nothing to do. @throws
 * AppError `COMMON_ERRORS.notFound`
 */
export async function registerMerchant(
  ctx: Context,
  input: { readonly storeId: string; readonly address: Address },
): Promise<void> {
  if (await isRegisteredMerchant(ctx, input)) return;
  try {
    await inTransaction(ctx.db, (trx) =>
      insertMerchants(trx, input.storeId, [input.address], ctx.clock.now()),
    );
  } catch (error) {
    // Another process did it a moment ago.
    if (!isDuplicateKey(error)) throw error;
  }
  cachesOf(ctx).stores.clear();
}

/**
 * The store's share of the relayers, beside the others'.
 * @throws AppError `COMMON_ERRORS.notFound`
 */
export async function getRelayShare(trx: Transaction, storeId: string): Promise<RelayShare> {
  const share = await findRelayShare(trx, storeId);
  if (share === undefined) throw new AppError(COMMON_ERRORS.notFound);
  return share;
}

/**
 * For what the store hands in from now on; what waits keeps its turn. @throws AppError
 * `COMMON_ERRORS.notFound`
 */
export async function setRelayWeight(
  ctx: Context,
  input: { readonly storeId: string; readonly weight: number },
): Promise<void> {
  await getStore(ctx, input.storeId);
  await updateRelayWeight(ctx.db, input.storeId, input.weight);
}

/**
 * For what the store hands in from now on; what waits keeps its turn. @throws AppError
 * `COMMON_ERRORS.notFound`
 */
export async function setRelayPriority(
  ctx: Context,
  input: { readonly storeId: string; readonly priority: RelayPriority },
): Promise<void> {
  await getStore(ctx, input.storeId);
  await updateRelayPriority(ctx.db, input.storeId, input.priority);
}

async function getStoreEntry(ctx: Context, storeId: string): Promise<StoreEntry> {
  const entry = await cachesOf(ctx).stores.get(storeId, ctx.clock.now().getTime(), async () => {
    const [store, merchants] = await Promise.all([
      findStore(ctx.db, storeId),
      listMerchants(ctx.db, storeId),
    ]);
    return store && { store, merchants: new Set(merchants) };
  });
  if (entry === undefined) throw new AppError(COMMON_ERRORS.notFound);
  return entry;
}

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const KEY_CHARACTERS = 32;
const API_KEY_PATTERN = /^sk_(test|live)_[0-9A-Za-z]{32}$/;

/** @returns the key itself, which is nowhere else: only its SHA-256 is kept */
export async function issueApiKey(
  ctx: Context,
  input: {
    readonly storeId: string;
    readonly role: ApiKeyRole;
    readonly environment: 'test' | 'live';
  },
): Promise<{ readonly id: string; readonly key: string }> {
  await getStore(ctx, input.storeId);
  const id = ctx.newId('key');
  const prefix = `sk_${input.environment}_`;
  const key = prefix + randomBase62(ctx, KEY_CHARACTERS);
  const keyHint = `${prefix}...${key.slice(-4)}`;
  await insertApiKey(
    ctx.db,
    { id, storeId: input.storeId, keyHash: hashApiKey(key), keyHint, role: input.role },
    ctx.clock.now(),
  );
  return { id, key };
}

/** @throws AppError `COMMON_ERRORS.notFound` when there is no such key in force */
export async function revokeApiKey(
  ctx: Context,
  input: { readonly apiKeyId: string },
): Promise<void> {
  const revoked = await markApiKeyRevoked(ctx.db, input.apiKeyId, ctx.clock.now());
  // Which entry it was is known only by its hash, so all of them are asked for again.
  cachesOf(ctx).identities.clear();
  if (!revoked) throw new AppError(COMMON_ERRORS.notFound);
}

/**
 * Who holds this key, if that is known without asking the database: the key was valid a moment ago.
 * Most requests end here, so it is no promise.
 */
export function recallIdentity(ctx: Context, apiKey: string): ApiKeyIdentity | undefined {
  return cachesOf(ctx).identities.peek(hashApiKey(apiKey), ctx.clock.now().getTime());
}

/** Who holds this key; undefined when it is malformed, unknown or revoked. */
export async function findIdentity(
  ctx: Context,
  apiKey: string,
): Promise<ApiKeyIdentity | undefined> {
  if (!API_KEY_PATTERN.test(apiKey)) return undefined;
  const { identities, unknownKeys } = cachesOf(ctx);
  const keyHash = hashApiKey(apiKey);
  const now = ctx.clock.now().getTime();
  const known = identities.peek(keyHash, now);
  if (known !== undefined) return known;
  const identity = await unknownKeys.get(keyHash, now, () => findActiveApiKey(ctx.db, keyHash));
  if (identity !== undefined) await identities.get(keyHash, now, () => Promise.resolve(identity));
  return identity;
}

function hashApiKey(key: string): string {
  return hash('sha256', key, 'hex');
}

/**
 * Bytes of 248 and more are thrown away: 256 is not a multiple of 62, and their remainders would
 * make some characters likelier.
 */
function randomBase62(ctx: Context, length: number): string {
  const limit = 256 - (256 % BASE62.length);
  let text = '';
  while (text.length < length) {
    for (const byte of ctx.randomBytes(length)) {
      if (byte < limit && text.length < length) text += BASE62.charAt(byte % BASE62.length);
    }
  }
  return text;
}

/**
 * Holds back whoever else wants to change what belongs to the store, until the transaction ends.
 * @returns whether there is such a store
 */
export function lockStore(trx: Transaction, storeId: string): Promise<boolean> {
  return lockStoreRow(trx, storeId);
}
