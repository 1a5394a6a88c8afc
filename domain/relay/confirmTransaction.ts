import type { Context } from '../../platform/context.ts';
import { inUnitOfWork, type UnitOfWork } from '../../platform/unitOfWork.ts';
import { addMs } from '../../shared/clock.ts';
import { AppError } from '../../shared/errors.ts';
import type { Bytes32 } from '../../shared/hex.ts';
import type { Receipt } from '../chain/ports.ts';
import { findChainConfig, getChain } from '../chain/service.ts';
import { DONE, later, type WorkResult } from '../outbox/model.ts';
import { promiseWork } from '../outbox/service.ts';
import { confirmationsAt } from '../payments/decide.ts';
import type { RelayFailure } from '../payments/eventData.ts';
import type { Payment } from '../payments/model.ts';
import { failRelay, lockPaymentForRelay } from '../payments/service.ts';
import { changeAttempt } from './changeAttempt.ts';
import { decideNextLook, PAID_ELSEWHERE } from './decide.ts';
import { RELAY_ERRORS } from './errors.ts';
import type { RelayAttempt, RelayTransaction } from './model.ts';
import type { ProviderTransaction } from './ports.ts';
import { recordProviderTransaction } from './recordProviderTransaction.ts';
import { findTransaction, isProviderTransactionTaken, listAttemptsOfTransaction, lockAttempt, updateTransaction } from './store.ts';

/** While the chain does not answer. */
const UNAVAILABLE_RETRY_MS = 2_000;
/** Blocks' clocks run ahead of or behind ours by seconds; a signature counts as dead only this long after its deadline, by the chain's clock. */
const DEADLINE_MARGIN_MS = 30_000;

/**
 * Work of the confirm queue: follows one relay transaction until each attempt in it has ended. It decides about attempts only; what the chain shows
 * of payments is written by the scanner alone, in one place and in chain order.
 *
 *   known to the provider? → in a block? → deep enough? → each attempt's own outcome
 *
 * Waiting is a new date, never an error.
 */
export async function confirmTransaction(ctx: Context, transactionId: string): Promise<WorkResult> {
  const transaction = await findTransaction(ctx.db, transactionId);
  const attempts = await listAttemptsOfTransaction(ctx.db, transactionId);
  if (transaction === undefined || attempts.every(hasEnded)) return DONE;
  try {
    return await follow(ctx, transaction, attempts);
  } catch (error) {
    if (!(error instanceof AppError && error.kind.retryable === true)) throw error;
    ctx.log.warn({ err: error, transactionId }, 'the chain does not answer');
    return later(addMs(ctx.clock.now(), UNAVAILABLE_RETRY_MS));
  }
}

function hasEnded(attempt: RelayAttempt): boolean {
  return attempt.status === 'succeeded' || attempt.status === 'failed';
}

async function follow(ctx: Context, seen: RelayTransaction, attempts: readonly RelayAttempt[]): Promise<WorkResult> {
  const provider = await askProvider(ctx, seen);
  const isNews =
    typeof provider === 'object' && (seen.providerTransactionId === null || (provider.hash !== null && provider.hash !== seen.hash));
  const transaction = isNews ? await inUnitOfWork(ctx, (unit) => recordProviderTransaction(ctx, unit, seen.id, provider)) : seen;

  const receipt = await findReceipt(ctx, transaction);
  if (receipt !== undefined) return followMined(ctx, transaction, receipt);
  await returnUnmined(ctx, transaction, attempts);
  return followUnmined(ctx, transaction, provider);
}

type ProviderAnswer = ProviderTransaction | 'unknown' | 'silent';

/** `unknown`: the provider does not have it. `silent`: it does not answer, and the chain has to do. */
async function askProvider(ctx: Context, transaction: RelayTransaction): Promise<ProviderAnswer> {
  const relayer = ctx.relayers.get(transaction.chainId);
  if (relayer === undefined) return 'silent';
  const { to, data, sentAt: since, providerTransactionId } = transaction;
  try {
    if (providerTransactionId !== null) return (await relayer.findTransaction(providerTransactionId)) ?? 'unknown';
    const found = await relayer.findSent({ to, data, since });
    // A customer whose relay was reverted may hand in the same signature again, which makes the same call: what carried the first is not this one.
    if (found === undefined || (await isProviderTransactionTaken(ctx.db, transaction, found.providerTransactionId))) return 'unknown';
    return found;
  } catch (error) {
    if (!(error instanceof AppError && error.code === RELAY_ERRORS.relayerUnavailable.code)) throw error;
    ctx.log.warn({ err: error, transactionId: transaction.id }, 'the relayer does not answer');
    return 'silent';
  }
}

/** Any of its hashes may be the one that was mined: a gas bump races with the transaction that it replaces. */
async function findReceipt(ctx: Context, transaction: RelayTransaction): Promise<Receipt | undefined> {
  const chain = getChain(ctx, transaction.chainId);
  for (const hash of [...transaction.hashes].reverse()) {
    const receipt = await chain.findReceipt(hash);
    if (receipt !== undefined) return receipt;
  }
  return undefined;
}

async function followMined(ctx: Context, transaction: RelayTransaction, receipt: Receipt): Promise<WorkResult> {
  const head = await getChain(ctx, transaction.chainId).getHead();
  const required = findChainConfig(ctx, transaction.chainId)?.confirmations ?? 1;
  const isFinal = confirmationsAt(head.number, receipt.blockNumber) >= required;
  const paidIds = new Set(receipt.payments.map((log) => log.paymentId));
  const paidElsewhereIds = isFinal ? await listPaidElsewhere(ctx, transaction, paidIds) : new Set<Bytes32>();
  await eachAttempt(ctx, transaction.id, async (unit, attempt, payment) => {
    await updateTransaction(unit.trx, {
      ...((await findTransaction(unit.trx, transaction.id)) ?? transaction),
      hash: receipt.hash,
      blockNumber: receipt.blockNumber,
      blockHash: receipt.blockHash,
      gasUsed: receipt.gasUsed,
      effectiveGasPrice: receipt.effectiveGasPrice,
    });
    const mined = attempt.status === 'mined' ? attempt : await changeAttempt(ctx, unit, attempt, 'mined');
    if (!isFinal) return;
    if (paidIds.has(attempt.paymentId)) {
      // Not before the scanner has come to the same end: were the block taken away in between, nobody would be left to follow the transaction.
      if (payment.status === 'completed') await changeAttempt(ctx, unit, mined, 'succeeded');
      return;
    }
    // That is the scanner's to tell first: the store must not hear of a failure in between.
    if (paidElsewhereIds.has(attempt.paymentId) && payment.position === null) return;
    await fail(ctx, unit, mined, payment, explainUnpaid(payment, receipt));
  });
  return lookAgainWhileOpen(ctx, transaction);
}

/** Those that this transaction did not pay, though the gateway has them as paid. */
async function listPaidElsewhere(ctx: Context, transaction: RelayTransaction, paidIds: ReadonlySet<Bytes32>): Promise<Set<Bytes32>> {
  const chain = getChain(ctx, transaction.chainId);
  const found = new Set<Bytes32>();
  for (const { paymentId } of await listAttemptsOfTransaction(ctx.db, transaction.id)) {
    if (!paidIds.has(paymentId) && (await chain.findPayer(paymentId)) !== undefined) found.add(paymentId);
  }
  return found;
}

function explainUnpaid(payment: Payment, receipt: Receipt): RelayFailure {
  if (payment.position !== null) return PAID_ELSEWHERE;
  return {
    code: RELAY_ERRORS.reverted.code,
    detail: `Transaction ${receipt.hash} ${receipt.succeeded ? 'was mined without making the payment' : 'was reverted'}.`,
  };
}

/** A reorganisation took the block away: the transaction waits to be mined again. */
async function returnUnmined(ctx: Context, transaction: RelayTransaction, attempts: readonly RelayAttempt[]): Promise<void> {
  if (!attempts.some((attempt) => attempt.status === 'mined')) return;
  await eachAttempt(ctx, transaction.id, async (unit, attempt) => {
    if (attempt.status === 'mined') await changeAttempt(ctx, unit, attempt, 'unmined');
  });
}

async function followUnmined(ctx: Context, transaction: RelayTransaction, provider: ProviderAnswer): Promise<WorkResult> {
  const chain = getChain(ctx, transaction.chainId);
  const now = ctx.clock.now();
  const head = await chain.getHead();
  const isSettled = now >= addMs(transaction.sentAt, ctx.config.relay.unsentAfterMs);
  const attempts = (await listAttemptsOfTransaction(ctx.db, transaction.id)).filter((attempt) => !hasEnded(attempt));
  for (const attempt of attempts) {
    const failure = decideFailure({ attempt, transaction, provider, isSettled, chainTime: head.timestamp });
    if (failure === undefined) continue;
    // The last word before giving up: somebody may have paid through a transaction that we know nothing of.
    if ((await chain.findPayer(attempt.paymentId)) !== undefined) {
      await followPaidElsewhere(ctx, transaction.id, attempt.id);
      continue;
    }
    await eachAttempt(ctx, transaction.id, async (unit, locked, payment) => {
      if (locked.id !== attempt.id) return;
      if (failure === 'unsent') {
        await changeAttempt(ctx, unit, locked, 'provenUnsent', { transactionId: null });
        await promiseWork(ctx, unit, [{ queue: 'relay', subjectId: locked.id }]);
      } else {
        await fail(ctx, unit, locked, payment, failure);
      }
    });
  }
  return lookAgainWhileOpen(ctx, transaction);
}

async function lookAgainWhileOpen(ctx: Context, transaction: RelayTransaction): Promise<WorkResult> {
  const isOpen = (await listAttemptsOfTransaction(ctx.db, transaction.id)).some((attempt) => !hasEnded(attempt));
  return isOpen ? later(decideNextLook(ctx.clock.now(), blockTimeOf(ctx, transaction))) : DONE;
}

/**
 * What is certain about an attempt that is in no block: undefined while nothing is.
 * @param input.isSettled enough time has passed for anything sent to show up in the provider's list
 */
function decideFailure(input: {
  readonly attempt: RelayAttempt;
  readonly transaction: RelayTransaction;
  readonly provider: ProviderAnswer;
  readonly isSettled: boolean;
  readonly chainTime: Date;
}): 'unsent' | RelayFailure | undefined {
  const { attempt, transaction, provider, isSettled, chainTime } = input;
  if (chainTime >= addMs(attempt.deadline, DEADLINE_MARGIN_MS)) {
    return { code: RELAY_ERRORS.deadline.code, detail: 'The transaction was not mined before the deadline of the signed request.' };
  }
  if (typeof provider === 'object' && provider.state === 'ended') {
    return { code: RELAY_ERRORS.notSent.code, detail: 'The relayer gave up on the transaction.' };
  }
  if (provider !== 'unknown' || !isSettled) return undefined;
  // Not in the provider's list although it had time to show up. Sending again cannot pay twice: the contract takes each payment id once.
  return attempt.status === 'unknown' && transaction.providerTransactionId === null ? 'unsent' : undefined;
}

/** The gateway has the payment, though not through this transaction: the scanner will show it, the attempt is over. */
async function followPaidElsewhere(ctx: Context, transactionId: string, attemptId: string): Promise<void> {
  await eachAttempt(ctx, transactionId, async (unit, attempt, payment) => {
    if (attempt.id !== attemptId || payment.position === null) return;
    await fail(ctx, unit, attempt, payment, PAID_ELSEWHERE);
  });
}

async function fail(ctx: Context, unit: UnitOfWork, attempt: RelayAttempt, payment: Payment, error: RelayFailure): Promise<void> {
  await changeAttempt(ctx, unit, attempt, 'failed', { error });
  await failRelay(ctx, unit, payment, attempt.id, error);
}

/** Each live attempt of the transaction in a transaction of its own, with its payment and itself locked, in that order. */
async function eachAttempt(
  ctx: Context,
  transactionId: string,
  work: (unit: UnitOfWork, attempt: RelayAttempt, payment: Payment) => Promise<void>,
): Promise<void> {
  for (const seen of await listAttemptsOfTransaction(ctx.db, transactionId)) {
    await inUnitOfWork(ctx, async (unit) => {
      const payment = await lockPaymentForRelay(unit, seen.paymentId);
      const attempt = await lockAttempt(unit.trx, seen.id);
      if (payment === undefined || attempt?.transactionId !== transactionId || hasEnded(attempt)) return;
      await work(unit, attempt, payment);
    });
  }
}

function blockTimeOf(ctx: Context, transaction: RelayTransaction): number {
  return findChainConfig(ctx, transaction.chainId)?.blockTimeMs ?? 2_000;
}
