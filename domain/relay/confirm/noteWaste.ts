import type { Context } from '../../../platform/context.ts';
import type { UnitOfWork } from '../../../platform/unitOfWork.ts';
import type { Blame } from '../waste/decideWaste.ts';
import type { RelayAttempt } from '../model.ts';
import { wasteHoldersFor } from '../waste/wasteHolders.ts';
import { addWaste } from '../waste/wasteStore.ts';

/**
 * Remembers, in the transaction that decides about the attempt, that it was mined and did nothing.
 * @param input.gasCost wei, what it cost this time
 */
export async function noteWaste(
  ctx: Context,
  unit: UnitOfWork,
  attempt: RelayAttempt,
  input: { readonly blame: Blame; readonly gasCost: bigint },
): Promise<void> {
  const { blame, gasCost } = input;
  ctx.log.warn(
    { attemptId: attempt.id, storeId: attempt.storeId, blame, gasCost: gasCost.toString() },
    'gas was wasted',
  );
  const holders = wasteHoldersFor(attempt, blame);
  if (holders.length > 0)
    await addWaste(unit.trx, { chainId: attempt.chainId, holders, at: ctx.clock.now(), gasCost });
}
