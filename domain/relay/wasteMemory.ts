import type { Context } from '../../platform/context.ts';
import { inTransaction } from '../../platform/db.ts';
import { startOfWasteWindow } from './waste/decideWaste.ts';
import { lateHolderOf } from './waste/wasteHolders.ts';
import {
  deleteWasteBefore,
  deleteWasteOf,
  listStoreWaste,
  type StoreWaste,
} from './waste/wasteStore.ts';

/** The memory of wasted gas, for operators and for maintenance. */

/** More stores than this would make a metric of too many series. */
const SHOWN_STORES = 50;
const DELETE_CHUNK = 1_000;

/** What stores have wasted in the window, the costliest first. */
export function reportStoreWaste(ctx: Context): Promise<StoreWaste[]> {
  return listStoreWaste(ctx.db, startOfWasteWindow(ctx.clock.now()), SHOWN_STORES);
}

/**
 * Ends a back-off, or takes a "pay directly" back: what this payer, merchant, payment, refund or
 * store has wasted on the chain is forgotten.
 * @returns how many failures were forgotten
 */
export async function liftBackOff(
  ctx: Context,
  input: { readonly chainId: number; readonly holder: string },
): Promise<number> {
  const { chainId, holder } = input;
  const forgotten = await inTransaction(ctx.db, async (trx) => {
    const failed = await deleteWasteOf(trx, chainId, holder);
    return failed + (await deleteWasteOf(trx, chainId, lateHolderOf(holder)));
  });
  ctx.log.info({ ...input, forgotten }, 'a back-off was lifted');
  return forgotten;
}

/** In chunks, so that no statement holds many locks. @returns how many rows that count no more */
export async function deleteOldWaste(ctx: Context): Promise<number> {
  const before = startOfWasteWindow(ctx.clock.now());
  for (let total = 0; ;) {
    const deleted = await deleteWasteBefore(ctx.db, before, DELETE_CHUNK);
    total += deleted;
    if (deleted < DELETE_CHUNK) return total;
  }
}
