import type { Address, Bytes32 } from '../../shared/hex.ts';
import type { AmountUnits } from '../../shared/money.ts';

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

/** What the payment id commits to: the struct `PaymentTerms` of the gateway contract. */
export interface PaymentTerms {
  /**
   * keccak256(storeId, orderId, 32 random bytes): two requests never share an id, two stores cannot
   * collide.
   */
  readonly salt: Bytes32;
  readonly token: Address;
  readonly amount: AmountUnits;
  readonly merchant: Address;
  /** Whole seconds; the contract refuses the payment in any later block. */
  readonly expiresAt: Date;
}

/** Where the gateway's `PaymentProcessed` event stands on the chain. */
export interface ChainPosition {
  readonly txHash: Bytes32;
  readonly blockNumber: bigint;
  readonly blockHash: Bytes32;
  readonly logIndex: number;
}

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

/** The gateway's event as the chain reader hands it over. */
export interface PaymentProcessedLog extends ChainPosition {
  readonly paymentId: Bytes32;
  readonly payer: Address;
  readonly merchant: Address;
  readonly token: Address;
  readonly amount: bigint;
}
