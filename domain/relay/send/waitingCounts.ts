import type { Database, Transaction } from '../../../platform/db.ts';
import type { Context } from '../../../platform/context.ts';
import { createRecentMemory, type RecentMemory } from '../../../shared/createRecentMemory.ts';
import { countWaiting, countWaitingOfStore } from '../attempts/dispatchStore.ts';

/**
 * How many wait on a chain, or of one store there, counted by this process a moment ago. Each of
 * those that wait asks for it at each of its looks, and counting reads an entry for each of them:
 * of few it is counted anew, of many it is remembered for as long as it takes that many not to be
 * news.
 */
const REMEMBERED_MS_PER_ENTRY = 0.1;
/** Chains, and stores on them. */
const MOST_REMEMBERED = 5_000;

interface Count {
  readonly count: number;
  readonly countedAt: number;
  readonly isBeingCounted: boolean;
}

const memories = new WeakMap<Context['db'], RecentMemory<Count>>();

/**
 * Once it is known, some ten thousand entries a second are read for each chain in each process,
 * however many wait and ask.
 * @param db a transaction's own, where there is one
 */
export function countWaitingLately(
  ctx: Context,
  db: Database | Transaction,
  chainId: number,
): Promise<number> {
  return countLately(ctx, String(chainId), () => countWaiting(db, chainId));
}

/** Likewise, for each store. */
export function countWaitingOfStoreLately(
  ctx: Context,
  chainId: number,
  storeId: string,
): Promise<number> {
  return countLately(ctx, `${chainId} ${storeId}`, () =>
    countWaitingOfStore(ctx.db, { chainId, storeId }),
  );
}

async function countLately(
  ctx: Context,
  key: string,
  countNow: () => Promise<number>,
): Promise<number> {
  let memory = memories.get(ctx.db);
  if (memory === undefined) {
    memory = createRecentMemory(MOST_REMEMBERED);
    memories.set(ctx.db, memory);
  }
  const known = memory.get(key);
  if (known !== undefined) {
    const isFresh = performance.now() - known.countedAt < known.count * REMEMBERED_MS_PER_ENTRY;
    // Whoever asks while one counts goes by what was known: many may ask at the same moment, some
    // of them with rows locked.
    if (isFresh || known.isBeingCounted) return known.count;
    memory.set(key, { ...known, isBeingCounted: true });
  }
  try {
    const count = await countNow();
    memory.set(key, { count, countedAt: performance.now(), isBeingCounted: false });
    return count;
  } catch (error) {
    if (known !== undefined) memory.set(key, known);
    throw error;
  }
}
