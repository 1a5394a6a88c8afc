import type { Context } from '../../../platform/context.ts';
import type { UnitOfWork } from '../../../platform/unitOfWork.ts';
import type { RelayFailure } from '../../payments/eventData.ts';
import { updateAttempts } from './attemptStore.ts';
import { bringFollowersForward } from './bringForward.ts';
import type { RelayAttempt } from '../model.ts';
import { noteFlight } from './transactionStore.ts';
import { nextRelayAttemptStatus, type RelayTransitionEvent } from './transitions.ts';
import { giveBackTurn } from './turnStore.ts';
import { findUsageMove, saveUsageMove } from './usageStore.ts';

type Facts = Partial<
  Pick<
    RelayAttempt,
    | 'transactionId'
    | 'batchIndex'
    | 'sends'
    | 'batchFailures'
    | 'mayStillLand'
    | 'gasUsed'
    | 'gasCost'
    | 'gasChargedAt'
  >
>;

/** What happens to one attempt. */
export interface AttemptChange {
  readonly attempt: RelayAttempt;
  readonly event: RelayTransitionEvent;
  readonly facts?: Facts;
  readonly error?: RelayFailure;
}

/** One transition of one attempt; see changeAttempts. */
export async function changeAttempt(
  ctx: Context,
  unit: UnitOfWork,
  attempt: RelayAttempt,
  event: RelayTransitionEvent,
  change: Pick<AttemptChange, 'facts' | 'error'> = {},
): Promise<RelayAttempt> {
  const [changed] = await changeAttempts(ctx, unit, [{ ...change, attempt, event }]);
  if (changed === undefined) throw new Error(`relay attempt ${attempt.id} was not changed`);
  return changed;
}

/**
 * Applies a transition to each of these attempts, which are different ones and locked in this unit
 * of work, in as many statements as one takes.
 * @returns them as they are now, in their order
 * @throws Error when the table does not have one: whoever calls has looked at the status under the
 *   same lock
 */
export async function changeAttempts(
  ctx: Context,
  unit: UnitOfWork,
  changes: readonly AttemptChange[],
): Promise<RelayAttempt[]> {
  const changed = changes.map(({ attempt, event, facts, error }): RelayAttempt => {
    const status = nextRelayAttemptStatus(attempt.status, event);
    if (status === undefined)
      throw new Error(
        `relay attempt ${attempt.id}: ${event} must not happen while ${attempt.status}`,
      );
    return {
      ...attempt,
      ...facts,
      status,
      errorCode: error?.code ?? attempt.errorCode,
      errorDetail: error?.detail ?? attempt.errorDetail,
      updatedAt: ctx.clock.now(),
    };
  });
  const usage = await findUsageMove(unit.trx, changed);
  await updateAttempts(unit.trx, changed);
  await bringFollowersForward(
    unit.trx,
    changes.map(({ attempt }) => attempt),
    changed,
  );
  const flights = new Set<string>();
  const unused: RelayAttempt[] = [];
  for (const [index, { attempt, event, error }] of changes.entries()) {
    const now = changed[index];
    if (now === undefined) throw new Error(`relay attempt ${attempt.id} was not changed`);
    if (attempt.status === 'queued' && now.status === 'failed' && attempt.sends === 0)
      unused.push(attempt);
    // The transaction that takes it is a new one, and flies already.
    if (
      event !== 'take' &&
      attempt.transactionId !== null &&
      isWaitingForBlock(attempt) !== isWaitingForBlock(now)
    ) {
      flights.add(attempt.transactionId);
    }
    ctx.log.info(
      {
        attemptId: attempt.id,
        paymentId: attempt.paymentId,
        from: attempt.status,
        to: now.status,
        error,
      },
      'relay attempt changed',
    );
  }
  for (const transactionId of [...flights].sort()) await noteFlight(unit.trx, transactionId);
  await saveUsageMove(unit.trx, usage);
  for (const attempt of unused) await giveBackTurn(unit.trx, attempt);
  return changed;
}

function isWaitingForBlock({ status }: RelayAttempt): boolean {
  return status === 'submitting' || status === 'submitted' || status === 'unknown';
}
