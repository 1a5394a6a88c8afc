import type { Context } from '../../platform/context.ts';
import type { UnitOfWork } from '../../platform/unitOfWork.ts';
import type { Bytes32 } from '../../shared/hex.ts';
import type { Receipt } from '../chain/ports.ts';
import { getChain } from '../chain/service.ts';
import { findPaymentsById } from '../payments/service.ts';
import { findRefund } from '../refunds/service.ts';
import { changeAttempt } from './changeAttempt.ts';
import { shareOf } from './decide.ts';
import type { RelayAttempt, RelayTransaction } from './model.ts';
import { doneElsewhere, failSubject, isCompleted, isOnChain, type LockedAttempt } from './subject.ts';
import { findLandedTransaction } from './transactionStore.ts';

/** The transaction of ours that did what an attempt is for, with its receipt. */
export interface OwnSuccess {
  readonly transaction: RelayTransaction;
  readonly receipt: Receipt;
}

/**
 * Of an attempt that the chain shows as done, though not by the transaction that it is in now: was it an earlier one of its own, which was given up, or
 * whose answer was lost? undefined: it was somebody else's, or the scanner has not told yet which one it was.
 * @throws AppError `CHAIN_ERRORS.unavailable`
 */
export async function findOwnSuccess(ctx: Context, attempt: RelayAttempt): Promise<OwnSuccess | undefined> {
  if (attempt.sends === 0) return undefined;
  const hash = await findLandedHash(ctx, attempt);
  if (hash === undefined) return undefined;
  const chain = getChain(ctx, attempt.chainId);
  const [call, receipt] = await Promise.all([chain.findCall(hash), chain.findReceipt(hash)]);
  if (call === undefined || receipt === undefined) return undefined;
  const transaction = await findLandedTransaction(ctx.db, { chainId: attempt.chainId, since: attempt.createdAt, hash, call });
  return transaction && { transaction, receipt };
}

async function findLandedHash(ctx: Context, attempt: RelayAttempt): Promise<Bytes32 | undefined> {
  if (attempt.refundId !== null) return (await findRefund(ctx, attempt.refundId))?.position?.txHash;
  const [payment] = await findPaymentsById(ctx, [attempt.paymentId]);
  return payment?.position?.txHash;
}

/**
 * Ends an attempt that the chain shows as done: by an earlier transaction of its own it has succeeded; by anybody else's it has failed, without a word to the
 * store, for which the payment is what counts.
 * @returns false while that is to be waited for: the scanner tells it first, and an own success is one when it is final
 */
export async function endDone(ctx: Context, unit: UnitOfWork, locked: LockedAttempt, own: OwnSuccess | undefined): Promise<boolean> {
  const { attempt } = locked;
  if (!isOnChain(locked)) return false;
  if (own === undefined) {
    const error = doneElsewhere(attempt);
    await changeAttempt(ctx, unit, attempt, 'failed', { error });
    await failSubject(ctx, unit, locked, error);
    return true;
  }
  if (!isCompleted(locked)) return false;
  const { transaction, receipt } = own;
  // Which place it had there is forgotten; the shares differ by one unit of gas at most.
  const gas = shareOf(receipt.gasUsed, transaction.items, 0);
  const facts = {
    transactionId: transaction.id,
    gasUsed: attempt.gasUsed + gas,
    gasCost: attempt.gasCost + gas * receipt.effectiveGasPrice,
    gasChargedAt: ctx.clock.now(),
  };
  await changeAttempt(ctx, unit, attempt, 'succeeded', { facts });
  return true;
}
