import type { Context } from '../../../platform/context.ts';
import { inUnitOfWork } from '../../../platform/unitOfWork.ts';
import { blockTimeMsOf, findSettledTime, getChain, listKnownBlocks } from '../../chain/service.ts';
import { DONE, later, laterUntried, type WorkResult } from '../../outbox/model.ts';
import type { RelayFailure } from '../../payments/eventData.ts';
import { changeAttempt } from '../attempts/changeAttempt.ts';
import {
  askIfDone,
  failPurpose,
  isOnChain,
  lockWithPurposes,
  PAID_ELSEWHERE,
} from '../attempts/purpose.ts';
import { decideNextLook } from '../attempts/decideNextLook.ts';
import { isSignatureDead } from '../attempts/decideTime.ts';
import { endDone, findDoer } from '../attempts/endDone.ts';
import { RELAY_ERRORS } from '../errors.ts';
import type { RelayAttempt } from '../model.ts';
import { decideUnclearLook, isUnclear, noteUnclear } from './unclearChains.ts';

/**
 * Ends an attempt that cannot be sent. When the chain shows that it was done by other means, that
 * is why, and the scanner tells it first: the store must not hear of a failure in between. And
 * nothing fails while a transaction that was given up may still do it: until its deadline is over
 * in a block that is final and scanned. One that was never sent fails for its deadline as soon as
 * the head is later; whether its payment can still be paid is another question.
 */
export async function endUnsent(
  ctx: Context,
  attempt: RelayAttempt,
  error: RelayFailure,
): Promise<WorkResult> {
  const chain = getChain(ctx, attempt.chainId);
  const lookAgain = () =>
    later(decideNextLook(ctx.clock.now(), blockTimeMsOf(ctx, attempt.chainId)));
  if (isUnclear(ctx, attempt.chainId)) return laterUntried(decideUnclearLook(ctx));
  const head = await chain.getHead();
  const isOverdue = error.code === RELAY_ERRORS.deadline.code;
  const isOver = isOverdue && head.timestamp >= attempt.deadline;
  // Whoever says that it is not done has what the scanner has seen, and a head of its own by which
  // its time is over. That head is not asked of the others: nodes differ by a block, and the one
  // that is ahead, or says so, would be the only one to be heard.
  const word = await askIfDone(
    chain,
    attempt,
    await listKnownBlocks(ctx, attempt.chainId),
    isOver ? attempt.deadline : undefined,
  );
  if (word === 'unknown') {
    noteUnclear(ctx, attempt.chainId);
    return laterUntried(decideUnclearLook(ctx));
  }
  const isDone = word === 'done';
  // Over is what is over by the chain's clock: until then, one that stands still or is behind ours
  // could take what we call too late.
  if (
    !isDone &&
    attempt.mayStillLand &&
    !isSignatureDead(attempt, await findSettledTime(ctx.db, attempt.chainId))
  )
    return lookAgain();
  if (!isDone && isOverdue && !isOver) return lookAgain();
  // Not as far as this answer knows: nodes differ by a block, and "already paid" is no reason to
  // call it unpaid.
  if (!isDone && error.code === PAID_ELSEWHERE.code) return lookAgain();
  const doer = await findDoer(ctx, attempt);
  return inUnitOfWork(ctx, async (unit) => {
    const [locked] = await lockWithPurposes(unit, [attempt]);
    // Somebody else is sending it, and may die over it: then this job is to find out.
    if (locked?.attempt.status === 'submitting') return lookAgain();
    if (locked?.attempt.status !== 'queued') return DONE;
    // Meanwhile somebody else sent it, and it came back: what was found out above is not true of it
    // any more.
    if (
      locked.attempt.sends !== attempt.sends ||
      locked.attempt.mayStillLand !== attempt.mayStillLand
    )
      return lookAgain();
    if (isDone || isOnChain(locked)) {
      const hasEnded = await endDone(ctx, unit, locked, doer);
      return hasEnded ? DONE : lookAgain();
    }
    await changeAttempt(ctx, unit, locked.attempt, 'failed', { error });
    await failPurpose(ctx, unit, locked, error);
    return DONE;
  });
}
