import type { Address, Bytes32, Hex } from '../../shared/hex.ts';
import type { AmountUnits } from '../../shared/money.ts';

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

/** The gateway's event as the chain reader hands it over. */
export interface PaymentProcessedLog extends ChainPosition {
  readonly paymentId: Bytes32;
  readonly payer: Address;
  readonly merchant: Address;
  readonly token: Address;
  readonly amount: bigint;
}

/** OpenZeppelin's ERC2771Forwarder request; the nonce is signed but is not part of the calldata. */
export interface ForwardRequest {
  readonly from: Address;
  readonly to: Address;
  readonly value: bigint;
  readonly gas: bigint;
  readonly nonce: bigint;
  /** Unix seconds. */
  readonly deadline: number;
  readonly data: Hex;
}

/** The struct PaymentAuthorization, but for what the payment's terms say. */
export interface PaymentAuthorization {
  readonly payer: Address;
  /** Unix seconds. */
  readonly deadline: number;
}

/** The struct RefundAuthorization, but for the payment id. */
export interface RefundAuthorization {
  readonly merchant: Address;
  readonly amount: AmountUnits;
  readonly nonce: bigint;
  /** Unix seconds. */
  readonly deadline: number;
}

/** An EIP-2612 permit for the gateway, as signed by whoever the tokens are taken from. */
export interface Permit {
  readonly value: bigint;
  /** Unix seconds. */
  readonly deadline: bigint;
  readonly signature: Hex;
}

/** What somebody signed, on its rail. */
export type SignedRequest =
  | { readonly rail: 'forwarder'; readonly request: ForwardRequest }
  | { readonly rail: 'authorization'; readonly authorization: PaymentAuthorization }
  | { readonly rail: 'refund'; readonly refund: RefundAuthorization };

/** All that a call to the contracts needs to carry one signed request. */
export interface RelayItem {
  readonly signed: SignedRequest;
  readonly signature: Hex;
  readonly permit: Permit | null;
  readonly paymentId: Bytes32;
  readonly terms: PaymentTerms;
}

/** The gateway's `RefundProcessed` event as the chain reader hands it over. */
export interface RefundProcessedLog extends ChainPosition {
  readonly paymentId: Bytes32;
  readonly merchant: Address;
  readonly payer: Address;
  readonly token: Address;
  readonly amount: bigint;
  readonly nonce: bigint;
}
