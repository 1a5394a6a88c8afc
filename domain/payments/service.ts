import type { ChainConfig } from '../../platform/config.ts';
import type { Context } from '../../platform/context.ts';
import {
  inUnitOfWork,
  type AlsoInTransaction,
  type UnitOfWork,
} from '../../platform/unitOfWork.ts';
import { AppError, COMMON_ERRORS } from '../../shared/errors.ts';
import type { Address, Bytes32 } from '../../shared/hex.ts';
import type { AmountUnits } from '../../shared/money.ts';
import {
  assertClockOfChain,
  findRecentCursor,
  findSettledTime,
  getChain,
} from '../chain/service.ts';
import { findCursor, type ChainCursor } from '../chain/store.ts';
import { getStore, isRegisteredMerchant } from '../stores/service.ts';
import { isPaidOnChain } from './askWhoPaid.ts';
import { changePayments, requiredConfirmationsOf } from './changePayments.ts';
import { decideAfterRelayFailure, decideExpiry, isPayable, makeSalt } from './decide.ts';
import { PAYMENT_ERRORS } from './errors.ts';
import type { RelayFailure } from './eventData.ts';
import type { Payment, PaymentStatus } from './model.ts';
import { saveNewPayment } from './saveNewPayment.ts';
import {
  findPayment,
  listPaymentRows,
  listPaymentsById,
  lockPayments,
  type PagePlace,
} from './store.ts';
import type { PaymentTerms } from '../chain/contractModel.ts';
import { confirmationsAt } from '../chain/decide.ts';

export interface CreatePaymentInput {
  readonly storeId: string;
  readonly orderId: string;
  readonly amount: AmountUnits;
  readonly token: Address;
  readonly merchant?: Address | undefined;
  readonly chainId?: number | undefined;
  readonly expiresInSeconds: number;
  readonly customerEmail?: string | undefined;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
}

/** @throws AppError unknownChain, unknownToken, merchantNotRegistered, clockBehind */
export async function createPayment(
  ctx: Context,
  input: CreatePaymentInput,
  also?: AlsoInTransaction<Payment>,
): Promise<Payment> {
  assertWellFormed(input);
  const chain = chooseChain(ctx, input);
  const merchant = await chooseMerchant(ctx, input);
  // Or it might be expired by the chain's clock before anybody has seen it.
  await assertClockOfChain(ctx, chain.chainId);
  const now = ctx.clock.now();
  const terms: PaymentTerms = {
    salt: makeSalt(input.storeId, input.orderId, ctx.randomBytes(32)),
    token: input.token,
    amount: input.amount,
    merchant,
    expiresAt: decideExpiry(now, input.expiresInSeconds),
  };
  const payment: Payment = {
    id: getChain(ctx, chain.chainId).paymentIdOf(terms),
    storeId: input.storeId,
    orderId: input.orderId,
    chainId: chain.chainId,
    gateway: chain.gateway,
    terms,
    status: 'pending',
    version: 1,
    late: false,
    customerEmail: input.customerEmail ?? null,
    metadata: input.metadata ?? null,
    payer: null,
    relayAttemptId: null,
    txHash: null,
    position: null,
    createdAt: now,
    updatedAt: now,
    completedAt: null,
  };
  await saveNewPayment({
    ctx,
    payment,
    requiredConfirmations: requiredConfirmationsOf(ctx, payment),
    also,
  });
  return payment;
}

/**
 * Half a surrogate pair is text to JSON, but to no database. And a webhook's body has its limit:
 * see Standard Webhooks.
 */
function assertWellFormed(input: CreatePaymentInput): void {
  const wrong = (path: string, message: string) =>
    new AppError(COMMON_ERRORS.validation, { fields: [{ path, message }] });
  if (!isWellFormed(input.orderId)) throw wrong('/body/orderId', 'is not well-formed Unicode');
  if (input.metadata === undefined) return;
  const metadata = JSON.stringify(input.metadata);
  if (!Object.entries(input.metadata).flat().every(isWellFormed))
    throw wrong('/body/metadata', 'is not well-formed Unicode');
  if (Buffer.byteLength(metadata) > MAX_METADATA_BYTES)
    throw wrong('/body/metadata', `is larger than ${MAX_METADATA_BYTES} bytes as JSON`);
}

/** Together with everything else in an event, this stays below 20 kB. */
const MAX_METADATA_BYTES = 12_000;

function isWellFormed(text: string): boolean {
  return !/[\ud800-\udfff]/u.test(text);
}

function chooseChain(ctx: Context, input: CreatePaymentInput): ChainConfig {
  const hasToken = (chain: ChainConfig) =>
    chain.tokens.some((token) => token.address === input.token);
  if (input.chainId === undefined) {
    const chain = ctx.config.chains.find(hasToken);
    if (chain === undefined)
      throw new AppError(PAYMENT_ERRORS.unknownToken, {
        detail: `No configured chain takes the token ${input.token}.`,
      });
    return chain;
  }
  const chain = ctx.config.chains.find((candidate) => candidate.chainId === input.chainId);
  if (chain === undefined)
    throw new AppError(PAYMENT_ERRORS.unknownChain, {
      detail: `The chain ${input.chainId} is not configured.`,
    });
  if (!hasToken(chain))
    throw new AppError(PAYMENT_ERRORS.unknownToken, {
      detail: `Chain ${input.chainId} does not take the token ${input.token}.`,
    });
  return chain;
}

/** Only registered addresses, so that a leaked API key cannot redirect money. */
async function chooseMerchant(ctx: Context, input: CreatePaymentInput): Promise<Address> {
  if (input.merchant === undefined) return (await getStore(ctx, input.storeId)).payoutAddress;
  if (await isRegisteredMerchant(ctx, { storeId: input.storeId, address: input.merchant }))
    return input.merchant;
  throw new AppError(PAYMENT_ERRORS.merchantNotRegistered, {
    detail: `The address ${input.merchant} is not registered for this store.`,
  });
}

/** Another store's payment is answered like an unknown one. @throws AppError notFound */
export async function getPayment(
  ctx: Context,
  input: { readonly storeId: string; readonly paymentId: Bytes32 },
): Promise<Payment> {
  return requireOwn(await findPayment(ctx.db, input.paymentId), input.storeId);
}

function requireOwn(payment: Payment | undefined, storeId: string): Payment {
  if (payment === undefined || payment.storeId !== storeId)
    throw new AppError(COMMON_ERRORS.notFound, { detail: 'There is no such payment.' });
  return payment;
}

export interface ListPaymentsInput {
  readonly storeId: string;
  readonly limit: number;
  readonly cursor?: string | undefined;
  readonly status?: PaymentStatus | undefined;
  readonly orderId?: string | undefined;
  readonly createdAfter?: Date | undefined;
  readonly createdBefore?: Date | undefined;
}

/** Newest first. @throws AppError validation when the cursor is not one of ours */
export async function listPayments(
  ctx: Context,
  input: ListPaymentsInput,
): Promise<{ payments: Payment[]; nextCursor: string | null }> {
  const rows = await listPaymentRows(ctx.db, input, {
    limit: input.limit + 1,
    before: decodeCursor(input.cursor),
  });
  const page = rows.slice(0, input.limit);
  const last = page.at(-1);
  return {
    payments: page.map((row) => row.payment),
    nextCursor: rows.length > input.limit && last ? encodeCursor(last.place) : null,
  };
}

function encodeCursor({ createdAt, seq }: PagePlace): string {
  return Buffer.from(`p${createdAt.getTime()}.${seq}`).toString('base64url');
}

function decodeCursor(cursor: string | undefined): PagePlace | undefined {
  if (cursor === undefined) return undefined;
  const match = /^p([0-9]{1,14})\.([0-9]{1,20})$/.exec(
    Buffer.from(cursor, 'base64url').toString('latin1'),
  );
  if (match?.[1] === undefined || match[2] === undefined) {
    throw new AppError(COMMON_ERRORS.validation, {
      fields: [{ path: '/query/cursor', message: 'is not a cursor of this list' }],
    });
  }
  return { createdAt: new Date(Number(match[1])), seq: BigInt(match[2]) };
}

const PAID_ON_CHAIN = 'The chain shows that the payment was made.';

/**
 * Says nothing of the customer, who may pay until the payment expires: the contract knows no
 * cancellation. But a payment that the chain shows as made is not cancelled; where the chain does
 * not answer, that is not known.
 * @throws AppError notFound; stateConflict, alreadyProcessed
 */
export async function cancelPayment(
  ctx: Context,
  input: { readonly storeId: string; readonly paymentId: Bytes32 },
  also?: AlsoInTransaction<Payment>,
): Promise<Payment> {
  const seen = requireOwn(await findPayment(ctx.db, input.paymentId), input.storeId);
  const isPaid = seen.status === 'pending' && (await isPaidOnChain(ctx, seen));
  const cancel = async (unit: UnitOfWork) => {
    const [locked] = await lockPayments(unit.trx, [input.paymentId]);
    const payment = requireOwn(locked, input.storeId);
    if (payment.status === 'completed')
      throw new AppError(PAYMENT_ERRORS.alreadyProcessed, { detail: 'The payment is completed.' });
    if (payment.status === 'pending' && isPaid)
      throw new AppError(PAYMENT_ERRORS.alreadyProcessed, { detail: PAID_ON_CHAIN });
    const cancelled = single(
      await changePayments(ctx, unit, [{ payment, transitions: ['cancel'] }]),
    );
    await also?.(unit.trx, cancelled);
    return cancelled;
  };
  return inUnitOfWork(ctx, cancel, { turnOf: input.storeId });
}

/**
 * Takes a payment into relaying, in the unit of work that saves the attempt.
 * @throws AppError notFound; alreadyProcessed, expired or stateConflict when it is not (or no
 *   longer) pending and payable
 */
export async function acceptRelay(
  ctx: Context,
  unit: UnitOfWork,
  input: {
    readonly storeId: string;
    readonly paymentId: Bytes32;
    readonly attemptId: string;
    readonly payer: Address;
  },
): Promise<Payment> {
  const [locked] = await lockPayments(unit.trx, [input.paymentId]);
  const payment = requireOwn(locked, input.storeId);
  assertRelayable(payment, ctx.clock.now());
  const facts = { relayAttemptId: input.attemptId, payer: input.payer };
  return single(
    await changePayments(ctx, unit, [{ payment, transitions: ['relayAccepted'], facts }]),
  );
}

/** @throws AppError alreadyProcessed, expired, stateConflict */
export function assertRelayable(payment: Payment, now: Date): void {
  if (payment.status === 'completed' || payment.position !== null) {
    throw new AppError(PAYMENT_ERRORS.alreadyProcessed, { detail: PAID_ON_CHAIN });
  }
  if (payment.status === 'expired' || (payment.status === 'pending' && !isPayable(payment, now))) {
    throw new AppError(PAYMENT_ERRORS.expired, {
      detail: `The payment expired at ${payment.terms.expiresAt.toISOString()}.`,
    });
  }
  if (payment.status !== 'pending') {
    throw new AppError(PAYMENT_ERRORS.stateConflict, {
      detail: `The payment is ${payment.status}, only a pending one can be relayed.`,
    });
  }
}

/**
 * Locks payments before their relay attempts are locked: the one order in which the two are locked.
 */
export function lockPaymentsForRelay(
  unit: UnitOfWork,
  paymentIds: readonly Bytes32[],
): Promise<Payment[]> {
  return lockPayments(unit.trx, paymentIds);
}

/** Of any store, in no particular order; unknown ids are left out. */
export function findPaymentsById(ctx: Context, paymentIds: readonly Bytes32[]): Promise<Payment[]> {
  return listPaymentsById(ctx.db, paymentIds);
}

/**
 * The relay's transaction has a (new) hash, or (null) is given up. Facts of the chain are not
 * overwritten.
 */
export async function noteRelayHash(
  ctx: Context,
  unit: UnitOfWork,
  relayed: readonly { readonly payment: Payment; readonly attemptId: string }[],
  txHash: Bytes32 | null,
): Promise<void> {
  const news = relayed.filter(
    ({ payment, attemptId }) =>
      payment.relayAttemptId === attemptId &&
      payment.position === null &&
      payment.txHash !== txHash,
  );
  if (news.length === 0) return;
  await changePayments(
    ctx,
    unit,
    news.map(({ payment }) => ({ payment, transitions: [], facts: { txHash } })),
  );
}

/**
 * The relay ended without paying. A payment that the chain shows as made by other means is left as
 * it is.
 */
export async function failRelay(
  ctx: Context,
  unit: UnitOfWork,
  payment: Payment,
  attemptId: string,
  error: RelayFailure,
): Promise<void> {
  if (payment.relayAttemptId !== attemptId) return;
  const transition = decideAfterRelayFailure(
    payment,
    await findSettledTime(unit.trx, payment.chainId),
  );
  const facts = {
    relayAttemptId: null,
    ...(payment.position === null ? { txHash: null, payer: null } : {}),
  };
  await changePayments(ctx, unit, [
    { payment, transitions: transition === undefined ? [] : [transition], facts, error },
  ]);
}

/** Blocks since the payment's event, its own included; 0 while there is none. */
export async function countConfirmations(ctx: Context, payment: Payment): Promise<number> {
  const { position, chainId } = payment;
  if (position === null) return 0;
  const countAt = (cursor: ChainCursor | undefined) =>
    cursor === undefined
      ? 1
      : Math.max(1, confirmationsAt(cursor.headNumber, position.blockNumber));
  const confirmations = countAt(await findRecentCursor(ctx, chainId));
  if (
    payment.status !== 'completed' ||
    confirmations >= (requiredConfirmationsOf(ctx, payment) ?? 1)
  )
    return confirmations;
  // The cached head is older than the completion, or a reorganisation has moved the event since.
  return countAt(await findCursor(ctx.db, chainId));
}

export { requiredConfirmationsOf } from './changePayments.ts';

function single<T>(items: readonly T[]): T {
  const [item] = items;
  if (item === undefined) throw new Error('expected one item');
  return item;
}
