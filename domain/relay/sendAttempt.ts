import type { Context } from '../../platform/context.ts';
import { inUnitOfWork } from '../../platform/unitOfWork.ts';
import { addMs } from '../../shared/clock.ts';
import { AppError } from '../../shared/errors.ts';
import { CHAIN_ERRORS } from '../chain/errors.ts';
import type { RelayCall } from '../chain/ports.ts';
import { getChain } from '../chain/service.ts';
import { DONE, later, type WorkResult } from '../outbox/model.ts';
import { promiseWork } from '../outbox/service.ts';
import type { RelayFailure } from '../payments/eventData.ts';
import { failRelay, getPayment, lockPaymentForRelay } from '../payments/service.ts';
import { changeAttempt } from './changeAttempt.ts';
import { decideNextLook, PAID_ELSEWHERE } from './decide.ts';
import { RELAY_ERRORS } from './errors.ts';
import type { RelayAttempt, RelayTransaction } from './model.ts';
import type { RelayerPort, SendOutcome } from './ports.ts';
import { recordProviderTransaction } from './recordProviderTransaction.ts';
import { blockTimeMsOf } from './service.ts';
import { deleteTransaction, findAttempt, insertTransaction, lockAttempt, lockRelayer, readRelayerLoad } from './store.ts';

/** Without a chain or relayer there is nothing to do but wait; the attempt's deadline ends it. */
const UNAVAILABLE_RETRY_MS = 3_000;
const RATE_WINDOW_MS = 60_000;
const IN_FLIGHT_HOLD_MS = 500;

/**
 * Work of the relay queue: hands one attempt to its relayer.
 *
 *   build the call → save the intent to send (attempt `submitting`) → send → save what came of it
 *
 * A crash between the two saves leaves the attempt `submitting`. Whoever finds it so must not send again: it becomes `unknown`, and the confirm
 * queue finds out from the chain and the provider's list.
 */
export async function sendAttempt(ctx: Context, attemptId: string): Promise<WorkResult> {
  const attempt = await findAttempt(ctx.db, attemptId);
  if (attempt?.status === 'submitting') return resolveInterruptedSend(ctx, attempt);
  if (attempt?.status !== 'queued') return DONE;

  const relayer = ctx.relayers.get(attempt.chainId);
  if (ctx.clock.now() >= addMs(attempt.deadline, -1_000)) {
    return endUnsent(ctx, attempt, { code: RELAY_ERRORS.deadline.code, detail: 'No relayer could send it before its deadline.' });
  }
  if (relayer === undefined) return later(addMs(ctx.clock.now(), UNAVAILABLE_RETRY_MS));

  const call = await buildCall(ctx, attempt);
  if (call === 'unavailable') return later(addMs(ctx.clock.now(), UNAVAILABLE_RETRY_MS));
  if ('code' in call) return endUnsent(ctx, attempt, call);

  const taken = await takeAttempt(ctx, attempt, relayer, call);
  if (taken === undefined) return DONE;
  if ('holdMs' in taken) {
    // Holding the queue is for when all of its jobs wait for the same relayer; with several, the others go on.
    if (ctx.relayers.size === 1) return { kind: 'hold', forMs: taken.holdMs };
    return later(addMs(ctx.clock.now(), taken.holdMs * (1 + ctx.random())));
  }

  const outcome = await relayer.send(taken);
  ctx.log.info(
    { attemptId, transactionId: taken.id, relayerId: relayer.id, outcome: outcome.kind, reason: reasonOf(outcome) },
    'handed to the relayer',
  );
  return saveOutcome(ctx, attemptId, taken, outcome);
}

function reasonOf(outcome: SendOutcome): string | undefined {
  return outcome.kind === 'accepted' ? undefined : outcome.reason;
}

async function buildCall(ctx: Context, attempt: RelayAttempt): Promise<RelayCall | RelayFailure | 'unavailable'> {
  const chain = getChain(ctx, attempt.chainId);
  const { request, signature, permit } = attempt;
  const payment = await getPayment(ctx, attempt);
  try {
    return await chain.buildRelayCall({ request, signature, permit, token: payment.terms.token });
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    if (error.code === CHAIN_ERRORS.unavailable.code) return 'unavailable';
    return { code: error.code, detail: error.detail ?? error.kind.title };
  }
}

/**
 * Saves the intent to send, within the relayer's limits.
 * @returns the saved transaction; `holdMs` when a limit is reached; undefined when there is nothing to send any more
 */
async function takeAttempt(
  ctx: Context,
  seen: RelayAttempt,
  relayer: RelayerPort,
  call: RelayCall,
): Promise<RelayTransaction | { readonly holdMs: number } | undefined> {
  const limits = ctx.config.chains.find((chain) => chain.chainId === seen.chainId)?.relayer;
  if (limits === undefined) throw new Error(`chain ${seen.chainId} has no relayer in the configuration`);
  return inUnitOfWork(ctx, async (unit) => {
    // Locked in this order everywhere: payment, attempt, relayer.
    const payment = await lockPaymentForRelay(unit, seen.paymentId);
    const attempt = await lockAttempt(unit.trx, seen.id);
    if (payment === undefined || attempt?.status !== 'queued') return undefined;
    if (payment.position !== null || payment.relayAttemptId !== attempt.id) {
      // Paid by other means while this waited: sending would only burn gas.
      await changeAttempt(ctx, unit, attempt, 'failed', { error: PAID_ELSEWHERE });
      await failRelay(ctx, unit, payment, attempt.id, PAID_ELSEWHERE);
      return undefined;
    }
    const now = ctx.clock.now();
    await lockRelayer(unit.trx, relayer.id);
    const load = await readRelayerLoad(unit.trx, relayer.id, addMs(now, -RATE_WINDOW_MS));
    if (load.sent >= limits.transactionsPerMinute) {
      return { holdMs: Math.max(50, (load.oldestSentAt ?? now).getTime() + RATE_WINDOW_MS - now.getTime()) };
    }
    if (load.inFlight >= limits.maxInFlight) return { holdMs: Math.min(IN_FLIGHT_HOLD_MS, blockTimeMsOf(ctx, seen.chainId)) };
    const transaction: RelayTransaction = {
      id: ctx.newId('rtx'),
      chainId: attempt.chainId,
      relayerId: relayer.id,
      to: call.to,
      data: call.data,
      gasLimit: call.gasLimit,
      validUntil: attempt.deadline,
      providerTransactionId: null,
      hash: null,
      hashes: [],
      sentAt: now,
      blockNumber: null,
      blockHash: null,
      gasUsed: null,
      effectiveGasPrice: null,
    };
    await insertTransaction(unit.trx, transaction);
    await changeAttempt(ctx, unit, attempt, 'take', { transactionId: transaction.id });
    return transaction;
  });
}

async function saveOutcome(ctx: Context, attemptId: string, transaction: RelayTransaction, outcome: SendOutcome): Promise<WorkResult> {
  return inUnitOfWork(ctx, async (unit) => {
    const seen = await findAttempt(unit.trx, attemptId);
    const payment = seen && (await lockPaymentForRelay(unit, seen.paymentId));
    const attempt = await lockAttempt(unit.trx, attemptId);
    if (payment === undefined || attempt === undefined) throw new Error(`relay attempt ${attemptId} is gone`);
    // A slow answer: another worker has meanwhile treated the send as interrupted and is finding out. What we know helps it.
    const isOurs = attempt.status === 'submitting' && attempt.transactionId === transaction.id;
    const now = ctx.clock.now();
    switch (outcome.kind) {
      case 'accepted': {
        await recordProviderTransaction(ctx, unit, transaction.id, outcome.transaction);
        if (isOurs)
          await promiseWork(ctx, unit, [
            { queue: 'confirm', subjectId: transaction.id, runAt: decideNextLook(now, blockTimeMsOf(ctx, attempt.chainId)) },
          ]);
        return DONE;
      }
      case 'ambiguous':
        if (isOurs) {
          await changeAttempt(ctx, unit, attempt, 'ambiguous');
          await promiseWork(ctx, unit, [{ queue: 'confirm', subjectId: transaction.id }]);
        }
        return DONE;
      case 'refused':
        if (!isOurs) return DONE;
        await changeAttempt(ctx, unit, attempt, 'refused', { transactionId: null });
        await deleteTransaction(unit.trx, transaction.id);
        return later(addMs(now, outcome.retryAfterMs));
      case 'rejected': {
        if (!isOurs) return DONE;
        const error = { code: RELAY_ERRORS.notSent.code, detail: `The relayer refused the transaction: ${outcome.reason}` };
        await changeAttempt(ctx, unit, attempt, 'failed', { error });
        await failRelay(ctx, unit, payment, attempt.id, error);
        return DONE;
      }
    }
  });
}

/** Another worker saved the intent to send, and we do not know whether it came to sending. */
async function resolveInterruptedSend(ctx: Context, seen: RelayAttempt): Promise<WorkResult> {
  // While that worker may still be waiting for the provider's answer, its own bookkeeping is the better one.
  const mayStillBeSending = addMs(seen.updatedAt, 2 * ctx.config.relay.timeoutMs);
  if (ctx.clock.now() < mayStillBeSending) return later(mayStillBeSending);
  await inUnitOfWork(ctx, async (unit) => {
    const attempt = await lockAttempt(unit.trx, seen.id);
    if (attempt?.status !== 'submitting' || attempt.transactionId === null) return;
    await changeAttempt(ctx, unit, attempt, 'ambiguous');
    await promiseWork(ctx, unit, [{ queue: 'confirm', subjectId: attempt.transactionId }]);
  });
  return DONE;
}

/**
 * Ends an attempt that cannot be sent. When the chain shows that the payment was made by other means, that is why, and the scanner tells it first:
 * the store must not hear of a failure in between.
 */
async function endUnsent(ctx: Context, attempt: RelayAttempt, error: RelayFailure): Promise<WorkResult> {
  const now = ctx.clock.now();
  try {
    const payer = await getChain(ctx, attempt.chainId).findPayer(attempt.paymentId);
    if (payer === undefined) return await failAttempt(ctx, attempt, error);
  } catch (failure) {
    if (!(failure instanceof AppError && failure.code === CHAIN_ERRORS.unavailable.code)) throw failure;
    return later(addMs(now, UNAVAILABLE_RETRY_MS));
  }
  const { position } = await getPayment(ctx, attempt);
  return position === null ? later(decideNextLook(now, blockTimeMsOf(ctx, attempt.chainId))) : failAttempt(ctx, attempt, PAID_ELSEWHERE);
}

async function failAttempt(ctx: Context, seen: RelayAttempt, error: RelayFailure): Promise<WorkResult> {
  await inUnitOfWork(ctx, async (unit) => {
    const payment = await lockPaymentForRelay(unit, seen.paymentId);
    const attempt = await lockAttempt(unit.trx, seen.id);
    if (payment === undefined || attempt?.status !== 'queued') return;
    await changeAttempt(ctx, unit, attempt, 'failed', { error });
    await failRelay(ctx, unit, payment, attempt.id, error);
  });
  return DONE;
}
