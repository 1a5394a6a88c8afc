import type { Context } from '../../../platform/context.ts';
import { addMs } from '../../../shared/clock.ts';
import { getChain, listKnownBlocks } from '../../chain/service.ts';
import { later, type WorkResult } from '../../outbox/model.ts';
import { listAttemptsOfTransaction } from '../attempts/attemptStore.ts';
import { changeAttempt } from '../attempts/changeAttempt.ts';
import { changeTransaction } from '../attempts/changeTransaction.ts';
import { endDone, findDoer } from '../attempts/endDone.ts';
import { askIfDone, isOnChain } from '../attempts/purpose.ts';
import type { RelayAttempt, RelayTransaction } from '../model.ts';
import type { ProviderAnswer } from './model.ts';
import { decideEnd } from './decideEnd.ts';
import { failAttempt } from './failAttempt.ts';
import { ABANDONED_LOOK_MS } from './followAbandoned.ts';
import { lookAgainWhileOpen } from './lookAgainWhileOpen.ts';
import { sendAgain } from './sendAgain.ts';
import { hasEnded, withAttempt } from './withAttempt.ts';

/** A reorganisation took the block away: the transaction waits to be mined again. */
export async function returnUnmined(
  ctx: Context,
  transaction: RelayTransaction,
  attempts: readonly RelayAttempt[],
): Promise<void> {
  for (const seen of attempts.filter(({ status }) => status === 'mined')) {
    await withAttempt(ctx, transaction.id, seen, async (unit, { attempt }) => {
      if (attempt.status === 'mined') await changeAttempt(ctx, unit, attempt, 'unmined');
    });
  }
}

export async function followUnmined(
  ctx: Context,
  transaction: RelayTransaction,
  known: {
    readonly provider: ProviderAnswer;
    readonly settledTime: Date | undefined;
    /** Of the attempts, those that may be decided about. */
    readonly decidableIds: ReadonlySet<string>;
  },
): Promise<WorkResult> {
  const { provider, settledTime, decidableIds } = known;
  const chain = getChain(ctx, transaction.chainId);
  const now = ctx.clock.now();
  const ageMs = now.getTime() - transaction.sentAt.getTime();
  const { unsentAfterMs, resendAfterMs } = ctx.config.relay;
  const attempts = (await listAttemptsOfTransaction(ctx.db, transaction.id)).filter(
    (one) => decidableIds.has(one.id) && !hasEnded(one),
  );
  for (const seen of attempts) {
    const isOverdue = ageMs >= resendAfterMs;
    // A relayer that gives up on a transaction while it is valid has something against it, and
    // against a slow chain nothing that helps.
    const isRefused =
      typeof provider === 'object' &&
      provider.state === 'ended' &&
      !isOverdue &&
      now < transaction.validUntil;
    const end = decideEnd({
      attempt: seen,
      transaction,
      provider,
      patienceSpent: ageMs / unsentAfterMs,
      isOverdue,
      settledTime,
    });
    if (end === undefined) continue;
    // The last word before giving up: somebody may have done it through a transaction that we know
    // nothing of.
    const word = await askIfDone(chain, seen, await listKnownBlocks(ctx, transaction.chainId));
    // Nor of the others, and asking may take a while.
    if (word === 'unknown') break;
    const doer = word === 'done' ? await findDoer(ctx, seen) : undefined;
    await withAttempt(ctx, transaction.id, seen, async (unit, locked) => {
      // The scanner's word may be out of date, but if so it will say: nothing is given up against
      // it.
      if (doer !== undefined || isOnChain(locked)) {
        await endDone(ctx, unit, locked, doer);
        return;
      }
      const speaksAgainstBatch = isRefused && transaction.items > 1;
      if (end.kind === 'failed') await failAttempt(ctx, unit, locked, end.error);
      else await sendAgain(ctx, unit, locked, end.kind, end.error, speaksAgainstBatch);
    });
  }
  const next = await lookAgainWhileOpen(ctx, transaction);
  const isGone =
    provider === 'unknown' ||
    provider === 'gone' ||
    (typeof provider === 'object' && provider.state === 'ended');
  if (next.kind === 'later' || isGone) return next;
  await changeTransaction(ctx, transaction.id, { abandonedAt: now });
  return later(addMs(now, ABANDONED_LOOK_MS));
}
