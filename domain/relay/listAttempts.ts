import type { Context } from '../../platform/context.ts';
import type { Bytes32 } from '../../shared/hex.ts';
import {
  listAttemptsOfPayment,
  listAttemptsOfRefunds,
  type ShownAttempt,
} from './attempts/attemptStore.ts';

/** Of any number of refunds, oldest first. */
export function listRefundAttempts(
  ctx: Context,
  refundIds: readonly string[],
): Promise<ShownAttempt[]> {
  return listAttemptsOfRefunds(ctx.db, refundIds);
}

/** Oldest first. */
export function listRelayAttempts(
  ctx: Context,
  input: { readonly paymentId: Bytes32 },
): Promise<ShownAttempt[]> {
  return listAttemptsOfPayment(ctx.db, input.paymentId);
}
