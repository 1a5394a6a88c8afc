import type { Context } from '../../platform/context.ts';
import { startOfWasteWindow } from './waste/decideWaste.ts';
import { listStoreWaste, type StoreWaste } from './waste/wasteStore.ts';

/** The memory of wasted gas, for operators and for maintenance. */

/** More stores than this would make a metric of too many series. */
const SHOWN_STORES = 50;

/** What stores have wasted in the window, the costliest first. */
export function reportStoreWaste(ctx: Context): Promise<StoreWaste[]> {
  return listStoreWaste(ctx.db, startOfWasteWindow(ctx.clock.now()), SHOWN_STORES);
}
