import { fromUnixSeconds, toUnixSeconds } from '../../../shared/clock.ts';
import { AppError } from '../../../shared/errors.ts';
import type { Hex } from '../../../shared/hex.ts';
import type { ForwardRequest } from '../../chain/contractModel.ts';
import type { Payment } from '../../payments/model.ts';
import { RELAY_ERRORS } from '../errors.ts';

/**
 * Gas that the customer signs for the inner call: several times what `pay` and `payWithPermit`
 * need, even with a cold, proxied token, and far below what would let a hostile token drain the
 * relayer.
 */
export const FORWARD_GAS = 300_000n;

/** Below this the inner call would run out of gas with an ordinary token. */
export const MIN_FORWARD_GAS = 150_000n;

/**
 * What a forward request must say to be for this payment and nothing else. @throws AppError
 * termsMismatch, deadline
 */
export function assertRequestFits(input: {
  readonly payment: Payment;
  readonly request: ForwardRequest;
  readonly payCall: Hex;
  readonly now: Date;
  /** See decideLeastMs. */
  readonly leastSeconds: number;
}): void {
  const { payment, request } = input;
  const mismatch = (detail: string) => new AppError(RELAY_ERRORS.termsMismatch, { detail });
  if (request.to !== payment.gateway)
    throw mismatch(`forwardRequest.to must be the gateway ${payment.gateway}.`);
  if (request.value !== 0n) throw mismatch('forwardRequest.value must be 0.');
  if (request.gas < MIN_FORWARD_GAS || request.gas > FORWARD_GAS) {
    throw mismatch(`forwardRequest.gas must be from ${MIN_FORWARD_GAS} to ${FORWARD_GAS}.`);
  }
  if (request.data.toLowerCase() !== input.payCall.toLowerCase())
    throw mismatch('forwardRequest.data is not the call that pays this payment.');
  const earliest = toUnixSeconds(input.now) + input.leastSeconds;
  if (request.deadline < earliest) {
    throw new AppError(RELAY_ERRORS.deadline, {
      detail: `forwardRequest.deadline must be at least ${earliest}, ${input.leastSeconds} seconds from now.`,
    });
  }
  assertTimeLeft(input);
}

/**
 * Before a nonce, and the gas of a transaction that would arrive too late, are spent on it. @throws
 * AppError deadline
 */
export function assertTimeLeft(input: {
  readonly payment: Payment;
  readonly now: Date;
  readonly leastSeconds: number;
}): void {
  const { expiresAt } = input.payment.terms;
  if (toUnixSeconds(expiresAt) >= toUnixSeconds(input.now) + input.leastSeconds) return;
  const detail = `The payment expires at ${expiresAt.toISOString()}, too soon for a relay; it can still be paid directly.`;
  throw new AppError(RELAY_ERRORS.deadline, { detail });
}

/**
 * From this moment on no block can take the signed request: both the forwarder's deadline and the
 * payment's expiry are enforced on-chain.
 */
export function relayDeadline(
  payment: Pick<Payment, 'terms'>,
  request: { readonly deadline: number },
): Date {
  return fromUnixSeconds(Math.min(request.deadline, toUnixSeconds(payment.terms.expiresAt)));
}
