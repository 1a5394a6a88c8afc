import type { Context } from '../../platform/context.ts';
import { inUnitOfWork } from '../../platform/unitOfWork.ts';
import { addMs } from '../../shared/clock.ts';
import { promiseWork } from '../outbox/service.ts';
import { listForgottenAttempts } from './attempts/attemptStore.ts';

/**
 * An attempt that is live with no work promised for it would wait for ever; none should be, and
 * none stays so.
 */
const FORGOTTEN_AFTER_MS = 60_000;

/** @returns how many attempts were taken up again */
export async function recoverForgottenAttempts(ctx: Context): Promise<number> {
  const now = ctx.clock.now();
  const attempts = await listForgottenAttempts(ctx.db, addMs(now, -FORGOTTEN_AFTER_MS), 100);
  if (attempts.length === 0) return 0;
  ctx.log.warn(
    { attemptIds: attempts.map((attempt) => attempt.id) },
    'relay attempts without promised work are taken up again',
  );
  await inUnitOfWork(ctx, (unit) =>
    promiseWork(
      ctx,
      unit,
      attempts.map((attempt) =>
        attempt.transactionId === null ||
        attempt.status === 'queued' ||
        attempt.status === 'submitting'
          ? { queue: 'relay', subjectId: attempt.id }
          : { queue: 'confirm', subjectId: attempt.transactionId },
      ),
    ),
  );
  return attempts.length;
}
