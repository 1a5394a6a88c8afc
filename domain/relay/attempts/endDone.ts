import type { Context } from '../../../platform/context.ts';
import type { UnitOfWork } from '../../../platform/unitOfWork.ts';
import { addMs } from '../../../shared/clock.ts';
import { AppError } from '../../../shared/errors.ts';
import type { Bytes32 } from '../../../shared/hex.ts';
import { CHAIN_ERRORS } from '../../chain/errors.ts';
import type { Receipt } from '../../chain/ports.ts';
import { dataGasOf, getChain } from '../../chain/service.ts';
import type { ChainPosition } from '../../chain/contractModel.ts';
import { findPaymentsById } from '../../payments/service.ts';
import { findRefund } from '../../refunds/service.ts';
import { changeAttempt } from './changeAttempt.ts';
import { shareGas } from './shareGas.ts';
import { listItemsOfTransaction } from './attemptStore.ts';
import type { RelayAttempt, RelayTransaction } from '../model.ts';
import {
  doneElsewhere,
  failPurpose,
  isCompleted,
  positionOf,
  type LockedAttempt,
} from './purpose.ts';
import { findLandedTransaction } from './transactionStore.ts';

/** Who did what an attempt is for, by the transaction that the scanner told of. */
export type Doer =
  /** An earlier transaction of the attempt's own, which was given up or whose answer was lost. */
  | {
      readonly kind: 'own';
      readonly hash: Bytes32;
      readonly transaction: RelayTransaction;
      readonly receipt: Receipt;
    }
  | { readonly kind: 'other'; readonly hash: Bytes32 }
  /**
   * The scanner has not told yet which transaction it was, or the node that was asked does not know
   * it (yet).
   */
  | { readonly kind: 'unknown' };

/** When nobody can tell, for how long after the attempt's deadline that is waited for. */
const UNKNOWN_FOR_MS = 60 * 60_000;

/**
 * Of an attempt that the chain shows as done, though not by the transaction that it is in now.
 * @throws AppError `CHAIN_ERRORS.unavailable`
 */
export async function findDoer(ctx: Context, attempt: RelayAttempt): Promise<Doer> {
  const landed = await findLanded(ctx, attempt);
  if (landed === undefined) return { kind: 'unknown' };
  const hash = landed.txHash;
  if (attempt.sends === 0) return { kind: 'other', hash };
  const chain = getChain(ctx, attempt.chainId);
  const isLate = isLateToTell(ctx, attempt);
  const [call, receipt] = await Promise.all([chain.findCall(hash), chain.findReceipt(hash)]).catch(
    (error: unknown) => {
      if (isLate && error instanceof AppError && error.code === CHAIN_ERRORS.unavailable.code)
        return [];
      throw error;
    },
  );
  // What it used is charged by the receipt of the block that the scanner has seen it in, and by
  // that of no fork.
  if (call === undefined || receipt?.blockHash !== landed.blockHash) return { kind: 'unknown' };
  const transaction = await findLandedTransaction(ctx.db, {
    chainId: attempt.chainId,
    since: attempt.createdAt,
    hash,
    call,
  });
  return transaction === undefined
    ? { kind: 'other', hash }
    : { kind: 'own', hash, transaction, receipt };
}

function isLateToTell(ctx: Context, { deadline }: RelayAttempt): boolean {
  return ctx.clock.now() >= addMs(deadline, UNKNOWN_FOR_MS);
}

async function findLanded(ctx: Context, attempt: RelayAttempt): Promise<ChainPosition | undefined> {
  if (attempt.refundId !== null)
    return (await findRefund(ctx, attempt.refundId))?.position ?? undefined;
  const [payment] = await findPaymentsById(ctx, [attempt.paymentId]);
  return payment?.position ?? undefined;
}

/**
 * Ends an attempt that the chain shows as done: by an earlier transaction of its own it has
 * succeeded; by anybody else's it has failed, without a word to the store, for which the payment is
 * what counts.
 * @param doer found before the locks were taken; undefined: it was not looked for
 * @returns false while that is to be waited for: the scanner tells it first, and an own success is
 *   one when it is final
 */
export async function endDone(
  ctx: Context,
  unit: UnitOfWork,
  locked: LockedAttempt,
  doer: Doer | undefined,
): Promise<boolean> {
  const { attempt } = locked;
  const position = positionOf(locked);
  if (position === null || doer === undefined) return false;
  if (doer.kind === 'unknown') {
    // A node that has pruned its history, or shows nothing that can be read, will never tell.
    if (!isCompleted(locked) || !isLateToTell(ctx, attempt)) return false;
    await failDone(ctx, unit, locked);
    return true;
  }
  // Meanwhile a reorganisation may have put another transaction in its place.
  if (doer.hash !== position.txHash) return false;
  if (doer.kind === 'other') {
    await failDone(ctx, unit, locked);
    return true;
  }
  if (!isCompleted(locked)) return false;
  const { transaction, receipt } = doer;
  const items = await listItemsOfTransaction(unit.trx, transaction.id);
  const shares = shareGas(transaction, receipt, {
    items,
    dataGasPerRequest: dataGasOf(ctx, attempt.chainId),
  });
  const gas = shares.get(attempt.id) ?? 0n;
  const facts = {
    transactionId: transaction.id,
    batchIndex: items.find((item) => item.attempt.id === attempt.id)?.index ?? null,
    gasUsed: attempt.gasUsed + gas,
    gasCost: attempt.gasCost + gas * receipt.effectiveGasPrice,
    gasChargedAt: ctx.clock.now(),
  };
  await changeAttempt(ctx, unit, attempt, 'succeeded', { facts });
  return true;
}

async function failDone(ctx: Context, unit: UnitOfWork, locked: LockedAttempt): Promise<void> {
  const error = doneElsewhere(locked.attempt);
  await changeAttempt(ctx, unit, locked.attempt, 'failed', { error });
  await failPurpose(ctx, unit, locked, error);
}
