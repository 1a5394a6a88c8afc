import type { Context } from '../../platform/context.ts';
import type { UnitOfWork } from '../../platform/unitOfWork.ts';
import { AppError } from '../../shared/errors.ts';
import type { Bytes32 } from '../../shared/hex.ts';
import { formatAmountUnits, parseAmountUnits, type AmountUnits } from '../../shared/money.ts';
import { CHAIN_ERRORS } from '../chain/errors.ts';
import { findSettledTime, getChain, listKnownBlocks } from '../chain/service.ts';
import type { RelayFailure } from '../payments/eventData.ts';
import type { Payment } from '../payments/model.ts';
import { recordEvents } from '../events/recordEvents.ts';
import {
  EVENT_TYPE_OF_REFUND_TRANSITION,
  hasFailedForAReason,
  isSameRefundPosition,
  mustBeSignedAgain,
  refundKey,
  takesFromPayment,
  toRefundEventData,
} from './decide.ts';
import { REFUND_ERRORS } from './errors.ts';
import type { Refund } from './model.ts';
import {
  countFinalRefundsSince,
  findRefundRow,
  insertRefund,
  listFinalRefunds,
  listCompletedPlacesFrom,
  listRefundIdsOfPayments,
  listRefundPlacesInBlocks,
  listRefundsOfPayment,
  listUnplacedRows,
  lockRefundRows,
  updateRefunds,
  type FinalRefunds,
  type OverdueRefunds,
  type RefundPlace,
  type UnplacedRefunds,
} from './store.ts';
import { nextRefundStatus, type RefundTransitionEvent } from './transitions.ts';
import type { RefundProcessedLog } from '../chain/contractModel.ts';

export function findRefund(ctx: Context, refundId: string): Promise<Refund | undefined> {
  return findRefundRow(ctx.db, refundId);
}

/** Newest first. The payment must be known to be the store's own. */
export function listRefunds(
  ctx: Context,
  input: { readonly paymentId: Bytes32 },
): Promise<Refund[]> {
  return listRefundsOfPayment(ctx.db, input.paymentId);
}

/** Locked after their payments and before their attempts, as everybody does. */
export function lockRefunds(unit: UnitOfWork, refundIds: readonly string[]): Promise<Refund[]> {
  return lockRefundRows(unit.trx, refundIds);
}

/** What the chain says of a payment's failed refunds. Asked before anything is locked. */
export interface WordOnFailedRefunds {
  /**
   * See findSettledTime. undefined as well when no refund of the payment had failed: nothing was
   * asked then.
   */
  readonly settledTime: Date | undefined;
  /** Ids of those that the chain has as made, though nobody has told us of it yet. */
  readonly made: ReadonlySet<string>;
}

/** @throws AppError `CHAIN_ERRORS.unavailable` */
export async function askAboutFailedRefunds(
  ctx: Context,
  payment: Pick<Payment, 'id' | 'chainId'>,
): Promise<WordOnFailedRefunds> {
  const failed = (await listRefundsOfPayment(ctx.db, payment.id)).filter(
    ({ status }) => status === 'failed',
  );
  if (failed.length === 0) return { settledTime: undefined, made: new Set() };
  const chain = getChain(ctx, payment.chainId);
  const settledTime = await findSettledTime(ctx.db, payment.chainId);
  // Whoever lags does not have one that was made just before its signature was over: with another
  // in its place, both would have been made.
  const since = await listKnownBlocks(ctx, payment.chainId);
  const asked = await Promise.all(
    failed.map(async ({ id, nonce }) => ({
      id,
      isMade: await chain.isRefunded(payment.id, nonce, since),
    })),
  );
  if (asked.some(({ isMade }) => isMade === 'unknown'))
    throw new AppError(CHAIN_ERRORS.unavailable, { internal: { chainId: payment.chainId } });
  return {
    settledTime,
    made: new Set(asked.flatMap(({ id, isMade }) => (isMade === true ? [id] : []))),
  };
}

/**
 * The refund of this payment that is to be signed again before any other; undefined when there is
 * none. @throws AppError chain unavailable
 */
export async function findRefundToSignAgain(
  ctx: Context,
  payment: Pick<Payment, 'id' | 'chainId'>,
): Promise<Refund | undefined> {
  const word = await askAboutFailedRefunds(ctx, payment);
  return oldestToSignAgain(await listRefundsOfPayment(ctx.db, payment.id), word);
}

function oldestToSignAgain(
  newestFirst: readonly Refund[],
  { settledTime, made }: WordOnFailedRefunds,
): Refund | undefined {
  return newestFirst
    .filter(
      (refund) =>
        mustBeSignedAgain(refund, settledTime) ||
        (made.has(refund.id) && hasFailedForAReason(refund)),
    )
    .at(-1);
}

/**
 * Saves a refund of a payment that is locked in this unit of work: a new one, or, by its nonce, one
 * that had failed.
 * @param input.refundedOnChain what the gateway has refunded of it, by whatever hand
 * @throws AppError exceedsPayment, nonceUsed, failedOneFirst
 */
export async function createRefund(
  ctx: Context,
  unit: UnitOfWork,
  input: {
    readonly payment: Payment;
    readonly amount: AmountUnits;
    readonly nonce: bigint;
    readonly deadline: Date;
    readonly attemptId: string;
    readonly refundedOnChain: bigint;
    readonly word: WordOnFailedRefunds;
  },
): Promise<Refund> {
  const { payment, amount, nonce, deadline, attemptId, refundedOnChain, word } = input;
  const all = await listRefundsOfPayment(unit.trx, payment.id);
  const now = ctx.clock.now();
  const [failed] = await lockRefundRows(
    unit.trx,
    all.filter((refund) => refund.nonce === nonce).map(({ id }) => id),
  );
  if (failed !== undefined && !hasFailedForAReason(failed)) {
    // Two authorizations that were asked for while a refund had failed have its nonce both: the
    // first that is handed in takes its place.
    const detail = `Refund ${failed.id}, which is ${failed.status}, has the nonce ${nonce}: ask for the authorization again and sign that, with a nonce of its own.`;
    throw new AppError(REFUND_ERRORS.nonceUsed, { detail });
  }
  const toSignAgain = oldestToSignAgain(all, word);
  if (failed === undefined && toSignAgain !== undefined) {
    const detail =
      `Refund ${toSignAgain.id} failed, but it could still be made until a final block is later than ${toSignAgain.deadline.toISOString()}: ` +
      `sign with its nonce ${toSignAgain.nonce}.`;
    throw new AppError(REFUND_ERRORS.failedOneFirst, { detail });
  }
  const others = all.filter(({ id }) => id !== failed?.id);
  const known = sum(
    others
      .filter((other) => takesFromPayment(other, word.settledTime))
      .map((other) => other.amount),
  );
  // The larger one, not their sum: what the chain has may be one that is on its way here, in a
  // block that is not scanned yet. It may also be one made without us; should that leave too little
  // for those on their way, the contract refuses the last of them.
  const taken = known > refundedOnChain ? known : refundedOnChain;
  if (taken + amount > payment.terms.amount) {
    const detail = `Of ${formatAmountUnits(payment.terms.amount)}, ${taken} are refunded or on the way: ${formatAmountUnits(amount)} more would exceed it.`;
    throw new AppError(REFUND_ERRORS.exceedsPayment, { detail });
  }
  if (failed !== undefined) {
    // Both signatures are out: it can be made until the later one of their deadlines.
    const lastDeadline = deadline > failed.deadline ? deadline : failed.deadline;
    const facts = {
      amount,
      deadline: lastDeadline,
      relayAttemptId: attemptId,
      txHash: null,
      errorCode: null,
      errorDetail: null,
    };
    const [again] = await changeRefunds(ctx, unit, [
      { refund: failed, transitions: ['signedAgain'], facts },
    ]);
    if (again === undefined) throw new Error(`refund ${failed.id} was not changed`);
    return again;
  }
  const refund: Refund = {
    id: ctx.newId('rfd'),
    paymentId: payment.id,
    storeId: payment.storeId,
    chainId: payment.chainId,
    amount,
    nonce,
    deadline,
    status: 'processing',
    version: 1,
    relayAttemptId: attemptId,
    txHash: null,
    position: null,
    errorCode: null,
    errorDetail: null,
    createdAt: now,
    updatedAt: now,
    completedAt: null,
  };
  await insertRefund(unit.trx, refund);
  await tell(ctx, unit, [{ refund, type: 'refund.created', error: null }]);
  return refund;
}

function sum(amounts: readonly bigint[]): bigint {
  return amounts.reduce((total, amount) => total + amount, 0n);
}

/**
 * The relay's transaction has a (new) hash, or (null) is given up. Facts of the chain are not
 * overwritten.
 */
export async function noteRefundHash(
  ctx: Context,
  unit: UnitOfWork,
  refund: Refund,
  attemptId: string,
  txHash: Bytes32 | null,
): Promise<void> {
  if (refund.relayAttemptId !== attemptId || refund.position !== null || refund.txHash === txHash)
    return;
  await changeRefunds(ctx, unit, [{ refund, transitions: [], facts: { txHash } }]);
}

/**
 * The relay ended without making it. One that the chain shows as made by other means is left as it
 * is.
 */
export async function failRefund(
  ctx: Context,
  unit: UnitOfWork,
  input: { readonly refund: Refund; readonly attemptId: string; readonly error: RelayFailure },
): Promise<void> {
  const { refund, attemptId, error } = input;
  if (refund.relayAttemptId !== attemptId) return;
  const isOnChain = refund.position !== null;
  const facts = {
    relayAttemptId: null,
    ...(isOnChain ? {} : { txHash: null, errorCode: error.code, errorDetail: error.detail }),
  };
  await changeRefunds(ctx, unit, [
    { refund, transitions: isOnChain ? [] : ['relayFailed'], facts, error },
  ]);
}

/**
 * What the chain shows of refunds. Nothing is saved of those that a merchant made without us: what
 * can still be refunded is asked of the chain.
 * @returns `unseenIds`: of those that it had not shown before; `unclaimed`: logs of refunds that
 *   are not saved, or not yet
 */
export async function observeRefunds(
  ctx: Context,
  unit: UnitOfWork,
  logs: readonly RefundProcessedLog[],
): Promise<{
  readonly unseenIds: readonly string[];
  readonly unclaimed: readonly RefundProcessedLog[];
}> {
  if (logs.length === 0) return { unseenIds: [], unclaimed: [] };
  const logOf = new Map(logs.map((log) => [refundKey(log.paymentId, log.nonce), log]));
  const ids = await listRefundIdsOfPayments(unit.trx, [
    ...new Set(logs.map(({ paymentId }) => paymentId)),
  ]);
  const refunds = await lockRefundRows(unit.trx, ids);
  const ours = new Set(refunds.map((refund) => refundKey(refund.paymentId, refund.nonce)));
  const unclaimed = logs.filter((log) => !ours.has(refundKey(log.paymentId, log.nonce)));
  const changes = refunds.flatMap((refund): RefundChange[] => {
    const log = logOf.get(refundKey(refund.paymentId, refund.nonce));
    if (log === undefined) return [];
    if (refund.status !== 'failed' && isSameRefundPosition(refund, log)) return [];
    const amount = parseAmountUnits(log.amount.toString());
    if (amount !== refund.amount) {
      // The merchant signed another amount under the same nonce and sent that itself: ours can
      // never be made, and this one was.
      ctx.log.warn(
        { refundId: refund.id, txHash: log.txHash },
        'the chain shows another amount under the nonce of a refund',
      );
    }
    const position = {
      txHash: log.txHash,
      blockNumber: log.blockNumber,
      blockHash: log.blockHash,
      logIndex: log.logIndex,
    };
    const facts = { amount, position, txHash: log.txHash, errorCode: null, errorDetail: null };
    return [{ refund, transitions: refund.status === 'failed' ? ['eventSeen'] : [], facts }];
  });
  await changeRefunds(ctx, unit, changes);
  return {
    unseenIds: changes
      .filter(({ refund }) => refund.position === null)
      .map(({ refund }) => refund.id),
    unclaimed,
  };
}

/**
 * Refunds that are being relayed, that the chain has not shown, and that have not changed since; by
 * id, from one on, itself left out.
 */
export function listUnplacedRefunds(
  ctx: Context,
  chainId: number,
  wanted: UnplacedRefunds,
): Promise<Refund[]> {
  return listUnplacedRows(ctx.db, chainId, wanted);
}

/** Refunds whose event was seen in these blocks, but for those that are found again. */
export async function listRefundPlaces(
  ctx: Context,
  input: {
    readonly chainId: number;
    readonly blocks: { readonly after: bigint; readonly until: bigint };
    readonly notIn: readonly RefundProcessedLog[];
  },
): Promise<RefundPlace[]> {
  const found = new Set(input.notIn.map((log) => refundKey(log.paymentId, log.nonce)));
  const places = await listRefundPlacesInBlocks(ctx.db, input.chainId, input.blocks);
  return places.filter(({ paymentId, nonce }) => !found.has(refundKey(paymentId, nonce)));
}

/**
 * A reorganisation took the events of these refunds away. One that was seen elsewhere meanwhile
 * stays.
 * @returns how many were withdrawn
 */
export async function withdrawRefunds(
  ctx: Context,
  unit: UnitOfWork,
  gone: readonly RefundPlace[],
): Promise<number> {
  const blockHashOf = new Map(gone.map(({ refundId, blockHash }) => [refundId, blockHash]));
  const refunds = await lockRefundRows(unit.trx, [...blockHashOf.keys()]);
  const changes = withdrawalsOf(
    refunds.filter(({ id, position }) => position?.blockHash === blockHashOf.get(id)),
  );
  return (await changeRefunds(ctx, unit, changes)).length;
}

/** Completed refunds in the order of their blocks, from one place on, itself left out. */
export function listCompletedRefundsFrom(
  ctx: Context,
  chainId: number,
  from: { readonly blockNumber: bigint; readonly refundId: string },
  limit: number,
): Promise<RefundPlace[]> {
  return listCompletedPlacesFrom(ctx.db, chainId, from, limit);
}

export type { RefundPlace } from './store.ts';

function withdrawalsOf(refunds: readonly Refund[]): RefundChange[] {
  return refunds
    .filter(({ position }) => position !== null)
    .map((refund) => {
      const isInFlight = refund.status === 'processing' && refund.relayAttemptId !== null;
      return {
        refund,
        transitions: [isInFlight ? 'eventRemoved' : 'eventRemovedForGood'],
        facts: {
          position: null,
          completedAt: null,
          ...(isInFlight ? {} : { txHash: null, relayAttemptId: null }),
        },
      };
    });
}

/**
 * Refunds whose event is in a block up to `maxBlock` and that are not completed yet, in the order
 * of their blocks.
 */
export function listRefundsToComplete(
  ctx: Context,
  chainId: number,
  wanted: FinalRefunds,
): Promise<RefundPlace[]> {
  return listFinalRefunds(ctx.db, chainId, wanted);
}

/** How many are in blocks that are final, and have waited to be completed since. */
export function countOverdueRefunds(ctx: Context, wanted: OverdueRefunds): Promise<number> {
  return countFinalRefundsSince(ctx.db, wanted);
}

/** Completes those whose event still is in the block that was judged. */
export async function completeRefunds(
  ctx: Context,
  unit: UnitOfWork,
  judged: readonly RefundPlace[],
): Promise<void> {
  const blockHashOf = new Map(judged.map(({ refundId, blockHash }) => [refundId, blockHash]));
  const refunds = await lockRefundRows(unit.trx, [...blockHashOf.keys()]);
  const facts = { completedAt: ctx.clock.now(), relayAttemptId: null };
  const changes = refunds
    .filter(
      ({ id, status, position }) =>
        status === 'processing' && position !== null && position.blockHash === blockHashOf.get(id),
    )
    .map((refund): RefundChange => ({ refund, transitions: ['eventFinal'], facts }));
  await changeRefunds(ctx, unit, changes);
}

interface RefundChange {
  /** As locked in this unit of work. */
  readonly refund: Refund;
  readonly transitions: readonly RefundTransitionEvent[];
  readonly facts: Partial<
    Pick<
      Refund,
      | 'amount'
      | 'deadline'
      | 'relayAttemptId'
      | 'txHash'
      | 'position'
      | 'errorCode'
      | 'errorDetail'
      | 'completedAt'
    >
  >;
  readonly error?: RelayFailure;
}

/**
 * Status, version, and one event for each transition, all in the caller's transaction. @returns
 * them as changed
 */
async function changeRefunds(
  ctx: Context,
  unit: UnitOfWork,
  changes: readonly RefundChange[],
): Promise<Refund[]> {
  const changed: Refund[] = [];
  const events: Told[] = [];
  for (const change of changes) {
    let refund: Refund = { ...change.refund, ...change.facts, updatedAt: ctx.clock.now() };
    for (const transition of change.transitions) {
      const status = nextRefundStatus(refund.status, transition);
      if (status === undefined)
        throw new Error(
          `refund ${refund.id}: ${transition} must not happen while ${refund.status}`,
        );
      refund = { ...refund, status, version: refund.version + 1 };
      events.push({
        refund,
        type: EVENT_TYPE_OF_REFUND_TRANSITION[transition],
        error: change.error ?? null,
      });
    }
    changed.push(refund);
  }
  await updateRefunds(unit.trx, changed);
  await tell(ctx, unit, events);
  return changed;
}

interface Told {
  readonly refund: Refund;
  readonly type: (typeof EVENT_TYPE_OF_REFUND_TRANSITION)[RefundTransitionEvent];
  readonly error: RelayFailure | null;
}

async function tell(ctx: Context, unit: UnitOfWork, told: readonly Told[]): Promise<void> {
  if (told.length === 0) return;
  await recordEvents(
    ctx,
    unit,
    told.map(({ refund, type, error }) => ({
      storeId: refund.storeId,
      type,
      subject: { type: 'refund' as const, id: refund.id },
      parent: { type: 'payment' as const, id: refund.paymentId },
      version: refund.version,
      data: toRefundEventData(refund, error),
    })),
  );
}
