import type { Context } from '../../platform/context.ts';
import { addMs } from '../../shared/clock.ts';
import { findCursor } from '../chain/store.ts';
import { countOverdueRefunds } from '../refunds/service.ts';
import { countOverdueCompletions } from './store.ts';

/** RPC URLs of one chain agree within seconds, and one that is stuck has no say after a minute, of two, or where two others go on. */
const OVERDUE_MS = 5 * 60_000;

/** Payments and refunds of a chain that should be completed. */
export interface OverdueCompletions {
  readonly chainId: number;
  readonly payments: number;
  readonly refunds: number;
}

/** One for each configured chain: what is in blocks that are final and scanned, and has waited for five minutes all the same. For those that watch. */
export async function reportOverdueCompletions(ctx: Context): Promise<OverdueCompletions[]> {
  const unchangedSince = addMs(ctx.clock.now(), -OVERDUE_MS);
  return Promise.all(
    ctx.config.chains.map(async ({ chainId }) => {
      const maxBlock = (await findCursor(ctx.db, chainId))?.settled?.block;
      if (maxBlock === undefined) return { chainId, payments: 0, refunds: 0 };
      const wanted = { chainId, maxBlock, unchangedSince };
      return { chainId, payments: await countOverdueCompletions(ctx.db, wanted), refunds: await countOverdueRefunds(ctx, wanted) };
    }),
  );
}

/** Work of maintenance: an error line for each chain with the field `alert`, at every check for as long as it lasts. */
export async function checkCompletions(ctx: Context): Promise<void> {
  for (const overdue of await reportOverdueCompletions(ctx)) {
    if (overdue.payments + overdue.refunds === 0) continue;
    const facts = { alert: 'completions_overdue', ...overdue };
    ctx.log.error(facts, 'payments or refunds are final, as one RPC URL says, and not completed: the others do not agree, or none answers');
  }
}
