import type { Address, Bytes32 } from '../../shared/hex.ts';
import type { ChainPosition, PaymentTerms } from '../chain/contractModel.ts';

/**
 * A payment, as the store sees it:
 *
 *   pending     waits for the customer
 *   processing  a relay was accepted, or the gateway's event was seen but is not final yet
 *   completed   the gateway's event for this id is final
 *   expired     not paid in time
 *   failed      the relay failed and the payment cannot be paid any more
 *   cancelled   the store took it back
 *
 * The chain has the last word: a final event completes a payment whatever we thought of it before
 * (and then it is `late`).
 */
export const PAYMENT_STATUSES = [
  'pending',
  'processing',
  'completed',
  'expired',
  'failed',
  'cancelled',
] as const;
export type PaymentStatus = (typeof PAYMENT_STATUSES)[number];

export interface Payment {
  /**
   * The EIP-712 digest of the terms under the gateway's domain: the contract computes the same one.
   */
  readonly id: Bytes32;
  readonly storeId: string;
  readonly orderId: string;
  readonly chainId: number;
  readonly gateway: Address;
  readonly terms: PaymentTerms;
  readonly status: PaymentStatus;
  /** Goes up by one with every state change; the events carry it. */
  readonly version: number;
  /** Completed although it had been expired, failed or cancelled before. */
  readonly late: boolean;
  readonly customerEmail: string | null;
  readonly metadata: Readonly<Record<string, string>> | null;
  readonly payer: Address | null;
  /** The relay attempt in flight for this payment. */
  readonly relayAttemptId: string | null;
  /** Hash of the transaction that pays, known from a relay before the chain shows it. */
  readonly txHash: Bytes32 | null;
  readonly position: ChainPosition | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly completedAt: Date | null;
}
