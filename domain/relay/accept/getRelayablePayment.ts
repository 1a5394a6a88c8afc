import type { Context } from '../../../platform/context.ts';
import { toUnixSeconds } from '../../../shared/clock.ts';
import { AppError } from '../../../shared/errors.ts';
import type { Address, Bytes32 } from '../../../shared/hex.ts';
import { formatAmountUnits } from '../../../shared/money.ts';
import type { PaymentAuthorization } from '../../chain/contractModel.ts';
import type { ChainPort } from '../../chain/ports.ts';
import { findChainConfig, getChain } from '../../chain/service.ts';
import type { Payment } from '../../payments/model.ts';
import { assertRelayable, getPayment } from '../../payments/service.ts';
import { leastMsOf } from '../attempts/leastMsOf.ts';
import { RELAY_ERRORS } from '../errors.ts';
import { assertOffered } from './assertOffered.ts';
import { assertTimeLeft } from './assertRequestFits.ts';

export interface PaymentOfPayer {
  readonly storeId: string;
  readonly paymentId: Bytes32;
  readonly payer: Address;
}

/**
 * The signature is good for as long as the payment is: so the payer has to sign, and the store to
 * send, nothing but the signature.
 */
export function authorizationOf(payment: Payment, payer: Address): PaymentAuthorization {
  return { payer, deadline: toUnixSeconds(payment.terms.expiresAt) };
}

export async function getRelayablePayment(
  ctx: Context,
  input: PaymentOfPayer,
): Promise<{ payment: Payment; chain: ChainPort }> {
  const payment = await getPayment(ctx, input);
  assertRelayable(payment, ctx.clock.now());
  assertOffered(ctx, payment.chainId);
  assertWorthRelaying(ctx, payment);
  // What is handed out to be signed must be good for long enough too.
  assertTimeLeft({
    payment,
    now: ctx.clock.now(),
    leastSeconds: leastMsOf(ctx, payment.chainId) / 1000,
  });
  return { payment, chain: getChain(ctx, payment.chainId) };
}

/** @throws AppError belowMinimum */
function assertWorthRelaying(ctx: Context, { chainId, terms }: Payment): void {
  const least = findChainConfig(ctx, chainId)?.tokens.find(
    ({ address }) => address === terms.token,
  )?.minRelayAmount;
  if (least === undefined || terms.amount >= least) return;
  throw new AppError(RELAY_ERRORS.belowMinimum, {
    detail: `The payment is of ${formatAmountUnits(terms.amount)}, and at least ${least} is relayed in this token; it can be paid directly.`,
  });
}

export function transferOf({ terms }: Payment, owner: Address) {
  return {
    token: terms.token,
    owner,
    amount: terms.amount,
    deadline: toUnixSeconds(terms.expiresAt),
  };
}
