import type { Context } from '../../platform/context.ts';
import { type AttemptCount, countAttemptsByStatus } from './attempts/attemptStore.ts';

/** How many attempts are in each status that is not an end, by chain and rail. */
export function countOpenAttempts(ctx: Context): Promise<AttemptCount[]> {
  return countAttemptsByStatus(ctx.db);
}
