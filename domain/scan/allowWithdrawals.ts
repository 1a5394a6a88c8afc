import type { Context } from '../../platform/context.ts';
import { inTransaction } from '../../platform/db.ts';
import { AppError, COMMON_ERRORS } from '../../shared/errors.ts';
import { lockCursor, updateCursor } from '../chain/store.ts';
import { PAYMENT_ERRORS } from '../payments/errors.ts';

/**
 * An operator has looked, and the chain is right: its scan may withdraw so many payments and
 * refunds until it has followed the reorganisation that it is at to the end.
 * @param input.count all of them, those that it has withdrawn already included
 * @throws AppError notFound: the chain was never scanned; stateConflict: there is nothing to
 *   withdraw
 */
export async function allowWithdrawals(
  ctx: Context,
  input: { readonly chainId: number; readonly count: number },
): Promise<{ readonly allowed: number; readonly withdrawn: number }> {
  return inTransaction(ctx.db, async (trx) => {
    const cursor = await lockCursor(trx, input.chainId);
    if (cursor === undefined)
      throw new AppError(COMMON_ERRORS.notFound, {
        detail: `Chain ${input.chainId} was never scanned.`,
      });
    if (cursor.withdraw === null)
      throw new AppError(PAYMENT_ERRORS.stateConflict, {
        detail: 'The scan has nothing to withdraw.',
      });
    await updateCursor(trx, { ...cursor, withdrawalsAllowed: input.count }, ctx.clock.now());
    return { allowed: input.count, withdrawn: cursor.withdrawn };
  });
}
