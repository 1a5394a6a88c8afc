import { toChainFacts } from '../../../domain/payments/eventData.ts';
import type { Refund } from '../../../domain/refunds/model.ts';
import { formatAmountUnits } from '../../../shared/money.ts';
import type { components } from '../../generated/openapi.ts';
import type { ErrorCode } from '../../http/problem.ts';

export function toRefundResource(refund: Refund): components['schemas']['Refund'] {
  return {
    id: refund.id,
    paymentId: refund.paymentId,
    amount: formatAmountUnits(refund.amount),
    status: refund.status,
    version: refund.version,
    txHash: refund.txHash,
    chain: toChainFacts(refund.position),
    // Written from our own error kinds; what is not in the description fails the check of the
    // response.
    error:
      refund.errorCode === null
        ? null
        : { code: refund.errorCode as ErrorCode, detail: refund.errorDetail ?? '' },
    createdAt: refund.createdAt.toISOString(),
    updatedAt: refund.updatedAt.toISOString(),
    completedAt: refund.completedAt?.toISOString() ?? null,
  };
}
