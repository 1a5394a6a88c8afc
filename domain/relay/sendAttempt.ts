import type { Context } from '../../platform/context.ts';
import { inUnitOfWork } from '../../platform/unitOfWork.ts';
import { addMs, BLOCK_CLOCK_MARGIN_MS } from '../../shared/clock.ts';
import { createLanes } from '../../shared/lanes.ts';
import { askChain, blockTimeMsOf, findChainConfig, getChain } from '../chain/service.ts';
import { DONE, later, type WorkResult } from '../outbox/model.ts';
import { promiseWork } from '../outbox/service.ts';
import type { RelayFailure } from '../payments/eventData.ts';
import { countWaitingAttempts, findAttempt, listAttemptsOfTransaction } from './attemptStore.ts';
import { changeAttempt } from './changeAttempt.ts';
import { chooseBatch, type Batch, type Candidate } from './chooseBatch.ts';
import { decideNextLook, MAX_SENDS, PAID_ELSEWHERE, RATE_WINDOW_MS } from './decide.ts';
import { endDone, findDoer } from './endDone.ts';
import { RELAY_ERRORS } from './errors.ts';
import type { RelayAttempt, RelayTransaction } from './model.ts';
import { findFreeRelayer, lockFreeRelayer, noteSend } from './relayers.ts';
import type { SendOutcome } from './ports.ts';
import { saveOutcome } from './saveOutcome.ts';
import { failSubject, isDoneOnChain, isOnChain, isWaitingFor, lockWithSubjects } from './subject.ts';
import { insertTransaction } from './transactionStore.ts';

/** However many wait, each looks again at least this often. */
const MAX_SPREAD_MS = 10_000;

/** One choice of a batch at a time for each chain and rail in this process: a second one would choose the same attempts. */
const lanes = createLanes();

/**
 * Work of the relay queue: hands one attempt, and others that wait beside it, to a relayer in one transaction.
 *
 *   choose the batch, simulated → save the intent to send (attempts `submitting`) → send → save what came of it
 *
 * A crash between the two saves leaves the attempts `submitting`. Whoever finds one so must not send again: they become `unknown`, and the confirm
 * queue finds out from the chain and the provider's list.
 */
export async function sendAttempt(ctx: Context, attemptId: string): Promise<WorkResult> {
  const seen = await findAttempt(ctx.db, attemptId);
  if (seen?.status === 'submitting') return resolveInterruptedSend(ctx, seen);
  if (seen?.status !== 'queued') return DONE;
  const { chainId } = seen;
  // The workers' places are for all chains: one that does not answer must not take them all.
  return askChain(ctx, chainId, async (hasFailed) => {
    const taken = await lanes.run(`${chainId}:${seen.signed.rail}`, async () =>
      hasFailed() ? lookAgain(ctx, seen) : takeBatch(ctx, seen),
    );
    return 'kind' in taken ? taken : send(ctx, taken, attemptId);
  });
}

/** @returns the saved transaction, or what becomes of the work when there is none to send */
async function takeBatch(ctx: Context, seen: RelayAttempt): Promise<RelayTransaction | WorkResult> {
  // While this waited for its lane, another batch may have taken it along.
  const own = await findAttempt(ctx.db, seen.id);
  if (own?.status === 'submitting') return resolveInterruptedSend(ctx, own);
  if (own?.status !== 'queued') return DONE;
  if (ctx.clock.now() >= addMs(own.deadline, -1_000)) {
    return endUnsent(ctx, own, { code: RELAY_ERRORS.deadline.code, detail: 'No relayer could send it before its deadline.' });
  }
  if (own.sends >= MAX_SENDS) {
    return endUnsent(ctx, own, { code: RELAY_ERRORS.notSent.code, detail: `${own.sends} transactions came to nothing.` });
  }
  // Before the chain is asked: under load most looks end here.
  const free = await findFreeRelayer(ctx, own.chainId);
  if ('waitMs' in free) return waitForRelayer(ctx, own, free.waitMs);

  const batch = await chooseBatch(ctx, own);
  let ownResult: WorkResult | undefined;
  for (const { attempt, error } of batch.fail) {
    const result = isTooEarlyToFail(ctx, attempt) ? lookAgain(ctx, attempt) : await endUnsent(ctx, attempt, error);
    if (attempt.id === own.id) ownResult = result;
  }
  if (batch.send.length > 0) {
    const saved = await saveIntent(ctx, batch, { ...own, hasEnded: ownResult?.kind === 'done' });
    if ('id' in saved) return saved;
    if (saved.waitMs > 0) return waitForRelayer(ctx, own, saved.waitMs);
  }
  // Not in the batch: it waits for a request that goes before it, or for the outcome of one that it would collide with.
  return ownResult ?? lookAgain(ctx, own);
}

/** When it was accepted, the chain took it; a node that refuses it so soon after may only lag. */
function isTooEarlyToFail(ctx: Context, { createdAt, sends }: RelayAttempt): boolean {
  return sends === 0 && ctx.clock.now() < addMs(createdAt, ctx.config.relay.refusalGraceMs);
}

function lookAgain(ctx: Context, attempt: RelayAttempt): WorkResult {
  return later(decideNextLook(ctx.clock.now(), blockTimeMsOf(ctx, attempt.chainId)));
}

/** So that what waits looks again about when its turn comes, and not all at once. */
async function waitForRelayer(ctx: Context, own: RelayAttempt, waitMs: number): Promise<WorkResult> {
  const batchSize = findChainConfig(ctx, own.chainId)?.relayLimits.maxBatchSize ?? 1;
  const turnsAhead = (await countWaitingAttempts(ctx.db, own)) / batchSize;
  const spreadMs = Math.min(MAX_SPREAD_MS, turnsAhead * Math.max(waitMs, RATE_WINDOW_MS / 60));
  return later(addMs(ctx.clock.now(), waitMs + ctx.random() * spreadMs));
}

/**
 * Saves the intent to send, within the limits of the relayer that is free now.
 * @param own the attempt whose job this is, chosen or not
 * @returns the saved transaction; `waitMs` when none is free any more, 0 when there is nothing left to send
 */
async function saveIntent(
  ctx: Context,
  batch: Batch,
  own: { readonly id: string; readonly chainId: number; readonly hasEnded: boolean },
): Promise<RelayTransaction | { readonly waitMs: number }> {
  const { chainId } = own;
  const chain = getChain(ctx, chainId);
  return inUnitOfWork(ctx, async (unit) => {
    const locked = await lockWithSubjects(
      unit,
      batch.send.map(({ attempt }) => attempt),
    );
    const takeable: Candidate[] = [];
    for (const candidate of batch.send) {
      const current = locked.find(({ attempt }) => attempt.id === candidate.attempt.id);
      if (current?.attempt.status !== 'queued') continue;
      // Done by other means while this waited: sending would only burn gas. Its own job ends it.
      if (isOnChain(current)) continue;
      if (!isWaitingFor(current)) {
        const error = { code: RELAY_ERRORS.notSent.code, detail: 'Nothing waits for this request any more.' };
        await changeAttempt(ctx, unit, current.attempt, 'failed', { error });
        continue;
      }
      takeable.push({ ...candidate, attempt: current.attempt });
    }
    const sendable = withoutOrphans(batch.send, takeable);
    if (sendable.length === 0) return { waitMs: 0 };
    const free = await lockFreeRelayer(ctx, unit, chainId);
    if ('waitMs' in free) return free;

    const call = chain.encodeRelay(sendable.map(({ item }) => item));
    const transaction: RelayTransaction = {
      id: ctx.newId('rtx'),
      chainId,
      relayerId: free.relayerId,
      to: call.to,
      data: call.data,
      gasLimit: batch.gasLimit,
      // Each has its own deadline in the contract too: one that is late fails alone.
      validUntil: latest(sendable.map(({ attempt }) => attempt.deadline)),
      items: sendable.length,
      providerTransactionId: null,
      hash: null,
      hashes: [],
      sentAt: ctx.clock.now(),
      blockNumber: null,
      blockHash: null,
      gasUsed: null,
      effectiveGasPrice: null,
      abandonedAt: null,
    };
    await insertTransaction(unit.trx, transaction);
    for (const [batchIndex, { attempt }] of sendable.entries()) {
      const facts = { transactionId: transaction.id, batchIndex, sends: attempt.sends + 1 };
      await changeAttempt(ctx, unit, attempt, 'take', { facts });
    }
    // Its job ends with the transaction that it led. When it is not in that (another process may be sending it, and may die before it is done), nobody would
    // look after it without another promise.
    const isLeftBehind = !own.hasEnded && !sendable.some(({ attempt }) => attempt.id === own.id);
    if (isLeftBehind) {
      const runAt = decideNextLook(ctx.clock.now(), blockTimeMsOf(ctx, chainId));
      await promiseWork(ctx, unit, [{ queue: 'relay', subjectId: own.id, runAt }]);
    }
    return transaction;
  });
}

/** A forwarder request whose predecessor dropped out of the batch must not go without it. */
function withoutOrphans(chosen: readonly Candidate[], takeable: readonly Candidate[]): Candidate[] {
  const blocked = new Set<string>();
  const taken = new Set(takeable.map(({ attempt }) => attempt.id));
  return chosen.flatMap(({ attempt }) => {
    const { signed } = attempt;
    const payer = signed.rail === 'forwarder' ? signed.request.from : undefined;
    const candidate = takeable.find((other) => other.attempt.id === attempt.id);
    if (payer !== undefined && !taken.has(attempt.id)) blocked.add(payer);
    return candidate === undefined || (payer !== undefined && blocked.has(payer)) ? [] : [candidate];
  });
}

function latest(dates: readonly Date[]): Date {
  return new Date(Math.max(...dates.map((date) => date.getTime())));
}

async function send(ctx: Context, transaction: RelayTransaction, leaderId: string): Promise<WorkResult> {
  const relayer = ctx.relayers.get(transaction.relayerId);
  if (relayer === undefined) throw new Error(`relayer ${transaction.relayerId} is configured and not there`);
  // After so long a stop others may have taken this for interrupted, and have looked in vain for what would be sent now.
  const isTooLate = ctx.clock.now() >= addMs(transaction.sentAt, ctx.config.relay.timeoutMs);
  const outcome: SendOutcome = isTooLate
    ? { kind: 'refused', reason: 'this process was held up', retryAfterMs: 0 }
    : await relayer.send(transaction);
  ctx.log.info(
    {
      transactionId: transaction.id,
      relayerId: relayer.id,
      items: transaction.items,
      outcome: outcome.kind,
      reason: outcome.kind === 'accepted' ? undefined : outcome.reason,
    },
    'handed to the relayer',
  );
  const result = await saveOutcome(ctx, transaction, outcome, leaderId);
  if (!isTooLate) await noteSend(ctx, relayer.id, outcome);
  return result;
}

/** Another worker saved the intent to send, and we do not know whether it came to sending. */
async function resolveInterruptedSend(ctx: Context, seen: RelayAttempt): Promise<WorkResult> {
  // While that worker may still be waiting for the provider's answer, its own bookkeeping is the better one.
  const mayStillBeSending = addMs(seen.updatedAt, 2 * ctx.config.relay.timeoutMs);
  if (ctx.clock.now() < mayStillBeSending) return later(mayStillBeSending);
  const { transactionId } = seen;
  if (transactionId === null) throw new Error(`relay attempt ${seen.id} is being sent in no transaction`);
  await inUnitOfWork(ctx, async (unit) => {
    const carried = await lockWithSubjects(unit, await listAttemptsOfTransaction(unit.trx, transactionId));
    const inDoubt = carried.filter(({ attempt }) => attempt.status === 'submitting' && attempt.transactionId === transactionId);
    for (const { attempt } of inDoubt) await changeAttempt(ctx, unit, attempt, 'ambiguous');
    if (inDoubt.length > 0) await promiseWork(ctx, unit, [{ queue: 'confirm', subjectId: transactionId }]);
  });
  return DONE;
}

/**
 * Ends an attempt that cannot be sent. When the chain shows that it was done by other means, that is why, and the scanner tells it first: the store
 * must not hear of a failure in between. And nothing fails while a transaction that was given up may still do it.
 */
async function endUnsent(ctx: Context, attempt: RelayAttempt, error: RelayFailure): Promise<WorkResult> {
  const chain = getChain(ctx, attempt.chainId);
  const isDone = await isDoneOnChain(chain, attempt);
  if (!isDone && attempt.mayStillLand && (await chain.getHead()).timestamp < addMs(attempt.deadline, BLOCK_CLOCK_MARGIN_MS)) {
    return lookAgain(ctx, attempt);
  }
  // Not as far as this answer knows: nodes differ by a block, and "already paid" is no reason to call it unpaid.
  if (!isDone && error.code === PAID_ELSEWHERE.code) return lookAgain(ctx, attempt);
  const doer = await findDoer(ctx, attempt);
  return inUnitOfWork(ctx, async (unit) => {
    const [locked] = await lockWithSubjects(unit, [attempt]);
    if (locked?.attempt.status !== 'queued') return DONE;
    if (isDone || isOnChain(locked)) {
      const hasEnded = await endDone(ctx, unit, locked, doer);
      return hasEnded ? DONE : lookAgain(ctx, attempt);
    }
    await changeAttempt(ctx, unit, locked.attempt, 'failed', { error });
    await failSubject(ctx, unit, locked, error);
    return DONE;
  });
}
