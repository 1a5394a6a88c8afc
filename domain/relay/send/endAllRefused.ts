import type { Context } from '../../../platform/context.ts';
import { addMs } from '../../../shared/clock.ts';
import { tryAll } from '../../../shared/tryAll.ts';
import { blockTimeMsOf } from '../../chain/service.ts';
import type { WorkResult } from '../../outbox/model.ts';
import { noteFailure } from '../../outbox/service.ts';
import type { RelayFailure } from '../../payments/eventData.ts';
import { decideNextLook } from '../attempts/decideNextLook.ts';
import { postponeChoice } from '../attempts/dispatchStore.ts';
import { endRefused } from './endRefused.ts';
import { endUnsent } from './endUnsent.ts';
import type { RelayAttempt } from '../model.ts';

/** An attempt that the chain would refuse, or that we do, with the reason. */
export interface Refused {
  readonly attempt: RelayAttempt;
  readonly error: RelayFailure;
  /** It is no node's word: it need not be heard again. */
  readonly isSure?: true;
}

/** For so long nobody else chooses them: to end one takes several questions to the chain. */
const ENDING_MS = 10_000;
const AT_ONCE = 4;

/** Until when those that are refused stand aside, while they wait to be ended here. */
export function untilEnded(ctx: Context): Date {
  return addMs(ctx.clock.now(), ENDING_MS);
}

/**
 * Ends those whose refusal counts; the others stand aside until they are looked at again. The batch
 * that they were claimed with does not wait for this: whoever can be sent pays nothing for those
 * that cannot.
 *
 * One that cannot be asked about now is a failure of its own, whoever's job this is: it keeps
 * nobody else from being ended, nor that job from going on.
 * @param ownId the attempt whose job this is
 * @returns what becomes of that one's work; undefined: it is not among them
 * @throws what ending that one failed by, when the others were ended
 */
export async function endAllRefused(
  ctx: Context,
  refused: readonly Refused[],
  ownId: string,
): Promise<WorkResult | undefined> {
  let ownResult: WorkResult | undefined;
  const end = async ({ attempt, error, isSure }: Refused): Promise<void> => {
    const nextLook = decideNextLook(ctx.clock.now(), blockTimeMsOf(ctx, attempt.chainId));
    const result =
      isSure === true
        ? await endUnsent(ctx, attempt, error)
        : await endRefused(ctx, attempt, error, nextLook);
    if (result.kind === 'later') await postponeChoice(ctx.db, attempt.id, result.at);
    if (attempt.id === ownId) ownResult = result;
  };
  const endOther = async (one: Refused): Promise<void> => {
    const { id: attemptId } = one.attempt;
    try {
      await end(one);
    } catch (failure) {
      ctx.log.warn({ err: failure, attemptId }, 'a refused request could not be asked about');
      await noteFailure(ctx, { queue: 'relay', subjectId: attemptId }, failure);
    }
  };
  await tryAll(refused, (one) => (one.attempt.id === ownId ? end(one) : endOther(one)), {
    atOnce: AT_ONCE,
  });
  return ownResult;
}
