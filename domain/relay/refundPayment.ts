import type { Context } from '../../platform/context.ts';
import {
  inUnitOfWork,
  type AlsoInTransaction,
  type UnitOfWork,
} from '../../platform/unitOfWork.ts';
import { addMs, fromUnixSeconds, toUnixSeconds } from '../../shared/clock.ts';
import { AppError } from '../../shared/errors.ts';
import type { Bytes32, Hex } from '../../shared/hex.ts';
import type { AmountUnits } from '../../shared/money.ts';
import type { TypedData } from '../chain/ports.ts';
import { assertClockOfChain, getChain, listKnownBlocks } from '../chain/service.ts';
import { PAYMENT_ERRORS } from '../payments/errors.ts';
import type { Payment } from '../payments/model.ts';
import { getPayment, lockPaymentsForRelay } from '../payments/service.ts';
import { decideRefundDeadline, makeRefundNonce, MAX_DEADLINE_MS } from '../refunds/decide.ts';
import { REFUND_ERRORS } from '../refunds/errors.ts';
import type { Refund } from '../refunds/model.ts';
import { askAboutFailedRefunds, createRefund, findRefundToSignAgain } from '../refunds/service.ts';
import type { RelayPriority } from '../stores/model.ts';
import { saveNewAttempt } from './accept/saveNewAttempt.ts';
import { assertNumbersFit, permitNumbers } from './accept/assertNumbersFit.ts';
import { RELAY_ERRORS } from './errors.ts';
import { findRefusalOf } from './refusals/findRefusalOf.ts';
import { leastMsOf } from './attempts/leastMsOf.ts';
import { offerPermit, type PermitOffer } from './refusals/offerPermit.ts';
import type { Permit, RefundAuthorization, SignedRequest } from '../chain/contractModel.ts';
import { findGasPrice } from './accept/findGasPrice.ts';
import { assertOffered } from './accept/assertOffered.ts';
import { toRefusalError } from './refusals/toRefusalError.ts';

/**
 * The permit is for the merchant to sign as well, when the gateway's allowance for its tokens is
 * short.
 */
export interface RefundRequest extends PermitOffer {
  readonly refund: RefundAuthorization;
  readonly typedData: TypedData;
}

/**
 * What the payment's merchant signs to give some of it back.
 * @throws AppError notFound, stateConflict, exceedsPayment, notOffered, clockBehind, chain
 *   unavailable
 */
export async function getRefundRequest(
  ctx: Context,
  input: { readonly storeId: string; readonly paymentId: Bytes32; readonly amount: AmountUnits },
): Promise<RefundRequest> {
  const payment = await getRefundablePayment(ctx, input);
  const { merchant, token } = payment.terms;
  const chain = getChain(ctx, payment.chainId);
  await assertClockOfChain(ctx, payment.chainId);
  const deadline = toUnixSeconds(decideRefundDeadline(ctx.clock.now()));
  const failed = await findRefundToSignAgain(ctx, payment);
  const nonce = failed?.nonce ?? makeRefundNonce(ctx.randomBytes(16));
  const refund = { merchant, amount: input.amount, nonce, deadline };
  return {
    refund,
    typedData: chain.buildRefundTypedData({ paymentId: payment.id, refund }),
    ...(await offerPermit(chain, { token, owner: merchant, amount: input.amount, deadline })),
  };
}

export interface RefundPaymentInput {
  readonly storeId: string;
  readonly paymentId: Bytes32;
  readonly amount: AmountUnits;
  readonly nonce: bigint;
  /** Unix seconds. */
  readonly deadline: number;
  readonly signature: Hex;
  readonly permit: Permit | null;
  /** Among the store's own refunds. Absent: normal. */
  readonly priority?: RelayPriority | undefined;
}

/**
 * Takes the merchant's signature on, as relayPayment does a customer's: checked, simulated, then
 * saved with the promise to send it.
 * @throws AppError with the real reason, see REFUND_ERRORS, RELAY_ERRORS, PAYMENT_ERRORS,
 *   CHAIN_ERRORS
 */
export async function refundPayment(
  ctx: Context,
  input: RefundPaymentInput,
  also?: AlsoInTransaction<Refund>,
): Promise<Refund> {
  const { storeId, paymentId, amount, nonce, deadline, permit, priority = 'normal' } = input;
  assertNumbersFit([
    ['/body/nonce', nonce, 128n],
    ['/body/deadline', BigInt(deadline), 48n],
    ...permitNumbers(permit),
  ]);
  const payment = await getRefundablePayment(ctx, input);
  const { terms, chainId } = payment;
  assertDeadlineFits(ctx, chainId, deadline);
  const chain = getChain(ctx, chainId);
  const signed: SignedRequest = {
    rail: 'refund',
    refund: { merchant: terms.merchant, amount, nonce, deadline },
  };
  const signature = await chain.verifySignature({
    signed,
    paymentId,
    terms,
    signature: input.signature,
  });
  if (signature === undefined) {
    throw new AppError(RELAY_ERRORS.badSignature, {
      detail: `The signature is not that of the merchant ${terms.merchant} for this refund.`,
    });
  }
  const item = { signed, signature, permit, paymentId, terms };
  // What settles the fate of earlier ones first: one that is made after that is in the amount.
  const word = await askAboutFailedRefunds(ctx, payment);
  const [refundedOnChain, isUsed, gasPrice, runsForeignCode] = await Promise.all([
    chain.getRefundedAmount(paymentId),
    chain.isRefunded(paymentId, nonce),
    findGasPrice(ctx, chainId),
    chain.runsForeignCode(item),
  ]);
  // Where that is not known, the contract sees to it.
  if (isUsed === true) {
    const detail = `The chain shows a refund of the payment with the nonce ${nonce}: ask for the authorization again and sign that, with a nonce of its own.`;
    throw new AppError(REFUND_ERRORS.nonceUsed, { detail });
  }
  if (refundedOnChain + amount <= terms.amount) {
    // What would exceed the payment is told as that below, not as whatever the contract calls it.
    const refusal = await findRefusalOf(chain, item, await listKnownBlocks(ctx, chainId));
    if (refusal !== undefined) throw toRefusalError(refusal, item);
  }

  const attemptId = ctx.newId('rla');
  const accept = async (unit: UnitOfWork) => {
    // Refunds of one payment are counted one after the other; and a reorganisation may have taken
    // the payment away meanwhile.
    const [locked] = await lockPaymentsForRelay(unit, [paymentId]);
    if (locked === undefined) throw new Error(`payment ${paymentId} is gone`);
    assertCompleted(locked);
    const refund = await createRefund(ctx, unit, {
      ...{ payment, amount, nonce, attemptId, refundedOnChain, word },
      deadline: fromUnixSeconds(deadline),
    });
    await saveNewAttempt(ctx, unit, {
      ...{
        id: attemptId,
        paymentId,
        refundId: refund.id,
        storeId,
        chainId,
        signed,
        signature,
        permit,
        runsForeignCode,
        priority,
        gasPrice,
      },
      deadline: fromUnixSeconds(deadline),
    });
    await also?.(unit.trx, refund);
    return refund;
  };
  return inUnitOfWork(ctx, accept, { turnOf: storeId });
}

async function getRefundablePayment(
  ctx: Context,
  input: { readonly storeId: string; readonly paymentId: Bytes32; readonly amount: AmountUnits },
): Promise<Payment> {
  const payment = await getPayment(ctx, input);
  assertCompleted(payment);
  if (input.amount > payment.terms.amount) {
    throw new AppError(REFUND_ERRORS.exceedsPayment, {
      detail: `The payment was ${payment.terms.amount}, the refund would be ${input.amount}.`,
    });
  }
  assertOffered(ctx, payment.chainId);
  return payment;
}

/** @throws AppError stateConflict */
function assertCompleted(payment: Payment): void {
  if (payment.status === 'completed') return;
  throw new AppError(PAYMENT_ERRORS.stateConflict, {
    detail: `The payment is ${payment.status}, only a completed one can be refunded.`,
  });
}

/** @throws AppError deadline */
function assertDeadlineFits(ctx: Context, chainId: number, deadline: number): void {
  const now = ctx.clock.now();
  const earliest = toUnixSeconds(now) + leastMsOf(ctx, chainId) / 1000;
  const latest = toUnixSeconds(addMs(now, MAX_DEADLINE_MS));
  if (deadline >= earliest && deadline <= latest) return;
  throw new AppError(RELAY_ERRORS.deadline, {
    detail: `deadline must be from ${earliest} to ${latest}.`,
  });
}
