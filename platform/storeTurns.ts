import { AppError, COMMON_ERRORS } from '../shared/errors.ts';
import type { Database } from './db.ts';

/**
 * Transactions of one store at once in one process. They wait for each other's locks (of a payment,
 * of what the store may still relay), and each would do so with a connection of the pool: one store
 * with many requests would leave none to the others. So all but two wait in memory, in the order in
 * which they came; two, so that one's statements go beside the other's commit.
 */
const AT_ONCE = 2;

/**
 * How many of a store may wait, in one process: what takes some seconds when nothing holds them up.
 * More would take memory, and be done long after their callers had left.
 */
const MAX_WAITING = 500;
const RETRY_AFTER_SECONDS = 1;

interface StoreQueue {
  running: number;
  readonly waiting: (() => void)[];
}

const queuesByDatabase = new WeakMap<Database, Map<string, StoreQueue>>();

/**
 * Does `work`, a transaction of the store's and nothing besides, when it is its turn; a unit of
 * work asks for that by its `turnOf`. Not from within such work: it would wait for itself. Only for
 * what a caller sends again: nothing that was promised may be refused.
 * @throws AppError `COMMON_ERRORS.busy` when too many of the store's wait; nothing was done then
 */
export async function inStoreTurn<T>(
  db: Database,
  storeId: string,
  work: () => Promise<T>,
): Promise<T> {
  const queues = queuesByDatabase.get(db) ?? new Map<string, StoreQueue>();
  queuesByDatabase.set(db, queues);
  const queue = queues.get(storeId) ?? { running: 0, waiting: [] };
  queues.set(storeId, queue);
  if (queue.running < AT_ONCE) queue.running++;
  else await waitForTurn(queue);
  try {
    return await work();
  } finally {
    const next = queue.waiting.shift();
    // Its place is handed on.
    if (next !== undefined) next();
    else if (--queue.running === 0) queues.delete(storeId);
  }
}

async function waitForTurn({ waiting }: StoreQueue): Promise<void> {
  if (waiting.length >= MAX_WAITING) {
    const detail = `${waiting.length} others of the store's wait already.`;
    throw new AppError(COMMON_ERRORS.busy, { detail, retryAfterSeconds: RETRY_AFTER_SECONDS });
  }
  await new Promise<void>((resolve) => waiting.push(resolve));
}
