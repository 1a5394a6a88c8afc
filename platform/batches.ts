import DataLoader from 'dataloader';

/** Small enough for one statement's placeholders, larger than what arrives in a turn. */
const MAX_BATCH = 100;

/**
 * Does together what is asked of the same owner (a database, a transaction) in one turn of the
 * event loop.
 */
export interface Batches<Owner extends object, Item, Result> {
  /** Fails when its batch does, or with the error that is its own result. */
  add(owner: Owner, item: Item): Promise<Result>;
}

/**
 * @param work returns a result for each item, in their order; an Error where only that item failed
 * @param options.inTurn an owner's batches run one after the other, and none after one that failed.
 *   For transactions: a deadlock ends the whole transaction, and a statement that is already on its
 *   way to the server would then be executed, and committed, by itself
 * @param options.atOnce the most batches of one owner that are on their way at once; what comes
 *   meanwhile waits, and goes together. Not with `inTurn`
 */
export function createBatches<Owner extends object, Item, Result>(
  work: (owner: Owner, items: readonly Item[]) => Promise<(Result | Error)[]>,
  options: { readonly inTurn: boolean; readonly atOnce?: number },
): Batches<Owner, Item, Result> {
  const lastOf = new WeakMap<Owner, Promise<unknown>>();
  const workInTurn: typeof work = (owner, items) => {
    const turn = (lastOf.get(owner) ?? Promise.resolve()).then(() => work(owner, items));
    lastOf.set(owner, turn);
    return turn;
  };
  const perform = options.inTurn ? workInTurn : work;
  const loaders = new WeakMap<Owner, DataLoader<Item, Result>>();
  return {
    add(owner, item) {
      let loader = loaders.get(owner);
      if (loader === undefined) {
        const { schedule, whileRunning } = createSlots(options.atOnce ?? Infinity);
        // Only for its batches: nothing is remembered.
        loader = new DataLoader((items) => whileRunning(() => perform(owner, items)), {
          cache: false,
          maxBatchSize: MAX_BATCH,
          batchScheduleFn: schedule,
        });
        loaders.set(owner, loader);
      }
      return loader.load(item);
    },
  };
}

/** A batch takes a slot when it is dispatched, and fills up until it gets one. */
function createSlots(limit: number) {
  let running = 0;
  const waiting: (() => void)[] = [];
  return {
    schedule(dispatch: () => void): void {
      setImmediate(() => {
        if (running >= limit) {
          waiting.push(dispatch);
          return;
        }
        running++;
        dispatch();
      });
    },
    async whileRunning<T>(work: () => Promise<T>): Promise<T> {
      try {
        return await work();
      } finally {
        const next = waiting.shift();
        if (next === undefined) running--;
        else next();
      }
    },
  };
}
