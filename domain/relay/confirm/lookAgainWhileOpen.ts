import type { Context } from '../../../platform/context.ts';
import { blockTimeMsOf } from '../../chain/service.ts';
import { DONE, later, type WorkResult } from '../../outbox/model.ts';
import { listAttemptsOfTransaction } from '../attempts/attemptStore.ts';
import { decideDepthLook } from '../attempts/decideNextLook.ts';
import type { RelayTransaction } from '../model.ts';
import { hasEnded } from './withAttempt.ts';

/** @param missingBlocks of a mined one, until it is deep enough */
export async function lookAgainWhileOpen(
  ctx: Context,
  transaction: RelayTransaction,
  missingBlocks = 0,
): Promise<WorkResult> {
  const isOpen = (await listAttemptsOfTransaction(ctx.db, transaction.id)).some(
    (attempt) => !hasEnded(attempt),
  );
  return isOpen
    ? later(
        decideDepthLook(ctx.clock.now(), blockTimeMsOf(ctx, transaction.chainId), missingBlocks),
      )
    : DONE;
}
