import type { Context } from '../../platform/context.ts';
import { addMs } from '../../shared/clock.ts';
import { getChain } from '../chain/service.ts';
import { findCursor } from '../chain/store.ts';
import { countOverdueRefunds } from '../refunds/service.ts';
import { countOverdueCompletions } from '../payments/store.ts';

/**
 * RPC URLs of one chain agree within seconds, and one that is stuck has no say after a minute, of
 * two, or where two others go on.
 */
const OVERDUE_MS = 5 * 60_000;
/**
 * Of a chain that says itself what is final: it takes some 20 minutes at most while all is well.
 */
const MOST_FINALITY_MS = 25 * 60_000;
/**
 * While one that is not away is not heard by then, or none is, the time counts: it may be what is
 * stuck.
 */
const ANSWER_MS = 5_000;

/** Payments and refunds of a chain that should be completed. */
export interface OverdueCompletions {
  readonly chainId: number;
  readonly payments: number;
  readonly refunds: number;
}

/**
 * One for each configured chain: what is in blocks that are scanned and final, and has waited for
 * five minutes all the same. For those that watch.
 */
export async function reportOverdueCompletions(ctx: Context): Promise<OverdueCompletions[]> {
  return Promise.all(
    ctx.config.chains.map(async ({ chainId, confirmations, blockTimeMs }) => {
      const cursor = await findCursor(ctx.db, chainId);
      const scanned = cursor === undefined ? -1n : cursor.nextBlock - 1n;
      const maxBlock =
        confirmations === 'finalized' ? scanned : scanned - BigInt(confirmations) + 1n;
      const finalAfterMs =
        confirmations === 'finalized' ? MOST_FINALITY_MS : confirmations * blockTimeMs;
      if (maxBlock < 0n) return { chainId, payments: 0, refunds: 0 };
      const unchangedSince = addMs(ctx.clock.now(), -finalAfterMs - OVERDUE_MS);
      const count = async (until: bigint) => {
        const wanted = { chainId, maxBlock: until, unchangedSince };
        return {
          payments: await countOverdueCompletions(ctx.db, wanted),
          refunds: await countOverdueRefunds(ctx, wanted),
        };
      };
      const counted = await count(maxBlock);
      if (confirmations !== 'finalized' || counted.payments + counted.refunds === 0)
        return { chainId, ...counted };
      // A chain may take hours. Of several URLs the furthest counts: one that stands still keeps
      // completions waiting, which is what is to be told.
      const chain = getChain(ctx, chainId);
      const { numbers, late } = await chain.listFinalNumbers(ANSWER_MS);
      const away = new Set(chain.listAwayUrls());
      const [first, ...others] = numbers;
      if (first === undefined || late.some((urlIndex) => !away.has(urlIndex)))
        return { chainId, ...counted };
      const furthest = others.reduce((most, number) => (number > most ? number : most), first);
      return { chainId, ...(furthest < maxBlock ? await count(furthest) : counted) };
    }),
  );
}

/**
 * Work of maintenance: an error line for each chain with the field `alert`, at every check for as
 * long as it lasts.
 */
export async function checkCompletions(ctx: Context): Promise<void> {
  for (const overdue of await reportOverdueCompletions(ctx)) {
    if (overdue.payments + overdue.refunds === 0) continue;
    const facts = { alert: 'completions_overdue', ...overdue };
    ctx.log.error(
      facts,
      'payments or refunds are final and not completed: RPC URLs do not agree on that, stand still, or do not answer',
    );
  }
}
