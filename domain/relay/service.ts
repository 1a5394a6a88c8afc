import type { Context } from '../../platform/context.ts';
import { inUnitOfWork, type AlsoInTransaction } from '../../platform/unitOfWork.ts';
import { addMs, toUnixSeconds } from '../../shared/clock.ts';
import { AppError } from '../../shared/errors.ts';
import type { Address, Bytes32, Hex } from '../../shared/hex.ts';
import type { ChainPort, TypedData } from '../chain/ports.ts';
import { findChainConfig, getChain } from '../chain/service.ts';
import { promiseWork } from '../outbox/service.ts';
import type { Payment } from '../payments/model.ts';
import { acceptRelay, assertRelayable, getPayment } from '../payments/service.ts';
import { assertNumbersFit, assertRequestFits, FORWARD_GAS, relayDeadline, toRefusalError } from './decide.ts';
import { RELAY_ERRORS } from './errors.ts';
import type { ForwardRequest, Permit, RelayAttempt } from './model.ts';
import type { RelayerPort } from './ports.ts';
import { insertAttempt, listAttemptsOfPayment, listForgottenAttempts } from './store.ts';

export interface GaslessRequest {
  readonly nonce: bigint;
  readonly forwardRequest: ForwardRequest;
  readonly typedData: TypedData;
  /** What to sign as well, when the gateway's allowance is short and the token has an EIP-2612 permit. */
  readonly permit: { readonly value: bigint; readonly deadline: number; readonly typedData: TypedData } | null;
}

/** @throws AppError notFound, alreadyProcessed, expired, stateConflict, notOffered, chain unavailable */
export async function getGaslessRequest(
  ctx: Context,
  input: { readonly storeId: string; readonly paymentId: Bytes32; readonly userAddress: Address },
): Promise<GaslessRequest> {
  const payment = await getPayment(ctx, input);
  assertRelayable(payment, ctx.clock.now());
  getRelayer(ctx, payment.chainId);
  const chain = getChain(ctx, payment.chainId);
  const { token, amount } = payment.terms;
  const [nonce, allowance] = await Promise.all([chain.getForwarderNonce(input.userAddress), chain.getAllowance(token, input.userAddress)]);
  const deadline = toUnixSeconds(payment.terms.expiresAt);
  const forwardRequest: ForwardRequest = {
    from: input.userAddress,
    to: payment.gateway,
    value: 0n,
    gas: FORWARD_GAS,
    nonce,
    deadline,
    data: chain.encodePay(payment.terms),
  };
  const permitTypedData =
    allowance < amount ? await chain.buildPermitTypedData({ token, owner: input.userAddress, value: amount, deadline }) : undefined;
  return {
    nonce,
    forwardRequest,
    typedData: chain.buildForwardRequestTypedData(forwardRequest),
    permit: permitTypedData === undefined ? null : { value: amount, deadline, typedData: permitTypedData },
  };
}

export interface RelayPaymentInput {
  readonly storeId: string;
  readonly paymentId: Bytes32;
  readonly forwardRequest: ForwardRequest;
  readonly signature: Hex;
  readonly permit: Permit | null;
}

/**
 * Takes a signed request on: everything that can be known before sending is checked, then the attempt is saved and its sending promised.
 * @throws AppError with the real reason, see RELAY_ERRORS, PAYMENT_ERRORS, CHAIN_ERRORS
 */
export async function relayPayment(ctx: Context, input: RelayPaymentInput, also?: AlsoInTransaction<Payment>): Promise<Payment> {
  const { forwardRequest: request, signature, permit } = input;
  assertNumbersFit(request, permit);
  const payment = await getPayment(ctx, input);
  assertRelayable(payment, ctx.clock.now());
  getRelayer(ctx, payment.chainId);
  const chain = getChain(ctx, payment.chainId);
  assertRequestFits({
    payment,
    request,
    payCall: chain.encodePay(payment.terms),
    now: ctx.clock.now(),
    minDeadlineSeconds: ctx.config.relay.minDeadlineSeconds,
  });
  if (!(await chain.isForwardRequestSignedByPayer(request, signature))) {
    throw new AppError(RELAY_ERRORS.badSignature, { detail: `The signature over the forward request is not of ${request.from}.` });
  }
  await assertChainWouldPay(chain, payment, request, permit);

  const now = ctx.clock.now();
  const attempt: RelayAttempt = {
    id: ctx.newId('rla'),
    paymentId: payment.id,
    storeId: payment.storeId,
    chainId: payment.chainId,
    rail: 'forwarder',
    status: 'queued',
    request,
    signature,
    permit,
    deadline: relayDeadline(payment, request),
    transactionId: null,
    errorCode: null,
    errorDetail: null,
    createdAt: now,
    updatedAt: now,
  };
  return inUnitOfWork(ctx, async (unit) => {
    const accepted = await acceptRelay(ctx, unit, { ...input, attemptId: attempt.id, payer: request.from });
    await insertAttempt(unit.trx, attempt);
    await promiseWork(ctx, unit, [{ queue: 'relay', subjectId: attempt.id }]);
    await also?.(unit.trx, accepted);
    return accepted;
  });
}

async function assertChainWouldPay(chain: ChainPort, payment: Payment, request: ForwardRequest, permit: Permit | null): Promise<void> {
  const [nonce, refusal] = await Promise.all([
    chain.getForwarderNonce(request.from),
    chain.findRefusal({ terms: payment.terms, payer: request.from, permit }),
  ]);
  if (refusal !== undefined) throw toRefusalError(refusal, payment);
  if (nonce !== request.nonce) {
    throw new AppError(RELAY_ERRORS.wrongNonce, { detail: `forwardRequest.nonce is ${request.nonce}, the payer's next one is ${nonce}.` });
  }
}

/** @throws AppError notOffered */
function getRelayer(ctx: Context, chainId: number): RelayerPort {
  const relayer = ctx.relayers.get(chainId);
  if (relayer === undefined) throw new AppError(RELAY_ERRORS.notOffered, { detail: `No relayer is configured for chain ${chainId}.` });
  return relayer;
}

/** Oldest first. */
export function listRelayAttempts(
  ctx: Context,
  input: { readonly paymentId: Bytes32 },
): Promise<(RelayAttempt & { txHash: Bytes32 | null })[]> {
  return listAttemptsOfPayment(ctx.db, input.paymentId);
}

/** An attempt that is live with no work promised for it would wait for ever; none should be, and none stays so. */
const FORGOTTEN_AFTER_MS = 60_000;

/** @returns how many attempts were taken up again */
export async function recoverForgottenAttempts(ctx: Context): Promise<number> {
  const now = ctx.clock.now();
  const attempts = await listForgottenAttempts(ctx.db, addMs(now, -FORGOTTEN_AFTER_MS), 100);
  if (attempts.length === 0) return 0;
  ctx.log.warn({ attemptIds: attempts.map((attempt) => attempt.id) }, 'relay attempts without promised work are taken up again');
  await inUnitOfWork(ctx, (unit) =>
    promiseWork(
      ctx,
      unit,
      attempts.map((attempt) =>
        attempt.transactionId === null || attempt.status === 'queued' || attempt.status === 'submitting'
          ? { queue: 'relay', subjectId: attempt.id }
          : { queue: 'confirm', subjectId: attempt.transactionId },
      ),
    ),
  );
  return attempts.length;
}

export function blockTimeMsOf(ctx: Context, chainId: number): number {
  return findChainConfig(ctx, chainId)?.blockTimeMs ?? 2_000;
}
