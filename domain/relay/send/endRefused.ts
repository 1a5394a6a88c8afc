import type { Context } from '../../../platform/context.ts';
import { getChain, listKnownBlocks } from '../../chain/service.ts';
import { later, laterUntried, type WorkResult } from '../../outbox/model.ts';
import type { RelayFailure } from '../../payments/eventData.ts';
import { findPaymentsById } from '../../payments/service.ts';
import { bringForward } from '../attempts/bringForward.ts';
import { PAID_ELSEWHERE } from '../attempts/purpose.ts';
import { endUnsent } from './endUnsent.ts';
import { forgetRefusal, hearRefusal } from './heardRefusals.ts';
import type { RelayAttempt } from '../model.ts';
import { decideUnclearLook, isUnclear, noteUnclear } from './unclearChains.ts';

/**
 * The chain would refuse an attempt, one RPC URL says. It ends when that was heard for long enough
 * (heardRefusals.ts), and is what every URL says that answers and knows the chain as we do: all
 * looks may have gone to the same one, which may be on a branch that grows, or lie.
 * @param nextLook the earliest one
 */
export async function endRefused(
  ctx: Context,
  attempt: RelayAttempt,
  error: RelayFailure,
  nextLook: Date,
): Promise<WorkResult> {
  const lookAt = hearRefusal(ctx, attempt.id, nextLook);
  if (lookAt !== undefined) return later(lookAt);
  // Done by other means is no refusal: it ends when it shows.
  if (error.code === PAID_ELSEWHERE.code) return endUnsent(ctx, attempt, error);
  switch (await askEveryUrl(ctx, attempt)) {
    case true:
      return endUnsent(ctx, attempt, error);
    case false:
      ctx.log.warn(
        { attemptId: attempt.id, refusal: error },
        'one RPC URL refuses a request that another one would take: it goes on',
      );
      forgetRefusal(ctx, attempt.id);
      await bringForward(ctx, attempt);
      return later(nextLook);
    case 'unknown':
      return laterUntried(decideUnclearLook(ctx));
  }
}

/** Whether all of them refuse it. */
async function askEveryUrl(ctx: Context, attempt: RelayAttempt): Promise<boolean | 'unknown'> {
  const { chainId, paymentId, signed, signature, permit } = attempt;
  if (isUnclear(ctx, chainId)) return 'unknown';
  const [payment] = await findPaymentsById(ctx, [paymentId]);
  if (payment === undefined) throw new Error(`payment ${paymentId} is gone`);
  const item = { signed, signature, permit, paymentId, terms: payment.terms };
  const isRefused = await getChain(ctx, chainId).isSurelyRefused(
    item,
    await listKnownBlocks(ctx, chainId),
  );
  if (isRefused === 'unknown') noteUnclear(ctx, chainId);
  return isRefused;
}
