import { formatAmountUnits } from '../../shared/money.ts';
import type { Payment } from './model.ts';
import type { ChainPosition } from '../chain/contractModel.ts';

/** Why a relay failed, as stores are told. */
export interface RelayFailure {
  readonly code: string;
  readonly detail: string;
}

export function toChainFacts(position: ChainPosition | null) {
  if (position === null) return null;
  const { txHash, blockNumber, blockHash, logIndex } = position;
  return { txHash, blockNumber: blockNumber.toString(), blockHash, logIndex };
}

/**
 * `data` of a webhook about a payment, see PaymentEvent in openapi.yaml. The customer's e-mail
 * address stays out of it.
 */
export function toEventData(
  payment: Payment,
  chain: { readonly confirmations: number; readonly requiredConfirmations: number | null },
  error: RelayFailure | null,
): Readonly<Record<string, unknown>> {
  return {
    paymentId: payment.id,
    orderId: payment.orderId,
    status: payment.status,
    version: payment.version,
    chainId: payment.chainId,
    gateway: payment.gateway,
    token: payment.terms.token,
    amount: formatAmountUnits(payment.terms.amount),
    merchant: payment.terms.merchant,
    payer: payment.payer,
    txHash: payment.txHash,
    chain: toChainFacts(payment.position),
    confirmations: chain.confirmations,
    requiredConfirmations: chain.requiredConfirmations,
    late: payment.late,
    metadata: payment.metadata,
    expiresAt: payment.terms.expiresAt.toISOString(),
    error,
  };
}
