import type { Database, Transaction } from '../../platform/db.ts';
import type { Context } from '../../platform/context.ts';
import { countWaiting } from './dispatchStore.ts';

/**
 * How many wait on a chain, counted by this process a moment ago. Each of those that wait asks for it at each of its looks, and counting reads an entry for
 * each of them: of few it is counted anew, of many it is remembered for as long as it takes that many not to be news.
 */
const REMEMBERED_MS_PER_ENTRY = 0.1;

interface Count {
  readonly count: number;
  readonly countedAt: number;
}

const counts = new WeakMap<Context['db'], Map<number, Count>>();

/** At most ten thousand entries a second are read for this, however many wait and ask. @param db a transaction's own, where there is one */
export async function countWaitingLately(ctx: Context, db: Database | Transaction, chainId: number): Promise<number> {
  const byChain = counts.get(ctx.db) ?? new Map<number, Count>();
  counts.set(ctx.db, byChain);
  const known = byChain.get(chainId);
  if (known !== undefined && performance.now() - known.countedAt < known.count * REMEMBERED_MS_PER_ENTRY) return known.count;
  const count = await countWaiting(db, chainId);
  byChain.set(chainId, { count, countedAt: performance.now() });
  return count;
}
