import { addMs, fromUnixSeconds, toUnixSeconds } from '../../shared/clock.ts';
import { AppError, COMMON_ERRORS } from '../../shared/errors.ts';
import { formatAmountUnits } from '../../shared/money.ts';
import type { PaymentRefusal } from '../chain/ports.ts';
import type { Hex } from '../../shared/hex.ts';
import { PAYMENT_ERRORS } from '../payments/errors.ts';
import type { RelayFailure } from '../payments/eventData.ts';
import type { Payment } from '../payments/model.ts';
import { CHAIN_ERRORS } from '../chain/errors.ts';
import { RELAY_ERRORS } from './errors.ts';
import type { ForwardRequest, Permit } from './model.ts';

/**
 * Gas that the customer signs for the inner call: several times what `pay` and `payWithPermit` need, even with a cold, proxied token, and far below
 * what would let a hostile token drain the relayer.
 */
export const FORWARD_GAS = 300_000n;
/** Below this the inner call would run out of gas with an ordinary token. */
export const MIN_FORWARD_GAS = 150_000n;

/** Decimal strings may say more than the contracts' types hold; nothing can be hashed or encoded then. @throws AppError validation */
export function assertNumbersFit(request: ForwardRequest, permit: Permit | null): void {
  const numbers: readonly (readonly [path: string, value: bigint, bits: bigint])[] = [
    ['/body/forwardRequest/nonce', request.nonce, 256n],
    ['/body/forwardRequest/deadline', BigInt(request.deadline), 48n],
    ...(permit === null ? [] : ([['/body/permit/value', permit.value, 256n]] as const)),
  ];
  const fields = numbers.flatMap(([path, value, bits]) => (value < 2n ** bits ? [] : [{ path, message: `must be less than 2^${bits}` }]));
  if (fields.length > 0) throw new AppError(COMMON_ERRORS.validation, { fields });
}

/** What a signed request must say to be for this payment and nothing else. @throws AppError termsMismatch, deadline */
export function assertRequestFits(input: {
  readonly payment: Payment;
  readonly request: ForwardRequest;
  readonly payCall: Hex;
  readonly now: Date;
  readonly minDeadlineSeconds: number;
}): void {
  const { payment, request } = input;
  const mismatch = (detail: string) => new AppError(RELAY_ERRORS.termsMismatch, { detail });
  if (request.to !== payment.gateway) throw mismatch(`forwardRequest.to must be the gateway ${payment.gateway}.`);
  if (request.value !== 0n) throw mismatch('forwardRequest.value must be 0.');
  if (request.gas < MIN_FORWARD_GAS || request.gas > FORWARD_GAS) {
    throw mismatch(`forwardRequest.gas must be from ${MIN_FORWARD_GAS} to ${FORWARD_GAS}.`);
  }
  if (request.data.toLowerCase() !== input.payCall.toLowerCase())
    throw mismatch('forwardRequest.data is not the call that pays this payment.');
  const earliest = toUnixSeconds(input.now) + input.minDeadlineSeconds;
  if (request.deadline < earliest) {
    throw new AppError(RELAY_ERRORS.deadline, {
      detail: `forwardRequest.deadline must be at least ${earliest}, ${input.minDeadlineSeconds} seconds from now.`,
    });
  }
  // Before the nonce and the gas of a transaction that would arrive too late are spent on it.
  if (toUnixSeconds(payment.terms.expiresAt) < earliest) {
    const detail = `The payment expires at ${payment.terms.expiresAt.toISOString()}, too soon for a relay; it can still be paid directly.`;
    throw new AppError(RELAY_ERRORS.deadline, { detail });
  }
}

/** From this moment on no block can take the signed request: both the forwarder's deadline and the payment's expiry are enforced on-chain. */
export function relayDeadline(payment: Pick<Payment, 'terms'>, request: Pick<ForwardRequest, 'deadline'>): Date {
  return fromUnixSeconds(Math.min(request.deadline, toUnixSeconds(payment.terms.expiresAt)));
}

/** The real reason, as the customer's store is told. */
export function toRefusalError(refusal: PaymentRefusal, payment: Payment): AppError {
  const amount = formatAmountUnits(payment.terms.amount);
  switch (refusal.kind) {
    case 'insufficientBalance':
      return new AppError(RELAY_ERRORS.insufficientBalance, {
        detail: `The payer holds ${refusal.balance} of the ${amount} that the payment asks for.`,
      });
    case 'insufficientAllowance':
      return new AppError(RELAY_ERRORS.approvalRefused, {
        detail: `The gateway may take ${refusal.allowance} of the ${amount} that the payment asks for; have the payer approve it or sign the permit.`,
      });
    case 'alreadyProcessed':
      return new AppError(PAYMENT_ERRORS.alreadyProcessed, { detail: 'The chain shows that the payment was made.' });
    case 'expired':
      return new AppError(PAYMENT_ERRORS.expired, { detail: `The payment expired at ${payment.terms.expiresAt.toISOString()}.` });
    case 'other':
      return new AppError(CHAIN_ERRORS.wouldRevert, { detail: refusal.reason });
  }
}

/** Why an attempt ends whose payment the chain shows as made, though not by it. */
export const PAID_ELSEWHERE: RelayFailure = {
  code: PAYMENT_ERRORS.alreadyProcessed.code,
  detail: 'The payment was made by another transaction.',
};

/** How often an unfinished transaction is looked at: about once a block, within reason. */
export function decideNextLook(now: Date, blockTimeMs: number): Date {
  return addMs(now, Math.min(5_000, Math.max(200, blockTimeMs)));
}
