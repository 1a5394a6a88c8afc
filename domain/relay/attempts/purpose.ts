import type { Context } from '../../../platform/context.ts';
import type { UnitOfWork } from '../../../platform/unitOfWork.ts';
import type { Bytes32 } from '../../../shared/hex.ts';
import type { ChainPosition } from '../../chain/contractModel.ts';
import type { ChainPort, KnownBlock, Receipt, RelayRefusal } from '../../chain/ports.ts';
import { PAYMENT_ERRORS } from '../../payments/errors.ts';
import type { RelayFailure } from '../../payments/eventData.ts';
import type { Payment } from '../../payments/model.ts';
import {
  failRelay,
  findPaymentsById,
  lockPaymentsForRelay,
  noteRelayHash,
} from '../../payments/service.ts';
import type { Refund } from '../../refunds/model.ts';
import { failRefund, findRefund, lockRefunds, noteRefundHash } from '../../refunds/service.ts';
import { RELAY_ERRORS } from '../errors.ts';
import type { RelayAttempt } from '../model.ts';
import { lockAttempts } from './attemptStore.ts';

/**
 * What an attempt is for: its payment, or one of that payment's refunds. Locked, like the attempt.
 */
export interface LockedAttempt {
  readonly attempt: RelayAttempt;
  readonly payment: Payment;
  /** On the rail `refund`, else undefined. */
  readonly refund: Refund | undefined;
}

/**
 * Locks in the order that everybody keeps: payments, refunds, attempts. What is gone is left out;
 * the rest comes in the order in which it was asked for.
 */
export async function lockWithPurposes(
  unit: UnitOfWork,
  seen: readonly RelayAttempt[],
): Promise<LockedAttempt[]> {
  const payments = await lockPaymentsForRelay(unit, [
    ...new Set(seen.map(({ paymentId }) => paymentId)),
  ]);
  const refunds = await lockRefunds(
    unit,
    seen.flatMap(({ refundId }) => (refundId === null ? [] : [refundId])),
  );
  const attempts = await lockAttempts(
    unit.trx,
    seen.map(({ id }) => id),
  );
  return seen.flatMap(({ id }) => {
    const attempt = attempts.find((candidate) => candidate.id === id);
    const payment = payments.find((candidate) => candidate.id === attempt?.paymentId);
    const refund = refunds.find((candidate) => candidate.id === attempt?.refundId);
    if (
      attempt === undefined ||
      payment === undefined ||
      (attempt.refundId !== null && refund === undefined)
    )
      return [];
    return [{ attempt, payment, refund }];
  });
}

/**
 * The same without locks, for a look: whatever is changed on its strength is looked at again under
 * them.
 */
export async function seeWithPurposes(
  ctx: Context,
  attempts: readonly RelayAttempt[],
): Promise<LockedAttempt[]> {
  const payments = await findPaymentsById(ctx, [
    ...new Set(attempts.map(({ paymentId }) => paymentId)),
  ]);
  const seen = await Promise.all(
    attempts.map(async (attempt) => {
      const payment = payments.find(({ id }) => id === attempt.paymentId);
      const refund =
        attempt.refundId === null ? undefined : await findRefund(ctx, attempt.refundId);
      return payment === undefined || (attempt.refundId !== null && refund === undefined)
        ? []
        : [{ attempt, payment, refund }];
    }),
  );
  return seen.flat();
}

/** Where the chain shows it as done, by whatever transaction; null while it does not. */
export function positionOf({ payment, refund }: LockedAttempt): ChainPosition | null {
  return (refund ?? payment).position;
}

export function isOnChain(locked: LockedAttempt): boolean {
  return positionOf(locked) !== null;
}

/** … and it is final. */
export function isCompleted({ payment, refund }: LockedAttempt): boolean {
  return (refund ?? payment).status === 'completed';
}

/** Whether it still waits for this very attempt. */
export function isWaitingFor({ attempt, payment, refund }: LockedAttempt): boolean {
  return (refund ?? payment).relayAttemptId === attempt.id;
}

/** The attempt ended without doing it. */
export async function failPurpose(
  ctx: Context,
  unit: UnitOfWork,
  locked: LockedAttempt,
  error: RelayFailure,
): Promise<void> {
  const { attempt, payment, refund } = locked;
  if (refund === undefined) await failRelay(ctx, unit, payment, attempt.id, error);
  else await failRefund(ctx, unit, { refund, attemptId: attempt.id, error });
}

/**
 * The transaction that is to do these has a (new) hash, or (null) there is no such transaction any
 * more.
 */
export async function noteHash(
  ctx: Context,
  unit: UnitOfWork,
  locked: readonly LockedAttempt[],
  hash: Bytes32 | null,
): Promise<void> {
  const payments = locked.filter(({ refund }) => refund === undefined);
  await noteRelayHash(
    ctx,
    unit,
    payments.map(({ attempt, payment }) => ({ payment, attemptId: attempt.id })),
    hash,
  );
  for (const { attempt, refund } of locked) {
    if (refund !== undefined) await noteRefundHash(ctx, unit, refund, attempt.id, hash);
  }
}

/**
 * `unknown`: who says that it is not done does not know the chain as we do. Nothing follows from
 * that.
 */
export type WordOfChain = 'done' | 'notDone' | 'unknown';

/**
 * Whether the gateway's storage has it as done, by whatever transaction.
 * @param since blocks that whoever says no has to have: see listKnownBlocks
 * @param notBefore how late the heads have to be of those who say no
 * @throws AppError `CHAIN_ERRORS.unavailable`
 */
export async function askIfDone(
  chain: ChainPort,
  attempt: RelayAttempt,
  since: readonly KnownBlock[],
  notBefore?: Date,
): Promise<WordOfChain> {
  const { signed, paymentId } = attempt;
  if (signed.rail === 'refund') {
    const isRefunded = await chain.isRefunded(paymentId, signed.refund.nonce, since, notBefore);
    if (isRefunded === 'unknown') return 'unknown';
    return isRefunded ? 'done' : 'notDone';
  }
  const payer = await chain.findPayer(paymentId, since, notBefore);
  if (payer === 'unknown') return 'unknown';
  return payer === undefined ? 'notDone' : 'done';
}

/** Whether this transaction did it. */
export function isDoneIn(receipt: Receipt, attempt: RelayAttempt): boolean {
  const { signed, paymentId } = attempt;
  return signed.rail === 'refund'
    ? receipt.refunds.some(
        (log) => log.paymentId === paymentId && log.nonce === signed.refund.nonce,
      )
    : receipt.payments.some((log) => log.paymentId === paymentId);
}

/** How this transaction refused it; undefined when it did not even try. */
export function findRefusalIn(
  receipt: Pick<Receipt, 'refusals'>,
  attempt: Pick<RelayAttempt, 'signed' | 'paymentId'>,
): RelayRefusal | undefined {
  const { signed, paymentId } = attempt;
  return receipt.refusals.find((refusal) => {
    switch (refusal.rail) {
      case 'forwarder':
        return (
          signed.rail === 'forwarder' &&
          refusal.payer === signed.request.from &&
          refusal.nonce === signed.request.nonce
        );
      case 'authorization':
        return signed.rail === 'authorization' && refusal.paymentId === paymentId;
      case 'refund':
        return (
          signed.rail === 'refund' &&
          refusal.paymentId === paymentId &&
          refusal.nonce === signed.refund.nonce
        );
    }
  });
}

/** Why an attempt ends that the chain shows as done, though not by it. */
export function doneElsewhere(attempt: RelayAttempt): RelayFailure {
  if (attempt.signed.rail !== 'refund') return PAID_ELSEWHERE;
  return {
    code: RELAY_ERRORS.reverted.code,
    detail: 'The refund was made by another transaction.',
  };
}

/** Why an attempt ends whose payment the chain shows as made, though not by it. */
export const PAID_ELSEWHERE: RelayFailure = {
  code: PAYMENT_ERRORS.alreadyProcessed.code,
  detail: 'The payment was made by another transaction.',
};
