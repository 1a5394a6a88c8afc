import type { Context } from '../../../platform/context.ts';
import type { UnitOfWork } from '../../../platform/unitOfWork.ts';
import type { RelayFailure } from '../../payments/eventData.ts';
import { changeAttempt } from '../attempts/changeAttempt.ts';
import { failPurpose, type LockedAttempt } from '../attempts/purpose.ts';

export async function failAttempt(
  ctx: Context,
  unit: UnitOfWork,
  locked: LockedAttempt,
  error: RelayFailure,
): Promise<void> {
  await changeAttempt(ctx, unit, locked.attempt, 'failed', { error });
  await failPurpose(ctx, unit, locked, error);
}
