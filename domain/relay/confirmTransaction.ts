import type { Context } from '../../platform/context.ts';
import { inUnitOfWork } from '../../platform/unitOfWork.ts';
import { addMs } from '../../shared/clock.ts';
import { AppError } from '../../shared/errors.ts';
import { CHAIN_ERRORS } from '../chain/errors.ts';
import { askChain, findSettledTime } from '../chain/service.ts';
import { DONE, laterAfterFailure, type WorkResult } from '../outbox/model.ts';
import { listAttemptsOfTransaction } from './attempts/attemptStore.ts';
import { isSignatureDead } from './attempts/decideTime.ts';
import { endRemoved, leaveRemoved } from './attempts/endRemoved.ts';
import { findMined, findMinedIfTold } from './attempts/findMined.ts';
import { recordProviderTransaction } from './attempts/recordProviderTransaction.ts';
import { findTransaction } from './attempts/transactionStore.ts';
import { askProvider } from './confirm/askProvider.ts';
import { followAbandoned } from './confirm/followAbandoned.ts';
import { followMined, logged } from './confirm/followMined.ts';
import { followUnmined, returnUnmined } from './confirm/followUnmined.ts';
import { hasEnded } from './confirm/withAttempt.ts';
import type { RelayAttempt, RelayTransaction } from './model.ts';

/**
 * A receipt of a block that is not on the chain: the node that showed it, or the one that was asked
 * for the block, is behind or on a fork.
 */
const CONTRADICTED_LOOK_MS = 15_000;

/**
 * Work of the confirm queue: follows one relay transaction until each attempt in it has ended or
 * left it. It decides about attempts only; what the chain shows of payments and refunds is written
 * by the scanner alone, in one place and in chain order.
 *
 *   in a block? → else, known to the provider, by another hash? → deep enough? → the very block
 *   that the chain has there? → each attempt's own outcome,
 *   from the logs
 *
 * Waiting is a new date, never an error.
 */
export async function confirmTransaction(ctx: Context, transactionId: string): Promise<WorkResult> {
  const transaction = await findTransaction(ctx.db, transactionId);
  const attempts = await listAttemptsOfTransaction(ctx.db, transactionId);
  if (transaction === undefined) return DONE;
  const isOver = attempts.every(hasEnded);
  if (isOver && transaction.abandonedAt === null) return DONE;
  const withoutChain = isOver
    ? await leaveRemoved(ctx, transaction)
    : await endRemoved(ctx, attempts);
  if (withoutChain !== undefined) return withoutChain;
  return askChain(ctx, transaction.chainId, () =>
    isOver ? followAbandoned(ctx, transaction) : follow(ctx, transaction, attempts),
  );
}

async function follow(
  ctx: Context,
  seen: RelayTransaction,
  attempts: readonly RelayAttempt[],
): Promise<WorkResult> {
  // The chain first: it is the one whose word counts, and what waits to be deep enough for an hour
  // would use up the provider's rate limit.
  const settledTime = await findSettledTime(ctx.db, seen.chainId);
  // All that could have done it is scanned then: the chain's storage and the scanner's word are
  // enough.
  const isOver = attempts.every(
    (attempt) => hasEnded(attempt) || isSignatureDead(attempt, settledTime),
  );
  const look = isOver ? findMinedIfTold : findMined;
  const mined = await look(ctx, seen);
  if (mined !== undefined && mined.depth.kind !== 'contradicted')
    return followMined(ctx, seen, mined);

  const provider = await askProvider(ctx, seen);
  const isNews =
    typeof provider === 'object' &&
    (seen.providerTransactionId === null ||
      (provider.hash !== null && provider.hash !== seen.hash));
  const transaction = isNews
    ? await inUnitOfWork(ctx, (unit) => recordProviderTransaction(ctx, unit, seen.id, provider))
    : seen;

  const minedMeanwhile = await look(ctx, transaction);
  const isContradicted = minedMeanwhile?.depth.kind === 'contradicted';
  if (minedMeanwhile !== undefined && !isContradicted)
    return followMined(ctx, transaction, minedMeanwhile);
  if (isContradicted) {
    ctx.log.warn(
      logged(transaction, minedMeanwhile.receipt),
      'a receipt names another block than the one on the chain, or nobody who has the head says which it is: nothing is decided by it',
    );
  }
  // Nothing is decided while a node may have left its fork late. Not so once the signature is dead:
  // all that could have done it has been scanned.
  const decidable = isContradicted
    ? attempts.filter((attempt) => isSignatureDead(attempt, settledTime))
    : attempts;
  await returnUnmined(ctx, transaction, decidable);
  const decidableIds = new Set(decidable.map(({ id }) => id));
  const result = await followUnmined(ctx, transaction, { provider, settledTime, decidableIds });
  if (!isContradicted || result.kind !== 'later') return result;
  const failure = new AppError(CHAIN_ERRORS.unavailable, {
    detail:
      'A receipt names another block than the one on the chain, or nobody who has the head says which it is.',
  });
  return laterAfterFailure(addMs(ctx.clock.now(), CONTRADICTED_LOOK_MS), failure);
}
