/**
 * Commits what arrives at the same time in one transaction: under load the round trips and the disk's flush are shared, at low load an item goes at once
 * and alone. While a group commits, the next one gathers by itself.
 */
export interface GroupCommitOptions {
  /** Transactions at once. */
  readonly lanes: number;
  readonly maxItems: number;
  /** So many must wait before a further transaction is begun beside one: a few are better off in the next, which is only some milliseconds away. */
  readonly minItemsBeside: number;
}

/** Nobody waits longer than this for others to come: what commits may be held up by a lock. */
const PATIENCE_MS = 10;

interface Waiting<Item> {
  readonly since: number;
  readonly item: Item;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * @param commit commits all of the items or none of them
 * @returns adds an item; resolves once it has committed. When a group fails, each of its items is committed alone, so that none suffers from another's error
 */
export function createGroupCommit<Item>(
  commit: (items: readonly Item[]) => Promise<void>,
  { lanes, maxItems, minItemsBeside }: GroupCommitOptions,
): (item: Item) => Promise<void> {
  let waiting: Waiting<Item>[] = [];
  let busyLanes = 0;
  let patience: NodeJS.Timeout | undefined;

  function takeGroup(): void {
    const [oldest] = waiting;
    if (oldest === undefined || busyLanes >= lanes) return;
    const patienceLeftMs = busyLanes === 0 || waiting.length >= minItemsBeside ? 0 : oldest.since + PATIENCE_MS - performance.now();
    if (patienceLeftMs > 0) {
      patience ??= setTimeout(() => {
        patience = undefined;
        takeGroup();
      }, patienceLeftMs);
      return;
    }
    const group = waiting.slice(0, maxItems);
    waiting = waiting.slice(maxItems);
    busyLanes++;
    void commitGroup(group).finally(() => {
      busyLanes--;
      takeGroup();
    });
  }

  async function commitGroup(group: readonly Waiting<Item>[]): Promise<void> {
    try {
      await commit(group.map(({ item }) => item));
      for (const { resolve } of group) resolve();
    } catch (error) {
      const [only] = group;
      if (group.length === 1 && only !== undefined) only.reject(error);
      else await Promise.all(group.map((one) => commit([one.item]).then(one.resolve, one.reject)));
    }
  }

  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ since: performance.now(), item, resolve, reject });
      // What arrives in the same turn of the event loop goes together.
      setImmediate(takeGroup);
    });
}
