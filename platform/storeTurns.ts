import type { Database } from './db.ts';

/**
 * Transactions of one store at once in one process. They wait for each other's locks (of a payment, of what the store may still relay), and each would do so
 * with a connection of the pool: one store with many requests would leave none to the others. So all but two wait in memory, in the order in which they came;
 * two, so that one's statements go beside the other's commit.
 */
const AT_ONCE = 2;

interface StoreQueue {
  running: number;
  readonly waiting: (() => void)[];
}

const queuesByDatabase = new WeakMap<Database, Map<string, StoreQueue>>();

/** Does `work`, a transaction of the store's, when it is its turn. Not from within such work: it would wait for itself. */
export async function inStoreTurn<T>(db: Database, storeId: string, work: () => Promise<T>): Promise<T> {
  const queues = queuesByDatabase.get(db) ?? new Map<string, StoreQueue>();
  queuesByDatabase.set(db, queues);
  const queue = queues.get(storeId) ?? { running: 0, waiting: [] };
  queues.set(storeId, queue);
  if (queue.running < AT_ONCE) queue.running++;
  else await new Promise<void>((resolve) => queue.waiting.push(resolve));
  try {
    return await work();
  } finally {
    const next = queue.waiting.shift();
    // Its place is handed on.
    if (next !== undefined) next();
    else if (--queue.running === 0) queues.delete(storeId);
  }
}
