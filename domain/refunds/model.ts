import type { Bytes32 } from '../../shared/hex.ts';
import type { AmountUnits } from '../../shared/money.ts';
import type { ChainPosition } from '../chain/contractModel.ts';

/**
 * A refund: the merchant's signed word that some of a payment goes back to its payer.
 *
 *   processing  accepted, on its way to the chain or not final there yet
 *   completed   the gateway's event for it is final
 *   failed      it did not happen; the chain has the last word here too
 */
export const REFUND_STATUSES = ['processing', 'completed', 'failed'] as const;
export type RefundStatus = (typeof REFUND_STATUSES)[number];

export interface Refund {
  readonly id: string;
  readonly paymentId: Bytes32;
  readonly storeId: string;
  readonly chainId: number;
  readonly amount: AmountUnits;
  /** Chosen by us, signed by the merchant: (paymentId, nonce) happens once. */
  readonly nonce: bigint;
  /** The latest of those that were signed for it. */
  readonly deadline: Date;
  readonly status: RefundStatus;
  /** Goes up by one with every state change; the events carry it. */
  readonly version: number;
  readonly relayAttemptId: string | null;
  readonly txHash: Bytes32 | null;
  readonly position: ChainPosition | null;
  readonly errorCode: string | null;
  readonly errorDetail: string | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly completedAt: Date | null;
}
