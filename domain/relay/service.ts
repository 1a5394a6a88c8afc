import type { Context } from '../../platform/context.ts';
import {
  inUnitOfWork,
  type AlsoInTransaction,
  type UnitOfWork,
} from '../../platform/unitOfWork.ts';
import { addMs, toUnixSeconds } from '../../shared/clock.ts';
import { AppError } from '../../shared/errors.ts';
import type { Address, Bytes32, Hex } from '../../shared/hex.ts';
import { formatAmountUnits } from '../../shared/money.ts';
import type { ChainPort, TypedData } from '../chain/ports.ts';
import { findChainConfig, getChain, listKnownBlocks } from '../chain/service.ts';
import { promiseWork } from '../outbox/service.ts';
import type { Payment } from '../payments/model.ts';
import { acceptRelay, assertRelayable, getPayment } from '../payments/service.ts';
import type { RelayPriority } from '../stores/model.ts';
import { acceptAttempt } from './accept/acceptAttempt.ts';
import {
  listAttemptsOfPayment,
  listAttemptsOfRefunds,
  listForgottenAttempts,
  listLiveNonces,
  type ShownAttempt,
} from './attempts/attemptStore.ts';
import {
  assertNumbersFit,
  assertRequestFits,
  assertTimeLeft,
  decideNextNonce,
  FORWARD_GAS,
  relayDeadline,
} from './decide.ts';
import { RELAY_ERRORS } from './errors.ts';
import { findRefusalOf } from './refusals/findRefusalOf.ts';
import { askChainNonce, askNonceFor } from './attempts/forwarderNonces.ts';
import { leastMsOf } from './attempts/leastMsOf.ts';
import { offerPermit, type PermitOffer } from './refusals/offerPermit.ts';
import { signerOf } from './model.ts';
import { toRefusalError } from './refusals/toRefusalError.ts';
import type {
  ForwardRequest,
  PaymentAuthorization,
  Permit,
  SignedRequest,
} from '../chain/contractModel.ts';

export interface GaslessRequest extends PermitOffer {
  readonly nonce: bigint;
  readonly forwardRequest: ForwardRequest;
  readonly typedData: TypedData;
}

interface PaymentOfPayer {
  readonly storeId: string;
  readonly paymentId: Bytes32;
  readonly payer: Address;
}

/**
 * The next request of this payer on the forwarder rail. Its nonce comes after those that are on
 * their way already.
 * @throws AppError notFound, alreadyProcessed, expired, stateConflict, notOffered, belowMinimum,
 *   deadline, chain unavailable
 */
export async function getGaslessRequest(
  ctx: Context,
  input: PaymentOfPayer,
): Promise<GaslessRequest> {
  const { payment, chain } = await getRelayablePayment(ctx, input);
  const [chainNonce, offer] = await Promise.all([
    askChainNonce(ctx, chain, input.payer),
    offerPermit(chain, transferOf(payment, input.payer)),
  ]);
  const nonce = decideNextNonce(
    chainNonce,
    await listLiveNonces(ctx.db, payment.chainId, input.payer),
  );
  const forwardRequest: ForwardRequest = {
    from: input.payer,
    to: payment.gateway,
    value: 0n,
    gas: FORWARD_GAS,
    nonce,
    deadline: toUnixSeconds(payment.terms.expiresAt),
    data: chain.encodePay(payment.terms),
  };
  return {
    nonce,
    forwardRequest,
    typedData: chain.buildForwardRequestTypedData(forwardRequest),
    ...offer,
  };
}

export interface AuthorizationRequest extends PermitOffer {
  readonly authorization: PaymentAuthorization;
  readonly typedData: TypedData;
}

/**
 * What this payer signs on the authorization rail. The payment id is its nonce: any number of
 * payments may be authorised side by side.
 * @throws AppError notFound, alreadyProcessed, expired, stateConflict, notOffered, belowMinimum,
 *   deadline, chain unavailable
 */
export async function getAuthorizationRequest(
  ctx: Context,
  input: PaymentOfPayer,
): Promise<AuthorizationRequest> {
  const { payment, chain } = await getRelayablePayment(ctx, input);
  const authorization = authorizationOf(payment, input.payer);
  const offer = await offerPermit(chain, transferOf(payment, input.payer));
  const typedData = chain.buildAuthorizationTypedData({
    paymentId: payment.id,
    terms: payment.terms,
    authorization,
  });
  return { authorization, typedData, ...offer };
}

/**
 * The signature is good for as long as the payment is: so the payer has to sign, and the store to
 * send, nothing but the signature.
 */
function authorizationOf(payment: Payment, payer: Address): PaymentAuthorization {
  return { payer, deadline: toUnixSeconds(payment.terms.expiresAt) };
}

async function getRelayablePayment(
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

function transferOf({ terms }: Payment, owner: Address) {
  return {
    token: terms.token,
    owner,
    amount: terms.amount,
    deadline: toUnixSeconds(terms.expiresAt),
  };
}

/** @throws AppError notOffered */
export function assertOffered(ctx: Context, chainId: number): void {
  if (isGaslessOffered(ctx, chainId)) return;
  throw new AppError(RELAY_ERRORS.notOffered, {
    detail: `No relayer takes requests for chain ${chainId}.`,
  });
}

/**
 * Whether the configuration has a relayer there that is not being drained. It may be out of service
 * all the same; then requests wait for it.
 */
export function isGaslessOffered(ctx: Context, chainId: number): boolean {
  return findChainConfig(ctx, chainId)?.relayers.some(({ draining }) => !draining) ?? false;
}

export interface RelayPaymentInput {
  readonly storeId: string;
  readonly paymentId: Bytes32;
  readonly forwardRequest: ForwardRequest;
  readonly signature: Hex;
  readonly permit: Permit | null;
  /** Among the store's own requests. Absent: normal. */
  readonly priority?: RelayPriority | undefined;
}

/**
 * Takes a forward request on: everything that can be known before sending is checked, then the
 * attempt is saved and its sending promised.
 * @throws AppError with the real reason, see RELAY_ERRORS, PAYMENT_ERRORS, CHAIN_ERRORS
 */
export async function relayPayment(
  ctx: Context,
  input: RelayPaymentInput,
  also?: AlsoInTransaction<Payment>,
): Promise<Payment> {
  const { forwardRequest: request, permit } = input;
  assertNumbersFit([
    ['/body/forwardRequest/nonce', request.nonce, 256n],
    ['/body/forwardRequest/deadline', BigInt(request.deadline), 48n],
    ...permitNumbers(permit),
  ]);
  const { payment, chain } = await getRelayablePayment(ctx, { ...input, payer: request.from });
  assertRequestFits({
    payment,
    request,
    payCall: chain.encodePay(payment.terms),
    now: ctx.clock.now(),
    leastSeconds: leastMsOf(ctx, payment.chainId) / 1000,
  });
  return acceptSigned(ctx, { ...input, payment, signed: { rail: 'forwarder', request } }, also);
}

export interface ExecutePaymentInput {
  readonly storeId: string;
  readonly paymentId: Bytes32;
  readonly payer: Address;
  readonly signature: Hex;
  readonly permit: Permit | null;
  /** Among the store's own requests. Absent: normal. */
  readonly priority?: RelayPriority | undefined;
}

/**
 * Takes a payment authorization on, as relayPayment does a forward request.
 * @throws AppError with the real reason, see RELAY_ERRORS, PAYMENT_ERRORS, CHAIN_ERRORS
 */
export async function executePayment(
  ctx: Context,
  input: ExecutePaymentInput,
  also?: AlsoInTransaction<Payment>,
): Promise<Payment> {
  assertNumbersFit(permitNumbers(input.permit));
  const { payment } = await getRelayablePayment(ctx, input);
  return acceptSigned(
    ctx,
    {
      ...input,
      payment,
      signed: { rail: 'authorization', authorization: authorizationOf(payment, input.payer) },
    },
    also,
  );
}

/** For assertNumbersFit. */
export function permitNumbers(
  permit: Permit | null,
): (readonly [path: string, value: bigint, bits: bigint])[] {
  if (permit === null) return [];
  return [
    ['/body/permit/value', permit.value, 256n],
    ['/body/permit/deadline', permit.deadline, 256n],
  ];
}

async function acceptSigned(
  ctx: Context,
  input: {
    readonly storeId: string;
    readonly payment: Payment;
    readonly signed: SignedRequest;
    readonly signature: Hex;
    readonly permit: Permit | null;
    readonly priority?: RelayPriority | undefined;
  },
  also: AlsoInTransaction<Payment> | undefined,
): Promise<Payment> {
  const { storeId, payment, signed, permit, priority = 'normal' } = input;
  const { id: paymentId, chainId, terms } = payment;
  const chain = getChain(ctx, chainId);
  const payer = signerOf(signed);
  const signature = await chain.verifySignature({
    signed,
    paymentId,
    terms,
    signature: input.signature,
  });
  if (signature === undefined)
    throw new AppError(RELAY_ERRORS.badSignature, {
      detail: `The signature is not that of ${payer} for this request.`,
    });
  const item = { signed, signature, permit, paymentId, terms };
  const [refusal, chainNonce, gasPrice, runsForeignCode] = await Promise.all([
    listKnownBlocks(ctx, chainId).then((since) => findRefusalOf(chain, item, since)),
    signed.rail === 'forwarder' ? askNonceFor(ctx, chain, signed.request) : undefined,
    findGasPrice(ctx, chainId),
    chain.runsForeignCode(item),
  ]);
  if (refusal !== undefined) throw toRefusalError(refusal, item);

  const attemptId = ctx.newId('rla');
  const accept = async (unit: UnitOfWork) => {
    const accepted = await acceptRelay(ctx, unit, { storeId, paymentId, attemptId, payer });
    await acceptAttempt(ctx, unit, {
      ...{
        id: attemptId,
        paymentId,
        refundId: null,
        storeId,
        chainId,
        signed,
        signature,
        permit,
        runsForeignCode,
        priority,
        gasPrice,
      },
      ...(chainNonce === undefined ? {} : { chainNonce }),
      deadline: relayDeadline(payment, deadlineOf(signed)),
    });
    await also?.(unit.trx, accepted);
    return accepted;
  };
  return inUnitOfWork(ctx, accept, { turnOf: storeId });
}

function deadlineOf(signed: SignedRequest): { readonly deadline: number } {
  switch (signed.rail) {
    case 'forwarder':
      return signed.request;
    case 'authorization':
      return signed.authorization;
    case 'refund':
      return signed.refund;
  }
}

/** Only asked for where a budget is in wei. */
export async function findGasPrice(ctx: Context, chainId: number): Promise<bigint | undefined> {
  const limits = findChainConfig(ctx, chainId)?.relayLimits;
  if (
    limits?.gasBudgetPerStorePerDayWei === undefined &&
    limits?.gasBudgetPerPayerPerDayWei === undefined
  )
    return undefined;
  return getChain(ctx, chainId).getGasPrice();
}

/** Of any number of refunds, oldest first. */
export function listRefundAttempts(
  ctx: Context,
  refundIds: readonly string[],
): Promise<ShownAttempt[]> {
  return listAttemptsOfRefunds(ctx.db, refundIds);
}

/** Oldest first. */
export function listRelayAttempts(
  ctx: Context,
  input: { readonly paymentId: Bytes32 },
): Promise<ShownAttempt[]> {
  return listAttemptsOfPayment(ctx.db, input.paymentId);
}

/**
 * An attempt that is live with no work promised for it would wait for ever; none should be, and
 * none stays so.
 */
const FORGOTTEN_AFTER_MS = 60_000;

/** @returns how many attempts were taken up again */
export async function recoverForgottenAttempts(ctx: Context): Promise<number> {
  const now = ctx.clock.now();
  const attempts = await listForgottenAttempts(ctx.db, addMs(now, -FORGOTTEN_AFTER_MS), 100);
  if (attempts.length === 0) return 0;
  ctx.log.warn(
    { attemptIds: attempts.map((attempt) => attempt.id) },
    'relay attempts without promised work are taken up again',
  );
  await inUnitOfWork(ctx, (unit) =>
    promiseWork(
      ctx,
      unit,
      attempts.map((attempt) =>
        attempt.transactionId === null ||
        attempt.status === 'queued' ||
        attempt.status === 'submitting'
          ? { queue: 'relay', subjectId: attempt.id }
          : { queue: 'confirm', subjectId: attempt.transactionId },
      ),
    ),
  );
  return attempts.length;
}
