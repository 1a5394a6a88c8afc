import type { Context } from '../../../platform/context.ts';
import { inUnitOfWork, type UnitOfWork } from '../../../platform/unitOfWork.ts';
import { addMs } from '../../../shared/clock.ts';
import { blockTimeMsOf, findChainConfig } from '../../chain/service.ts';
import { DONE, later, type WorkResult } from '../../outbox/model.ts';
import { promiseWork } from '../../outbox/service.ts';
import { listAttemptsOfTransaction } from '../attempts/attemptStore.ts';
import { changeAttempt, changeAttempts } from '../attempts/changeAttempt.ts';
import { decideNextLook } from '../attempts/decideNextLook.ts';
import { RELAY_ERRORS } from '../errors.ts';
import type { RelayTransaction } from '../model.ts';
import type { SendOutcome } from '../../relayers/ports.ts';
import { recordProviderTransaction } from '../attempts/recordProviderTransaction.ts';
import { failPurpose, lockWithPurposes, type LockedAttempt } from '../attempts/purpose.ts';
import { deleteTransaction } from '../attempts/transactionStore.ts';

/**
 * Saves what came of handing a transaction to its relayer, for every attempt in it.
 * @param leaderId the attempt whose job this is; the others' jobs have ended, or will find nothing
 *   to do
 */
export async function saveOutcome(
  ctx: Context,
  transaction: RelayTransaction,
  outcome: SendOutcome,
  leaderId: string,
): Promise<WorkResult> {
  return inUnitOfWork(ctx, async (unit) => {
    const carried = await lockWithPurposes(
      unit,
      await listAttemptsOfTransaction(unit.trx, transaction.id),
    );
    // A slow answer: another worker has meanwhile treated the send as interrupted and is finding
    // out. What we know helps it.
    const ours = carried.filter(
      ({ attempt }) => attempt.status === 'submitting' && attempt.transactionId === transaction.id,
    );
    const now = ctx.clock.now();
    switch (outcome.kind) {
      case 'accepted':
        await recordProviderTransaction(ctx, unit, transaction.id, outcome.transaction);
        if (ours.length > 0) {
          const runAt = decideNextLook(now, blockTimeMsOf(ctx, transaction.chainId));
          await promiseWork(ctx, unit, [{ queue: 'confirm', subjectId: transaction.id, runAt }]);
        }
        return DONE;
      case 'ambiguous':
        await changeAttempts(
          ctx,
          unit,
          ours.map(({ attempt }) => ({ attempt, event: 'ambiguous' })),
        );
        if (ours.length > 0)
          await promiseWork(ctx, unit, [{ queue: 'confirm', subjectId: transaction.id }]);
        return DONE;
      case 'refused': {
        if (ours.length === 0) return DONE;
        // Nothing was sent, so it does not count. With another relayer they may go at once.
        const hasOthers = (findChainConfig(ctx, transaction.chainId)?.relayers.length ?? 0) > 1;
        const retryAt = hasOthers ? now : addMs(now, outcome.retryAfterMs);
        await changeAttempts(
          ctx,
          unit,
          ours.map(({ attempt }) => {
            const facts = { transactionId: null, batchIndex: null, sends: attempt.sends - 1 };
            return { attempt, event: 'refused', facts };
          }),
        );
        if (ours.length === carried.length) await deleteTransaction(unit.trx, transaction.id);
        return waitAgain(unit, ours, retryAt);
      }
      case 'rejected': {
        if (transaction.items > 1) {
          // It may be the size, or one of them: they go on in smaller transactions.
          await changeAttempts(
            ctx,
            unit,
            ours.map(({ attempt }) => {
              const facts = {
                transactionId: null,
                batchIndex: null,
                batchFailures: attempt.batchFailures + 1,
              };
              return { attempt, event: 'refused', facts };
            }),
          );
          return waitAgain(unit, ours, now);
        }
        const error = {
          code: RELAY_ERRORS.notSent.code,
          detail: `The relayer refused the transaction: ${outcome.reason}`,
        };
        for (const locked of ours) {
          const { attempt } = locked;
          if (attempt.mayStillLand) {
            await changeAttempt(ctx, unit, attempt, 'refused', {
              facts: { transactionId: null, batchIndex: null },
            });
            return waitAgain(
              unit,
              ours,
              decideNextLook(now, blockTimeMsOf(ctx, transaction.chainId)),
            );
          }
          await changeAttempt(ctx, unit, attempt, 'failed', { error });
          await failPurpose(ctx, unit, locked, error);
        }
        return DONE;
      }
    }
  });

  async function waitAgain(
    unit: UnitOfWork,
    waiting: readonly LockedAttempt[],
    runAt: Date,
  ): Promise<WorkResult> {
    const ids = waiting.map(({ attempt }) => attempt.id);
    await promiseWork(
      ctx,
      unit,
      ids
        .filter((id) => id !== leaderId)
        .map((subjectId) => ({ queue: 'relay' as const, subjectId, runAt })),
    );
    return ids.includes(leaderId) ? later(runAt) : DONE;
  }
}
