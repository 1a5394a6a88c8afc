import type { PaymentStatusView } from '../../../domain/payments/status.ts';
import type { components } from '../../generated/openapi.ts';

export function toPaymentStatusReply({
  paymentId,
  status,
  confirmations,
  txHash,
}: PaymentStatusView): components['schemas']['PaymentStatusReply'] {
  // A key that is there with `undefined` would not match the description.
  return txHash === null
    ? { paymentId, status, confirmations }
    : { paymentId, status, confirmations, txHash };
}
