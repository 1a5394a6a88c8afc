import type { Database } from './db.ts';
import { inStoreTurn } from './storeTurns.ts';

/**
 * Does `work`, which reads what a store asks for, when it is its turn: the same number at once in
 * one process as of its changes. Many lists of one store at once would leave others neither a
 * connection of the pool nor the event loop, which puts together and checks each answer. In turns
 * of their own, since changes wait for locks, and a reader need not wait for those.
 *
 * Not for what waits for something else meanwhile, a chain or a change: that would hold up the
 * others.
 * @throws AppError `COMMON_ERRORS.busy` when too many of the store's reads wait
 */
export function inStoreReadTurn<T>(
  db: Database,
  storeId: string,
  work: () => Promise<T>,
): Promise<T> {
  return inStoreTurn(db, `reads of ${storeId}`, work);
}
