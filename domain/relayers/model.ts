import type { Address } from '../../shared/hex.ts';

/**
 * What is known of a relayer from its own word and its account on the chain.
 *
 *   unknown  not asked yet
 *   ready
 *   paused   its operator paused it
 *   poor     its account holds too little for gas
 *   silent   it does not answer
 */
export const RELAYER_STANDINGS = ['unknown', 'ready', 'paused', 'poor', 'silent'] as const;

export type RelayerStanding = (typeof RELAYER_STANDINGS)[number];

/** What the workers share about a relayer. */
export interface RelayerRecord {
  readonly id: string;
  readonly standing: RelayerStanding;
  /** Sends in a row that it did not take, or left in doubt. */
  readonly failures: number;
  /**
   * The circuit breaker: it is sent nothing before this, then one transaction to see, and when it
   * takes that, everything again. null: all is well.
   */
  readonly restingUntil: Date | null;
  readonly restingReason: string | null;
  readonly address: Address | null;
  /** Wei. */
  readonly balance: bigint | null;
  /** Wei: a balance below this is low. null while the chain did not say what gas costs. */
  readonly lowBelow: bigint | null;
  readonly hasStuckNonce: boolean;
  readonly checkedAt: Date | null;
}

/** What a relayer has to do. */
export interface RelayerLoad {
  readonly relayerId: string;
  /** Transactions handed over since `windowStart`. */
  readonly sent: number;
  readonly oldestSentAt: Date | null;
  readonly latestSentAt: Date | null;
  /**
   * Of those ever handed over, the ones that are not in a block yet, as far as we know, and that
   * somebody waits for.
   */
  readonly inFlight: number;
  /** … that nobody waits for any more. */
  readonly abandoned: number;
  /** When the oldest of both was handed over. */
  readonly oldestInFlightAt: Date | null;
}

/**
 * What an operator has to look after; docs/operations.md says how.
 *
 *   relayer_balance_low  the account will soon hold, or holds, too little for gas
 *   relayer_paused       the provider's operator paused it
 *   relayer_silent       it does not answer
 *   relayer_stuck        what it took is in no block for too long
 *   relayer_stuck_nonce  (a key of ours) its lowest open nonce is not mined, and it may not or
 *                        cannot offer more
 */
export const RELAYER_ALERTS = [
  'relayer_balance_low',
  'relayer_paused',
  'relayer_silent',
  'relayer_stuck',
  'relayer_stuck_nonce',
] as const;

export type RelayerAlert = (typeof RELAYER_ALERTS)[number];

/** The window of `transactionsPerMinute`. */
export const RATE_WINDOW_MS = 60_000;

/** Whose load is read, and how far it is counted. */
export interface CountedRelayer {
  readonly id: string;
  /**
   * Counting ends here; what is beyond a relayer's limits does not matter to who chooses one.
   * Absent: everything is counted.
   */
  readonly mostSent?: number;
  readonly mostInFlight?: number;
}
