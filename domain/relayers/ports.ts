import type { Address, Bytes32, Hex } from '../../shared/hex.ts';

/**
 * What came of handing a transaction to a provider.
 *
 *   accepted   it has it; the hash may come later ("intent")
 *   refused    it certainly has not, and may take it later (rate limit, paused, login refused)
 *   rejected   it certainly has not and never will (malformed)
 *   ambiguous  it may or may not have it (time-out, reset, 5xx): never simply send again
 */
export type SendOutcome =
  | { readonly kind: 'accepted'; readonly transaction: ProviderTransaction }
  | { readonly kind: 'refused'; readonly reason: string; readonly retryAfterMs: number }
  | { readonly kind: 'rejected'; readonly reason: string }
  | { readonly kind: 'ambiguous'; readonly reason: string };

export interface ProviderTransaction {
  readonly providerTransactionId: string;
  /** null while the provider has only noted the intent to send. */
  readonly hash: Bytes32 | null;
  /**
   * `ended`: the provider gave up on it (failed, expired, cancelled). The chain is still asked
   * before we believe it.
   */
  readonly state: 'pending' | 'mined' | 'ended';
}

export interface RelayerStatus {
  readonly address: Address;
  readonly paused: boolean;
  readonly pendingTransactions: number;
  /**
   * Only said by those that raise fees themselves: a nonce that keeps the others waiting is not
   * mined, and they may not or cannot offer more.
   */
  readonly hasStuckNonce?: boolean;
}

/**
 * A service (or key) that pays the gas. Its methods throw AppError
 * `RELAY_ERRORS.relayerUnavailable` when it does not answer; `send` never throws.
 */
export interface RelayerPort {
  readonly id: string;
  send(input: { to: Address; data: Hex; gasLimit: bigint; validUntil: Date }): Promise<SendOutcome>;
  /** Looks through the provider's own list: how a send with a lost answer is found again. */
  findSent(input: {
    to: Address;
    data: Hex;
    since: Date;
  }): Promise<ProviderTransaction | undefined>;
  findTransaction(providerTransactionId: string): Promise<ProviderTransaction | undefined>;
  getStatus(): Promise<RelayerStatus>;
  /**
   * Keeps what was sent moving: broadcasts again, raises fees, fills gaps. Only for providers that
   * have nobody else to do it. Called every few seconds by maintenance, perhaps by several
   * processes at once.
   */
  tend?(): Promise<void>;
}
