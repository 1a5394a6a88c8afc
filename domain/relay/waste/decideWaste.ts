import { addMs } from '../../../shared/clock.ts';
import type { PaymentRefusal } from '../../chain/ports.ts';
import type { Lateness } from '../attempts/decideTime.ts';

/**
 * Pure rules about requests that cost gas and did nothing: whose doing that was, and what follows
 * from it.
 */

/**
 * Whom a request that was mined in vain is counted against.
 *
 *   nobody   we, the relayer or the chain were slow, somebody else did it first, or its transaction
 *            had too little gas: ours or the relayer's doing
 *   late     it came too late though nobody was slow: the store, and the signer's lateness
 *   subject  the chain refused it for a reason that its signer may have no part in: its payment or
 *            refund, and the store
 *   signer   the signer's balance, allowance or contract made it fail: these, and the signer
 */
export type Blame = 'nobody' | 'late' | 'subject' | 'signer';

/** What `relay_waste` counts for. */
export const WASTE_KINDS = ['signer', 'subject', 'store'] as const;
export type WasteKind = (typeof WASTE_KINDS)[number];

/**
 * How the failures of a holder are judged: by its kind; a signer's lateness by a rule of its own.
 */
export type WasteRule = WasteKind | 'late';

export function kindOfRule(rule: WasteRule): WasteKind {
  return rule === 'late' ? 'signer' : rule;
}

/** Somebody or something that failures are counted for. */
export interface WasteHolder {
  readonly rule: WasteRule;
  /** Address of a signer (see lateHolderOf too), id of a payment, refund or store. */
  readonly holder: string;
}

/** What one of them has wasted in the window. */
export interface Waste {
  readonly items: number;
  readonly latestAt: Date;
}

/** How far back failures count. They are kept by clock hour, so a little less. */
export const WASTE_WINDOW_MS = 24 * 3_600_000;
const HOUR_MS = 3_600_000;

export function startOfHour(at: Date): Date {
  return new Date(Math.floor(at.getTime() / HOUR_MS) * HOUR_MS);
}

/** The first clock hour of the window that ends now. */
export function startOfWasteWindow(now: Date): Date {
  return addMs(startOfHour(now), HOUR_MS - WASTE_WINDOW_MS);
}

/** Reverts that say that it was too late, or that it was done already. */
const NOT_ITS_FAULT =
  /^(PaymentExpired|AuthorizationExpired|RefundExpired|ERC2771ForwarderExpiredRequest|PaymentAlreadyProcessed|RefundNonceUsed)\b/;
/** Of ERC-6093, and of the texts of older tokens. */
const SHORT_OF_TOKENS = /balance|allowance/i;

export function decideBlame(input: {
  readonly runsForeignCode: boolean;
  /** What a batch's event says of it; undefined when it reverted with its whole transaction. */
  readonly refusedFor: string | undefined;
  /** Why the chain would refuse it now. */
  readonly refusal: PaymentRefusal | undefined;
  /** Of its block, beside the deadline of the signature and of the payment. */
  readonly lateness: Lateness;
  /** The transaction used up the gas that it was sent with. */
  readonly isOutOfGas: boolean;
  /**
   * That was as much as was estimated, and it brings a permit: its account may have had code in
   * that block, and none before and after.
   */
  readonly mayHaveBurned: boolean;
}): Blame {
  const { runsForeignCode, refusedFor, refusal, lateness, isOutOfGas, mayHaveBurned } = input;
  if (lateness !== 'inTime') return lateness === 'ours' ? 'nobody' : 'late';
  if (refusedFor !== undefined && NOT_ITS_FAULT.test(refusedFor)) return 'nobody';
  if (runsForeignCode) return 'signer';
  // In a batch each has its full gas or the whole is undone; by itself it has what the relayer gave
  // it.
  if (refusedFor === undefined && isOutOfGas && !mayHaveBurned) return 'nobody';
  if (refusal?.kind === 'insufficientBalance' || refusal?.kind === 'insufficientAllowance')
    return 'signer';
  // It may have been put right meanwhile.
  return refusedFor !== undefined && SHORT_OF_TOKENS.test(refusedFor) ? 'signer' : 'subject';
}

/**
 * The same for a forward request that was passed over in a batch: it was too late; or its nonce was
 * used up by another request, which its signer signed and anybody may have sent; or its turn had
 * not come.
 */
export function decideBlameOfSkipped(input: {
  readonly lateness: Lateness;
  readonly isNonceUsed: boolean;
}): Blame {
  switch (input.lateness) {
    case 'signers':
      return 'late';
    case 'ours':
      return 'nobody';
    case 'inTime':
      return input.isNonceUsed ? 'subject' : 'nobody';
  }
}

/** What a history of failures means for the next request. */
export type WasteVerdict =
  | { readonly kind: 'welcome' }
  | { readonly kind: 'backOff'; readonly until: Date }
  /** Until enough of them are longer ago than the window. */
  | { readonly kind: 'payDirectly' };

const WELCOME: WasteVerdict = { kind: 'welcome' };
const FIRST_WAIT_MS = 30_000;
/** Each wait is so many times as long as the one before … */
const WAIT_GROWTH = 4;
/** … in so many steps up to the limit, however far that is. */
const WAIT_STEPS = 4;

/** From `relayLimits` of the chain's configuration. */
export interface WasteLimits {
  readonly maxWastedPerPayerPerDay: number;
  readonly maxWastedPerPaymentPerDay: number;
  readonly maxWastedPerStorePerDay: number;
}

/** @param waste undefined: none in the window */
export function decideWasteVerdict(
  rule: WasteRule,
  waste: Waste | undefined,
  limits: WasteLimits,
  now: Date,
): WasteVerdict {
  const limit = limitOf(rule, limits);
  // A store is not its customers: some of them fail on any day. Who is late once may have met a
  // block that was missed.
  const free = rule === 'store' || rule === 'late' ? Math.floor(limit / 2) : 0;
  if (waste === undefined || waste.items <= free) return WELCOME;
  if (waste.items >= limit) return { kind: 'payDirectly' };
  const step = Math.floor(
    ((waste.items - free - 1) * WAIT_STEPS) / Math.max(WAIT_STEPS, limit - free),
  );
  const until = addMs(waste.latestAt, FIRST_WAIT_MS * WAIT_GROWTH ** step);
  return now < until ? { kind: 'backOff', until } : WELCOME;
}

function limitOf(rule: WasteRule, limits: WasteLimits): number {
  switch (rule) {
    case 'signer':
    case 'late':
      return limits.maxWastedPerPayerPerDay;
    case 'subject':
      return limits.maxWastedPerPaymentPerDay;
    case 'store':
      return limits.maxWastedPerStorePerDay;
  }
}
