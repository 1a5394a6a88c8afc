import type { Context } from '../../platform/context.ts';
import type { Bytes32 } from '../../shared/hex.ts';
import type { PaymentEventSummary } from './model.ts';
import { listEventsOfPayment } from './rows/eventStore.ts';

/** What has happened to a payment, oldest first. */
export async function listPaymentEvents(
  ctx: Context,
  input: { readonly paymentId: Bytes32 },
): Promise<PaymentEventSummary[]> {
  return listEventsOfPayment(ctx.db, input.paymentId);
}
