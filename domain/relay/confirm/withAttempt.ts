import type { Context } from '../../../platform/context.ts';
import { inUnitOfWork, type UnitOfWork } from '../../../platform/unitOfWork.ts';
import { type LockedAttempt, lockWithPurposes } from '../attempts/purpose.ts';
import type { RelayAttempt } from '../model.ts';

export function hasEnded(attempt: RelayAttempt): boolean {
  return attempt.status === 'succeeded' || attempt.status === 'failed';
}

type AttemptWork = (unit: UnitOfWork, locked: LockedAttempt) => Promise<void>;

/**
 * Locked with what it is for, in a database transaction of its own. Does nothing when it has ended
 * or left the transaction meanwhile.
 */
export async function withAttempt(
  ctx: Context,
  transactionId: string,
  seen: RelayAttempt,
  work: AttemptWork,
): Promise<void> {
  await inUnitOfWork(ctx, async (unit) => {
    const [locked] = await lockWithPurposes(unit, [seen]);
    if (locked?.attempt.transactionId !== transactionId || hasEnded(locked.attempt)) return;
    await work(unit, locked);
  });
}
