import type { Context } from '../../platform/context.ts';
import type { UnitOfWork } from '../../platform/unitOfWork.ts';
import type { RelayFailure } from '../payments/eventData.ts';
import { updateAttempt } from './attemptStore.ts';
import type { RelayAttempt } from './model.ts';
import { noteFlight } from './transactionStore.ts';
import { nextRelayAttemptStatus, type RelayTransitionEvent } from './transitions.ts';
import { giveBackTurn } from './turnStore.ts';
import { moveUsage } from './usageStore.ts';

type Facts = Partial<
  Pick<RelayAttempt, 'transactionId' | 'batchIndex' | 'sends' | 'batchFailures' | 'mayStillLand' | 'gasUsed' | 'gasCost' | 'gasChargedAt'>
>;

/**
 * Applies one transition to an attempt that is locked in this unit of work.
 * @throws Error when the table does not have it: whoever calls has looked at the status under the same lock
 */
export async function changeAttempt(
  ctx: Context,
  unit: UnitOfWork,
  attempt: RelayAttempt,
  event: RelayTransitionEvent,
  change: { readonly facts?: Facts; readonly error?: RelayFailure } = {},
): Promise<RelayAttempt> {
  const status = nextRelayAttemptStatus(attempt.status, event);
  if (status === undefined) throw new Error(`relay attempt ${attempt.id}: ${event} must not happen while ${attempt.status}`);
  const changed: RelayAttempt = {
    ...attempt,
    ...change.facts,
    status,
    errorCode: change.error?.code ?? attempt.errorCode,
    errorDetail: change.error?.detail ?? attempt.errorDetail,
    updatedAt: ctx.clock.now(),
  };
  await moveUsage(unit.trx, changed);
  await updateAttempt(unit.trx, changed);
  if (attempt.status === 'queued' && status === 'failed' && attempt.sends === 0) await giveBackTurn(unit.trx, attempt);
  // The transaction that takes it is a new one, and flies already.
  if (event !== 'take' && attempt.transactionId !== null && isWaitingForBlock(attempt) !== isWaitingForBlock(changed)) {
    await noteFlight(unit.trx, attempt.transactionId);
  }
  ctx.log.info(
    { attemptId: attempt.id, paymentId: attempt.paymentId, from: attempt.status, to: status, error: change.error },
    'relay attempt changed',
  );
  return changed;
}

function isWaitingForBlock({ status }: RelayAttempt): boolean {
  return status === 'submitting' || status === 'submitted' || status === 'unknown';
}
