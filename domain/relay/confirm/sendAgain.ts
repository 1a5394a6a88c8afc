import type { Context } from '../../../platform/context.ts';
import type { UnitOfWork } from '../../../platform/unitOfWork.ts';
import { promiseWork } from '../../outbox/service.ts';
import type { RelayFailure } from '../../payments/eventData.ts';
import { changeAttempt } from '../attempts/changeAttempt.ts';
import { type LockedAttempt, noteHash } from '../attempts/purpose.ts';

/** Back to waiting for a relayer. @param speaksAgainstBatch the next one it goes in is smaller */
export async function sendAgain(
  ctx: Context,
  unit: UnitOfWork,
  locked: LockedAttempt,
  event: 'provenUnsent' | 'givenUp' | 'returned',
  error: RelayFailure,
  speaksAgainstBatch = false,
): Promise<void> {
  const { attempt } = locked;
  ctx.log.warn(
    { attemptId: attempt.id, transactionId: attempt.transactionId, reason: error.detail },
    'will be sent again',
  );
  const mayStillLand = attempt.mayStillLand || event === 'givenUp';
  const batchFailures = attempt.batchFailures + (speaksAgainstBatch ? 1 : 0);
  await changeAttempt(ctx, unit, attempt, event, {
    facts: { transactionId: null, batchIndex: null, mayStillLand, batchFailures },
  });
  await noteHash(ctx, unit, [locked], null);
  await promiseWork(ctx, unit, [{ queue: 'relay', subjectId: attempt.id }]);
}
