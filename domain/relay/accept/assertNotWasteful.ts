import type { Context } from '../../../platform/context.ts';
import type { Transaction } from '../../../platform/db.ts';
import { findChainConfig } from '../../chain/service.ts';
import { startOfWasteWindow } from '../waste/decideWaste.ts';
import { findWasteRefusal } from '../waste/findWasteRefusal.ts';
import type { RelayAttempt } from '../model.ts';
import { wasteHoldersOf } from '../waste/wasteHolders.ts';
import { readWaste } from '../waste/wasteStore.ts';

/**
 * Refuses a request that would follow too many which were mined and did nothing: of its signer, of
 * its payment or refund, of its store.
 * @throws AppError backOff (with the time to wait), payDirectly
 */
export async function assertNotWasteful(
  ctx: Context,
  db: Transaction,
  request: Pick<RelayAttempt, 'signed' | 'paymentId' | 'refundId' | 'storeId' | 'chainId'>,
): Promise<void> {
  const { chainId } = request;
  const limits = findChainConfig(ctx, chainId)?.relayLimits;
  if (limits === undefined) return;
  const now = ctx.clock.now();
  const holders = wasteHoldersOf(request).map(({ holder }) => holder);
  const wasted = await readWaste(db, { chainId, holders, since: startOfWasteWindow(now) });
  const refusal = findWasteRefusal(request, { wasted, limits, now });
  if (refusal !== undefined) throw refusal.error;
}
