import type { Context } from '../../platform/context.ts';
import { inTransaction } from '../../platform/db.ts';
import { lateHolderOf } from './waste/wasteHolders.ts';
import { deleteWasteOf } from './waste/wasteStore.ts';

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
