import type { Payment } from '../../../domain/payments/model.ts';
import { toChainFacts } from '../../../domain/payments/eventData.ts';
import { countConfirmations, requiredConfirmationsOf } from '../../../domain/payments/service.ts';
import type { Context } from '../../../platform/context.ts';
import { toUnixSeconds } from '../../../shared/clock.ts';
import { formatAmountUnits } from '../../../shared/money.ts';
import type { components } from '../../generated/openapi.ts';

export async function toPaymentResource(
  ctx: Context,
  payment: Payment,
): Promise<components['schemas']['Payment']> {
  const amount = formatAmountUnits(payment.terms.amount);
  const { salt, token, merchant, expiresAt } = payment.terms;
  return {
    paymentId: payment.id,
    orderId: payment.orderId,
    status: payment.status,
    chainId: payment.chainId,
    gateway: payment.gateway,
    token,
    amount,
    merchant,
    terms: { salt, token, amount, merchant, expiresAt: toUnixSeconds(expiresAt) },
    checkoutUrl: ctx.config.checkoutUrl.replace('{paymentId}', payment.id),
    payer: payment.payer,
    txHash: payment.txHash,
    chain: toChainFacts(payment.position),
    confirmations: await countConfirmations(ctx, payment),
    requiredConfirmations: requiredConfirmationsOf(ctx, payment),
    late: payment.late,
    version: payment.version,
    customerEmail: payment.customerEmail,
    metadata: payment.metadata,
    expiresAt: expiresAt.toISOString(),
    createdAt: payment.createdAt.toISOString(),
    updatedAt: payment.updatedAt.toISOString(),
    completedAt: payment.completedAt?.toISOString() ?? null,
  };
}
