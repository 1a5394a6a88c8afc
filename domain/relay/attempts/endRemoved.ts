import type { Context } from '../../../platform/context.ts';
import { inUnitOfWork } from '../../../platform/unitOfWork.ts';
import { waitForRemovedChain } from '../../chain/service.ts';
import { DONE, later, type WorkResult } from '../../outbox/model.ts';
import { changeAttempt } from './changeAttempt.ts';
import { changeTransaction } from './changeTransaction.ts';
import { RELAY_ERRORS } from '../errors.ts';
import type { RelayAttempt, RelayTransaction } from '../model.ts';
import { failPurpose, lockWithPurposes } from './purpose.ts';

/**
 * Attempts whose chain was taken out of the configuration: nobody can send, follow or judge them.
 * Each fails long after its deadline, so that its payment or refund does not wait for ever. What it
 * did in time all the same, the scanner tells when the chain is put back.
 * @returns undefined: the chain is configured
 */
export async function endRemoved(
  ctx: Context,
  attempts: readonly RelayAttempt[],
): Promise<WorkResult | undefined> {
  const open = attempts.filter(({ status }) => status !== 'succeeded' && status !== 'failed');
  let next: Date | undefined;
  for (const attempt of open) {
    const removed = waitForRemovedChain(ctx, attempt.chainId, attempt.deadline);
    if (removed === undefined) return undefined;
    if (removed === 'over') await failRemoved(ctx, attempt);
    else if (next === undefined || removed < next) next = removed;
  }
  return open.length === 0 ? undefined : next === undefined ? DONE : later(next);
}

async function failRemoved(ctx: Context, seen: RelayAttempt): Promise<void> {
  const detail = `Chain ${seen.chainId} is not configured any more: what became of it there is not known.`;
  const error = { code: RELAY_ERRORS.notSent.code, detail };
  await inUnitOfWork(ctx, async (unit) => {
    const [locked] = await lockWithPurposes(unit, [seen]);
    if (
      locked === undefined ||
      locked.attempt.status === 'succeeded' ||
      locked.attempt.status === 'failed'
    )
      return;
    await changeAttempt(ctx, unit, locked.attempt, 'failed', { error });
    await failPurpose(ctx, unit, locked, error);
  });
}

/**
 * The same of a transaction that carries nothing any more: with its chain its relayer is gone,
 * whose load it was.
 */
export async function leaveRemoved(
  ctx: Context,
  transaction: RelayTransaction,
): Promise<WorkResult | undefined> {
  const removed = waitForRemovedChain(ctx, transaction.chainId, transaction.validUntil);
  if (removed === undefined) return undefined;
  if (removed !== 'over') return later(removed);
  await changeTransaction(ctx, transaction.id, { abandonedAt: null });
  return DONE;
}
