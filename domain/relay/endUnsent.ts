import type { Context } from '../../platform/context.ts';
import { inUnitOfWork } from '../../platform/unitOfWork.ts';
import { addMs, BLOCK_CLOCK_MARGIN_MS } from '../../shared/clock.ts';
import { blockTimeMsOf, getChain } from '../chain/service.ts';
import { DONE, later, type WorkResult } from '../outbox/model.ts';
import type { RelayFailure } from '../payments/eventData.ts';
import { changeAttempt } from './changeAttempt.ts';
import { decideNextLook, PAID_ELSEWHERE } from './decide.ts';
import { endDone, findDoer } from './endDone.ts';
import { RELAY_ERRORS } from './errors.ts';
import type { RelayAttempt } from './model.ts';
import { failSubject, isDoneOnChain, isOnChain, lockWithSubjects } from './subject.ts';

/**
 * Ends an attempt that cannot be sent. When the chain shows that it was done by other means, that is why, and the scanner tells it first: the store
 * must not hear of a failure in between. And nothing fails while a transaction that was given up may still do it, nor for its deadline before that is over
 * by the chain's clock.
 */
export async function endUnsent(ctx: Context, attempt: RelayAttempt, error: RelayFailure): Promise<WorkResult> {
  const chain = getChain(ctx, attempt.chainId);
  const lookAgain = () => later(decideNextLook(ctx.clock.now(), blockTimeMsOf(ctx, attempt.chainId)));
  const isDone = await isDoneOnChain(chain, attempt);
  // Over is what is over by the chain's clock: until then, one that stands still or is behind ours could take what we call too late.
  const overAt = attempt.mayStillLand ? addMs(attempt.deadline, BLOCK_CLOCK_MARGIN_MS) : attempt.deadline;
  const isOverdue = error.code === RELAY_ERRORS.deadline.code;
  if (!isDone && (attempt.mayStillLand || isOverdue) && (await chain.getHead()).timestamp < overAt) return lookAgain();
  // Not as far as this answer knows: nodes differ by a block, and "already paid" is no reason to call it unpaid.
  if (!isDone && error.code === PAID_ELSEWHERE.code) return lookAgain();
  const doer = await findDoer(ctx, attempt);
  return inUnitOfWork(ctx, async (unit) => {
    const [locked] = await lockWithSubjects(unit, [attempt]);
    // Somebody else is sending it, and may die over it: then this job is to find out.
    if (locked?.attempt.status === 'submitting') return lookAgain();
    if (locked?.attempt.status !== 'queued') return DONE;
    // Meanwhile somebody else sent it, and it came back: what was found out above is not true of it any more.
    if (locked.attempt.sends !== attempt.sends || locked.attempt.mayStillLand !== attempt.mayStillLand) return lookAgain();
    if (isDone || isOnChain(locked)) {
      const hasEnded = await endDone(ctx, unit, locked, doer);
      return hasEnded ? DONE : lookAgain();
    }
    await changeAttempt(ctx, unit, locked.attempt, 'failed', { error });
    await failSubject(ctx, unit, locked, error);
    return DONE;
  });
}
