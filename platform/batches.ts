import DataLoader from 'dataloader';

/** Small enough for one statement's placeholders, larger than what arrives in a turn. */
const MAX_BATCH = 100;

/** Does together what is asked of the same owner (a database, a transaction) in one turn of the event loop. */
export interface Batches<Owner extends object, Item, Result> {
  /** Fails when its batch does. */
  add(owner: Owner, item: Item): Promise<Result>;
}

/** @param work returns a result for each item, in their order */
export function createBatches<Owner extends object, Item, Result>(
  work: (owner: Owner, items: readonly Item[]) => Promise<Result[]>,
): Batches<Owner, Item, Result> {
  const loaders = new WeakMap<Owner, DataLoader<Item, Result>>();
  return {
    add(owner, item) {
      let loader = loaders.get(owner);
      if (loader === undefined) {
        // Only for its batches: nothing is remembered.
        loader = new DataLoader((items) => work(owner, items), { cache: false, maxBatchSize: MAX_BATCH, batchScheduleFn: setImmediate });
        loaders.set(owner, loader);
      }
      return loader.load(item);
    },
  };
}
