import { AppError, COMMON_ERRORS } from '../shared/errors.ts';
import { isDatabaseAway } from './isDatabaseAway.ts';

/**
 * Commits what arrives at the same time in one transaction: under load the round trips and the
 * disk's flush are shared, at low load an item goes at once and alone. While a group commits, the
 * next one gathers by itself.
 */
export interface GroupCommitOptions<Item> {
  /**
   * On whose account an item waits: the owners' items are taken in turn, and none has more waiting
   * than are free.
   */
  readonly ownerOf: (item: Item) => string;
  /** Transactions at once, those that are tried again among them. */
  readonly lanes: number;
  readonly maxItems: number;
  /**
   * So many must wait before a further transaction is begun beside one: a few are better off in the
   * next, which is only some milliseconds away.
   */
  readonly minItemsBeside: number;
  /**
   * When so many wait, a further one is refused: whoever comes then would wait for longer than a
   * caller does.
   */
  readonly maxWaiting: number;
}

/** Nobody waits longer than this for others to come: what commits may be held up by a lock. */
const PATIENCE_MS = 10;

/**
 * What a commit of several fails with when it knows on whose account: the others may be committed
 * without these.
 */
export class ItemsFailed<Item> extends Error {
  override readonly name = 'ItemsFailed';
  readonly failures: ReadonlyMap<Item, unknown>;

  constructor(failures: ReadonlyMap<Item, unknown>) {
    super(`${failures.size} items of a group cannot be committed`);
    this.failures = failures;
  }
}

interface Waiting<Item> {
  readonly since: number;
  readonly item: Item;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * @param commit commits all of the items or none of them; throws ItemsFailed when it knows on whose
 *   account it fails
 * @returns adds an item; resolves once it has committed. None suffers from another's error: those
 *   on whose account a group fails are left out, and the others are committed together. Where
 *   nobody knows who it was, the group is halved until it shows. Each try takes the place of the
 *   one before it, so that no more than `lanes` transactions are under way.
 * @throws AppError `COMMON_ERRORS.busy` when `maxWaiting` items wait, or too many of the same owner
 */
export function createGroupCommit<Item>(
  commit: (items: readonly Item[]) => Promise<void>,
  { ownerOf, lanes, maxItems, minItemsBeside, maxWaiting }: GroupCommitOptions<Item>,
): (item: Item) => Promise<void> {
  /** By owner, in the order of their turns; no owner without items. */
  const queues = new Map<string, Waiting<Item>[]>();
  let waiting = 0;
  let busyLanes = 0;
  let patience: NodeJS.Timeout | undefined;

  function takeGroup(): void {
    if (waiting === 0 || busyLanes >= lanes) return;
    const patienceLeftMs =
      busyLanes === 0 || waiting >= minItemsBeside
        ? 0
        : sinceOfOldest() + PATIENCE_MS - performance.now();
    if (patienceLeftMs > 0) {
      patience ??= setTimeout(() => {
        patience = undefined;
        takeGroup();
      }, patienceLeftMs);
      return;
    }
    const group = takeInTurn();
    busyLanes++;
    void commitGroup(group).finally(() => {
      busyLanes--;
      takeGroup();
    });
  }

  function sinceOfOldest(): number {
    return Math.min(...[...queues.values()].map(([oldest]) => oldest?.since ?? Infinity));
  }

  /** One of each owner's, again and again, beginning with whoever was not served last. */
  function takeInTurn(): Waiting<Item>[] {
    const group: Waiting<Item>[] = [];
    while (group.length < maxItems) {
      const [turn] = queues;
      if (turn === undefined) break;
      const [owner, queue] = turn;
      const next = queue.shift();
      queues.delete(owner);
      if (queue.length > 0) queues.set(owner, queue);
      if (next !== undefined) group.push(next);
    }
    waiting -= group.length;
    return group;
  }

  async function commitGroup(group: readonly Waiting<Item>[]): Promise<void> {
    try {
      await commit(group.map(({ item }) => item));
      for (const { resolve } of group) resolve();
    } catch (error) {
      const failures =
        error instanceof ItemsFailed ? (error.failures as ReadonlyMap<Item, unknown>) : undefined;
      const blameless =
        failures === undefined ? group : group.filter(({ item }) => !failures.has(item));
      if (failures !== undefined && blameless.length < group.length) {
        for (const { item, reject } of group) if (failures.has(item)) reject(failures.get(item));
        if (blameless.length > 0) await commitGroup(blameless);
      } else if (group.length === 1 || isDatabaseAway(error)) {
        // That the database does not answer is nobody's fault, and every half would find out again.
        for (const { reject } of group) reject(error);
      } else {
        const middle = Math.ceil(group.length / 2);
        await commitGroup(group.slice(0, middle));
        await commitGroup(group.slice(middle));
      }
    }
  }

  return (item) => {
    const owner = ownerOf(item);
    const queue = queues.get(owner) ?? [];
    if (waiting >= maxWaiting || queue.length >= Math.max(1, maxWaiting - waiting)) {
      const detail = `${queue.length} others of the store's wait to be saved already.`;
      return Promise.reject(
        new AppError(COMMON_ERRORS.busy, { detail, retryAfterSeconds: RETRY_AFTER_SECONDS }),
      );
    }
    return new Promise((resolve, reject) => {
      queue.push({ since: performance.now(), item, resolve, reject });
      queues.set(owner, queue);
      waiting++;
      // What arrives in the same turn of the event loop goes together.
      setImmediate(takeGroup);
    });
  };
}

/** A full queue is worked off in about that time. */
const RETRY_AFTER_SECONDS = 1;
