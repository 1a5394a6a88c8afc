import type { Address, Bytes32, Hex } from '../../shared/hex.ts';
import type { Permit, SignedRequest } from '../chain/contractModel.ts';
import type { RelayPriority } from '../stores/model.ts';

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
export const RELAY_ATTEMPT_STATUSES = [
  'queued',
  'submitting',
  'submitted',
  'unknown',
  'mined',
  'succeeded',
  'failed',
] as const;

export type RelayAttemptStatus = (typeof RELAY_ATTEMPT_STATUSES)[number];

/** It has not come to its end. */
export function isLive(status: RelayAttemptStatus): boolean {
  return status !== 'succeeded' && status !== 'failed';
}

/**
 * The ways on which something signed reaches the gateway.
 *
 *   forwarder      the payer signed an EIP-2771 request; one nonce after the other
 *   authorization  the payer signed a PaymentAuthorization; in any order
 *   refund         the merchant signed a RefundAuthorization; in any order
 */
export const RELAY_RAILS = ['forwarder', 'authorization', 'refund'] as const;

export type RelayRail = (typeof RELAY_RAILS)[number];

export interface RelayAttempt {
  readonly id: string;
  readonly paymentId: Bytes32;
  /** On the rail `refund`, else null. */
  readonly refundId: string | null;
  readonly storeId: string;
  readonly chainId: number;
  readonly status: RelayAttemptStatus;
  readonly signed: SignedRequest;
  readonly signature: Hex;
  readonly permit: Permit | null;
  /**
   * While it is carried, a contract of the signer's may be asked, which costs what it likes up to
   * what the contracts give an item.
   */
  readonly runsForeignCode: boolean;
  /** Beside the other requests of its store, as its store said. */
  readonly priority: RelayPriority;
  /**
   * Its place in the order of sending, see decideTurn.ts. It keeps it when it comes back; it may
   * exchange it with another one of its store, and takes a later one when it cannot go
   * (goBehind.ts).
   */
  readonly turn: bigint;
  /** How much of its store's turns it took up: given back when it ends without having been sent. */
  readonly turnStep: bigint;
  /**
   * No later block can take the request: the earlier of its own deadline and the payment's expiry.
   */
  readonly deadline: Date;
  /** The transaction that carries it, once a worker has taken it on. */
  readonly transactionId: string | null;
  /** Its place in that transaction, from 0. */
  readonly batchIndex: number | null;
  /** How many transactions it was handed over in. */
  readonly sends: number;
  /**
   * How many batches came back with it as a whole, reverted or refused as unacceptable: it goes on
   * in smaller ones.
   */
  readonly batchFailures: number;
  /**
   * A transaction that carries it was given up, and may be mined all the same: until its deadline
   * nobody may call it failed.
   */
  readonly mayStillLand: boolean;
  /** Gas and wei of the payer's and the store's budgets, while the attempt is live. */
  readonly reservedGas: bigint;
  readonly reservedCost: bigint;
  /** Its share of what its transactions used, once they are final. */
  readonly gasUsed: bigint;
  /** Wei. */
  readonly gasCost: bigint;
  readonly gasChargedAt: Date | null;
  readonly errorCode: string | null;
  readonly errorDetail: string | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** Whose signature, tokens and (on the forwarder rail) nonce an attempt uses. */
export function signerOf(signed: SignedRequest): Address {
  switch (signed.rail) {
    case 'forwarder':
      return signed.request.from;
    case 'authorization':
      return signed.authorization.payer;
    case 'refund':
      return signed.refund.merchant;
  }
}

/**
 * What we hand to a relayer: saved before it is sent, found again by `to` + `data` when the answer
 * was lost.
 */
export interface RelayTransaction {
  readonly id: string;
  readonly chainId: number;
  readonly relayerId: string;
  readonly to: Address;
  readonly data: Hex;
  readonly gasLimit: bigint;
  readonly validUntil: Date;
  /** How many attempts it carried when it was handed over. */
  readonly items: number;
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
  /**
   * Since when nobody waits for it any more; null again once it cannot be mined any more, or was.
   */
  readonly abandonedAt: Date | null;
}
