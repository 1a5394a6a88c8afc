import type { Context } from '../../../platform/context.ts';
import { createRecentMemory, type RecentMemory } from '../../../shared/createRecentMemory.ts';
import type { FlyingAttempt } from './flyingStore.ts';

/**
 * Whose permit was found to be the next one of its account, as of the blocks that hold the requests
 * before it. No node can be behind that, so it need not wait until every node has those blocks. It
 * is found while a batch is chosen, and holds when its intent is saved a moment later, as long as
 * those requests are where they were. Each process remembers what it found itself.
 */

const MOST_REMEMBERED = 5_000;
const memories = new WeakMap<Context['db'], RecentMemory<ReadonlySet<string>>>();

function memoryOf(ctx: Context): RecentMemory<ReadonlySet<string>> {
  let memory = memories.get(ctx.db);
  if (memory === undefined) {
    memory = createRecentMemory(MOST_REMEMBERED);
    memories.set(ctx.db, memory);
  }
  return memory;
}

/** @param others as they were when the chain was asked */
export function noteDuePermit(
  ctx: Context,
  attemptId: string,
  others: readonly FlyingAttempt[],
): void {
  memoryOf(ctx).set(attemptId, new Set(others.map(placeOf)));
}

/** Whether it was found so beside this one, which is where it was then. */
export function wasPermitDue(ctx: Context, attemptId: string, other: FlyingAttempt): boolean {
  return memoryOf(ctx).get(attemptId)?.has(placeOf(other)) ?? false;
}

function placeOf({ id, status, changedAt, transactionId }: FlyingAttempt): string {
  return `${id} ${status} ${changedAt.getTime()} ${transactionId ?? ''}`;
}
