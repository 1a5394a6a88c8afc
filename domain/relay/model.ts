import type { Address, Bytes32, Hex } from '../../shared/hex.ts';

/**
 * A relay attempt: one signed request of a customer on its way to the chain.
 *
 *   queued      accepted and saved, waits for a worker
 *   submitting  the intent to send is saved; the provider may or may not have it
 *   submitted   the provider has it and gave its id
 *   unknown     the provider's answer was ambiguous: it may or may not have been sent
 *   mined       its transaction is in a block, not final yet
 *   succeeded   its payment's event is final
 *   failed      it did not pay and cannot any more
 */
export const RELAY_ATTEMPT_STATUSES = ['queued', 'submitting', 'submitted', 'unknown', 'mined', 'succeeded', 'failed'] as const;
export type RelayAttemptStatus = (typeof RELAY_ATTEMPT_STATUSES)[number];

/** The gasless rails. `forwarder`: an EIP-2771 request through the forwarder contract. */
export const RELAY_RAILS = ['forwarder'] as const;
export type RelayRail = (typeof RELAY_RAILS)[number];

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

/** An EIP-2612 permit for the gateway, as signed by the customer. */
export interface Permit {
  readonly value: bigint;
  /** Unix seconds. */
  readonly deadline: bigint;
  readonly signature: Hex;
}

export interface RelayAttempt {
  readonly id: string;
  readonly paymentId: Bytes32;
  readonly storeId: string;
  readonly chainId: number;
  readonly rail: RelayRail;
  readonly status: RelayAttemptStatus;
  readonly request: ForwardRequest;
  readonly signature: Hex;
  readonly permit: Permit | null;
  /** No later block can take the request: the earlier of its own deadline and the payment's expiry. */
  readonly deadline: Date;
  /** The transaction that carries it, once a worker has taken it on. */
  readonly transactionId: string | null;
  readonly errorCode: string | null;
  readonly errorDetail: string | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** What we hand to a relayer: saved before it is sent, found again by `to` + `data` when the answer was lost. */
export interface RelayTransaction {
  readonly id: string;
  readonly chainId: number;
  readonly relayerId: string;
  readonly to: Address;
  readonly data: Hex;
  readonly gasLimit: bigint;
  readonly validUntil: Date;
  /** The provider's own id; null until it is known that the provider has it. */
  readonly providerTransactionId: string | null;
  /** The latest hash; a gas bump replaces it. */
  readonly hash: Bytes32 | null;
  /** Every hash the provider ever told, latest last. */
  readonly hashes: readonly Bytes32[];
  /** When the intent to send was saved. */
  readonly sentAt: Date;
  readonly blockNumber: bigint | null;
  readonly blockHash: Bytes32 | null;
  readonly gasUsed: bigint | null;
  readonly effectiveGasPrice: bigint | null;
}
