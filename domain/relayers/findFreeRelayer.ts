import type { Context } from '../../platform/context.ts';
import type { Database, Transaction } from '../../platform/db.ts';
import { addMs } from '../../shared/clock.ts';
import { RATE_WINDOW_MS } from './model.ts';
import type { ReadLoads } from './ReadLoads.ts';
import { countedOf, relayersOf, toCandidates } from './state/candidates.ts';
import { decideRelayer } from './state/decideRelayer.ts';
import { listRelayers } from './state/relayerStore.ts';

/** Which relayer may take a transaction now: one, or how long until one may. */
export type FreeRelayer = { readonly relayerId: string } | { readonly waitMs: number };

/** A look without a lock; `takeFreeRelayer` decides. */
export async function findFreeRelayer(
  ctx: Context,
  readLoads: ReadLoads,
  chainId: number,
  db: Database | Transaction = ctx.db,
): Promise<FreeRelayer> {
  const configs = relayersOf(ctx, chainId);
  const ids = configs.map(({ id }) => id);
  const now = ctx.clock.now();
  const [records, loads] = await Promise.all([
    listRelayers(db, ids),
    readLoads(db, configs.map(countedOf), addMs(now, -RATE_WINDOW_MS)),
  ]);
  return decideRelayer(toCandidates(configs, records, loads), now, ctx.config.relay.stuckAfterMs);
}
