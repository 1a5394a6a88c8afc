import type { Address, Bytes32, Hex } from '../../shared/hex.ts';
import type { PaymentProcessedLog, PaymentTerms } from '../payments/model.ts';
import type { ForwardRequest, Permit } from '../relay/model.ts';

export interface Block {
  readonly number: bigint;
  readonly hash: Bytes32;
  readonly timestamp: Date;
}

export interface Receipt {
  readonly hash: Bytes32;
  readonly blockNumber: bigint;
  readonly blockHash: Bytes32;
  /** The transaction itself did not revert. Says nothing about the payments in it: those are in `payments`. */
  readonly succeeded: boolean;
  readonly gasUsed: bigint;
  /** Wei a gas unit. */
  readonly effectiveGasPrice: bigint;
  readonly payments: readonly PaymentProcessedLog[];
}

/** EIP-712 typed data as wallets take it (eth_signTypedData_v4): numbers are decimal strings. */
export interface TypedData {
  readonly domain: { readonly name: string; readonly version: string; readonly chainId: number; readonly verifyingContract: Address };
  readonly types: Readonly<Record<string, readonly { readonly name: string; readonly type: string }[]>>;
  readonly primaryType: string;
  readonly message: Readonly<Record<string, string>>;
}

/** Why the chain would refuse a payment, found by simulating it. */
export type PaymentRefusal =
  | { readonly kind: 'insufficientBalance'; readonly balance: bigint }
  | { readonly kind: 'insufficientAllowance'; readonly allowance: bigint }
  | { readonly kind: 'alreadyProcessed' }
  | { readonly kind: 'expired' }
  | { readonly kind: 'other'; readonly reason: string };

/** A call that a relayer sends for us. */
export interface RelayCall {
  readonly to: Address;
  readonly data: Hex;
  readonly gasLimit: bigint;
}

/**
 * One chain with our contracts on it. Every method that asks the chain throws AppError `CHAIN_ERRORS.unavailable` when no RPC URL answers.
 * The only implementation is adapters/chain; nothing else knows an ABI.
 */
export interface ChainPort {
  readonly chainId: number;
  /** The id that the gateway computes for these terms. Pure. */
  paymentIdOf(terms: PaymentTerms): Bytes32;
  /** Calldata of the gateway's `pay(terms)`. Pure. */
  encodePay(terms: PaymentTerms): Hex;

  getHead(): Promise<Block>;
  /** undefined: there is no such block (yet, or any more). */
  findBlock(number: bigint): Promise<Block | undefined>;
  /** The gateway's PaymentProcessed events of the blocks from..to, both included, in chain order. */
  listPaymentLogs(range: { readonly fromBlock: bigint; readonly toBlock: bigint }): Promise<PaymentProcessedLog[]>;
  findReceipt(hash: Bytes32): Promise<Receipt | undefined>;
  /** Who paid this id, as the gateway's storage says at the head. */
  findPayer(paymentId: Bytes32): Promise<Address | undefined>;

  getAllowance(token: Address, owner: Address): Promise<bigint>;
  getForwarderNonce(owner: Address): Promise<bigint>;
  /** undefined: the token has no EIP-2612 permit in the configuration. Spender is the gateway. */
  buildPermitTypedData(input: { token: Address; owner: Address; value: bigint; deadline: number }): Promise<TypedData | undefined>;
  /** Pure. */
  buildForwardRequestTypedData(request: ForwardRequest): TypedData;
  /** The forwarder's own check of the signature (its signer is `request.from`); nonce and deadline are not judged. Pure. */
  isForwardRequestSignedByPayer(request: ForwardRequest, signature: Hex): Promise<boolean>;
  /** Would the gateway take this payment from this payer now? With a permit, as if the permit had been applied. */
  findRefusal(input: { terms: PaymentTerms; payer: Address; permit: Permit | null }): Promise<PaymentRefusal | undefined>;
  /**
   * The call that carries a signed request, its gas estimated with a margin.
   * @throws AppError `CHAIN_ERRORS.wouldRevert` when the estimate says that it would revert
   */
  buildRelayCall(input: { request: ForwardRequest; signature: Hex; permit: Permit | null; token: Address }): Promise<RelayCall>;
}
