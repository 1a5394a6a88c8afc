import type { Transaction } from '../../platform/db.ts';
import type { OutboxQueue, OutboxRow } from './model.ts';
import { listStoresWithWork, lockPublishableRows, lockPublishableRowsOfStore } from './store.ts';

/**
 * Which rows of a queue are published next. The oldest go first. When more is due than one
 * transaction takes, as after an outage, stores that come later would wait for all that one store
 * has waiting: so each transaction then takes rows of other stores as well, of all of them in turn.
 */

/** So many stores are looked at in one transaction, each at its oldest row in an index. */
const STORES_LOOKED_AT = 500;
/** Of so many of them rows are taken. */
const STORES_SERVED = 20;
/** What takes no turns by store: rows of processes of an older version. */
const NO_STORE = '';

/** After which store each queue goes on. A process's own: another one's turns may be others. */
export type StoreTurns = Map<OutboxQueue, string>;

/**
 * Locks rows that are due; rows that another publisher has locked are left to it.
 * @param limit of the oldest ones, and of those of other stores
 * @returns others' rows first; `limit` or more when there may be further ones
 */
export async function lockFairly(
  trx: Transaction,
  queue: OutboxQueue,
  now: Date,
  limit: number,
  turns: StoreTurns,
): Promise<OutboxRow[]> {
  const oldest = await lockPublishableRows(trx, queue, now, limit);
  if (oldest.length < limit) return oldest;

  const after = turns.get(queue) ?? NO_STORE;
  const stores = await listStoresWithWork(trx, queue, after, STORES_LOOKED_AT);
  const isDue = ({ oldestPublishAt }: { readonly oldestPublishAt: Date | null }) =>
    oldestPublishAt !== null && oldestPublishAt <= now;
  const due = stores.filter(isDue).slice(0, STORES_SERVED);
  // With all of those that are due served, it goes on after the last one looked at; at the end,
  // with the first.
  const isEnd = stores.length < STORES_LOOKED_AT;
  const last = due.length === STORES_SERVED ? due.at(-1) : isEnd ? undefined : stores.at(-1);
  turns.set(queue, last?.storeId ?? NO_STORE);

  const waiting = [NO_STORE, ...due.map(({ storeId }) => storeId)];
  const share = Math.ceil(limit / waiting.length);
  const others: OutboxRow[] = [];
  for (const storeId of waiting) {
    const has = oldest.filter((row) => row.storeId === storeId).length;
    if (has < share)
      others.push(
        ...(await lockPublishableRowsOfStore(trx, { queue, storeId, now, limit: share })),
      );
  }
  const locked = new Set(oldest.map(({ id }) => id));
  return [...others.filter(({ id }) => !locked.has(id)), ...oldest];
}
