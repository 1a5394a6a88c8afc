import type { Address, Bytes32, Hex } from '../../../shared/hex.ts';
import type { LocalFees } from './localFees.ts';

/**
 *   pending     the call is to be mined with this nonce
 *   cancelling  a no-op (nothing, sent to ourselves) is to use the nonce up; the call may still be
 *               faster
 *   mined       the call was mined
 *   ended       the nonce was used by the no-op, or by somebody else who has the key
 *
 * The last two are not the last word: a reorganisation opens them again.
 */
export const LOCAL_STATUSES = ['pending', 'cancelling', 'mined', 'ended'] as const;
export type LocalStatus = (typeof LOCAL_STATUSES)[number];

/** The account behind a key: what nonces are counted for. */
export interface LocalAccount {
  readonly chainId: number;
  readonly address: Address;
}

/** One nonce of an account, and what it was given out for. */
export interface LocalTransaction extends LocalAccount {
  /** The port's providerTransactionId. */
  readonly id: string;
  readonly nonce: number;
  readonly status: LocalStatus;
  /** Goes up with every change: nobody saves over what another process did meanwhile. */
  readonly version: number;
  /** The call; of a gap that was filled: the account itself, and no data. */
  readonly to: Address;
  readonly data: Hex;
  /** Of what is broadcast now, the call or the no-op. */
  readonly gasLimit: bigint;
  readonly validUntil: Date;
  /** Likewise. */
  readonly fees: LocalFees;
  /** Every form of the call, latest last: any of them may be the one that is mined. */
  readonly hashes: readonly Bytes32[];
  readonly noopHashes: readonly Bytes32[];
  readonly minedHash: Bytes32 | null;
  readonly createdAt: Date;
  /** When its fees were last raised. */
  readonly pricedAt: Date;
  /** When a node last took it, as far as we know. */
  readonly broadcastAt: Date | null;
  /** Since when its nonce is used, while none of its hashes is found in a block. */
  readonly missingSince: Date | null;
  readonly settledAt: Date | null;
  /** When to see whether it is still where it was; null while it is open, and once it is old. */
  readonly recheckAt: Date | null;
}

export function isOpen({ status }: Pick<LocalTransaction, 'status'>): boolean {
  return status === 'pending' || status === 'cancelling';
}
