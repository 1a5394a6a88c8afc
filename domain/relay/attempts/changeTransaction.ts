import type { Context } from '../../../platform/context.ts';
import { inUnitOfWork } from '../../../platform/unitOfWork.ts';
import type { RelayTransaction } from '../model.ts';
import { lockTransaction, updateTransaction } from './transactionStore.ts';

/** Writes facts about a transaction, in a database transaction of its own. */
export async function changeTransaction(
  ctx: Context,
  transactionId: string,
  facts: Partial<RelayTransaction>,
): Promise<void> {
  await inUnitOfWork(ctx, async ({ trx }) => {
    const current = await lockTransaction(trx, transactionId);
    if (current !== undefined) await updateTransaction(trx, { ...current, ...facts });
  });
}
