import type { Context } from '../../platform/context.ts';
import { inUnitOfWork, type UnitOfWork } from '../../platform/unitOfWork.ts';
import { addMs, BLOCK_CLOCK_MARGIN_MS } from '../../shared/clock.ts';
import { AppError } from '../../shared/errors.ts';
import type { Receipt } from '../chain/ports.ts';
import { askChain, blockTimeMsOf, countBlocksUntilFinal, findChainConfig, getChain } from '../chain/service.ts';
import { DONE, later, type WorkResult } from '../outbox/model.ts';
import { promiseWork } from '../outbox/service.ts';
import type { RelayFailure } from '../payments/eventData.ts';
import { findPaymentsById, scanAgain } from '../payments/service.ts';
import { listAttemptsOfTransaction } from './attemptStore.ts';
import { changeAttempt } from './changeAttempt.ts';
import { decideDepthLook, toRefusalError } from './decide.ts';
import type { Blame } from './decideWaste.ts';
import { endDone, findDoer, type Doer } from './endDone.ts';
import { RELAY_ERRORS } from './errors.ts';
import { findBlame } from './findBlame.ts';
import { findRefusalOf } from './findRefusalOf.ts';
import type { RelayAttempt, RelayTransaction } from './model.ts';
import { noteWaste } from './noteWaste.ts';
import type { ProviderTransaction } from './ports.ts';
import { recordProviderTransaction } from './recordProviderTransaction.ts';
import { shareGas } from './shareGas.ts';
import {
  failSubject,
  findRefusalIn,
  isCompleted,
  isDoneIn,
  isDoneOnChain,
  isOnChain,
  lockWithSubjects,
  noteHash,
  seeWithSubjects,
  type LockedAttempt,
} from './subject.ts';
import { findTransaction, isProviderTransactionTaken, lockTransaction, updateTransaction } from './transactionStore.ts';

/** What a relayer had taken and then forgot, or left the configuration with, may still be mined: this many times the usual wait is given to it. */
const ABANDONED_PATIENCE = 5;

/** How often, and for how long after it would be valid no more, a transaction that carries nothing any more is looked at. */
const ABANDONED_LOOK_MS = 15_000;
const ABANDONED_FOR_MS = 60 * 60_000;

/**
 * Work of the confirm queue: follows one relay transaction until each attempt in it has ended or left it. It decides about attempts only; what the
 * chain shows of payments and refunds is written by the scanner alone, in one place and in chain order.
 *
 *   in a block? → else, known to the provider, by another hash? → deep enough? → each attempt's own outcome, from the logs
 *
 * Waiting is a new date, never an error.
 */
export async function confirmTransaction(ctx: Context, transactionId: string): Promise<WorkResult> {
  const transaction = await findTransaction(ctx.db, transactionId);
  const attempts = await listAttemptsOfTransaction(ctx.db, transactionId);
  if (transaction === undefined) return DONE;
  const isOver = attempts.every(hasEnded);
  if (isOver && transaction.abandonedAt === null) return DONE;
  return askChain(ctx, transaction.chainId, () => (isOver ? followAbandoned(ctx, transaction) : follow(ctx, transaction, attempts)));
}

function hasEnded(attempt: RelayAttempt): boolean {
  return attempt.status === 'succeeded' || attempt.status === 'failed';
}

async function follow(ctx: Context, seen: RelayTransaction, attempts: readonly RelayAttempt[]): Promise<WorkResult> {
  // The chain first: it is the one whose word counts, and what waits to be deep enough for an hour would use up the provider's rate limit.
  const mined = await findReceipt(ctx, seen);
  if (mined !== undefined) return followMined(ctx, seen, mined);

  const provider = await askProvider(ctx, seen);
  const isNews =
    typeof provider === 'object' && (seen.providerTransactionId === null || (provider.hash !== null && provider.hash !== seen.hash));
  const transaction = isNews ? await inUnitOfWork(ctx, (unit) => recordProviderTransaction(ctx, unit, seen.id, provider)) : seen;

  const receipt = await findReceipt(ctx, transaction);
  if (receipt !== undefined) return followMined(ctx, transaction, receipt);
  await returnUnmined(ctx, transaction, attempts);
  return followUnmined(ctx, transaction, provider);
}

/** `unknown`: the provider does not have it. `silent`: it does not answer, and the chain has to do. `gone`: it is not configured any more. */
type ProviderAnswer = ProviderTransaction | 'unknown' | 'silent' | 'gone';

async function askProvider(ctx: Context, transaction: RelayTransaction): Promise<ProviderAnswer> {
  const relayer = ctx.relayers.get(transaction.relayerId);
  if (relayer === undefined) {
    const isConfigured = findChainConfig(ctx, transaction.chainId)?.relayers.some(({ id }) => id === transaction.relayerId) ?? false;
    if (isConfigured) throw new Error(`relayer ${transaction.relayerId} is configured and not there`);
    return 'gone';
  }
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

/** What the receipt and the chain say about an attempt of a final transaction. */
type Verdict = 'done' | 'doneElsewhere' | 'untouched' | { readonly error: RelayFailure; readonly blame: Blame };

async function followMined(ctx: Context, transaction: RelayTransaction, receipt: Receipt): Promise<WorkResult> {
  const { chainId } = transaction;
  await noteReceipt(ctx, transaction, receipt);
  const missingBlocks = await countBlocksUntilFinal(ctx, chainId, receipt.blockNumber);
  const verdicts = missingBlocks === 0 ? await judge(ctx, transaction, receipt) : undefined;
  const carried = await listAttemptsOfTransaction(ctx.db, transaction.id);
  const shares = shareGas(transaction, receipt, carried);
  const seen = await seeWithSubjects(
    ctx,
    carried.filter((one) => !hasEnded(one)),
  );
  for (const one of seen) {
    const { attempt } = one;
    const verdict = verdicts?.get(attempt.id);
    // Most looks find nothing new, and then nothing is locked or written: it is not deep enough yet, or the scanner has not completed what it did.
    const isWaiting = verdict === undefined || (verdict === 'done' && !isCompleted(one));
    if (isWaiting && attempt.status === 'mined') continue;
    const doer = verdict === 'doneElsewhere' ? await findDoer(ctx, attempt) : undefined;
    await withAttempt(ctx, transaction.id, attempt, async (unit, locked) => {
      const isNew = locked.attempt.status !== 'mined';
      const mined = isNew ? { ...locked, attempt: await changeAttempt(ctx, unit, locked.attempt, 'mined') } : locked;
      if (verdict !== undefined)
        await endMined(ctx, unit, mined, { transaction, receipt, gas: shares.get(attempt.id) ?? 0n, verdict, doer });
    });
  }
  const isMissed = seen.some((one) => verdicts?.get(one.attempt.id) === 'done' && !isOnChain(one));
  if (isMissed && (await scanAgain(ctx, chainId, receipt.blockNumber))) {
    const block = { chainId, blockNumber: receipt.blockNumber.toString(), txHash: receipt.hash };
    ctx.log.warn(block, 'the scanner has passed an event without seeing it: scanning its block again');
  }
  return lookAgainWhileOpen(ctx, transaction, missingBlocks);
}

/** Where the transaction stands in the chain; written when it is news. */
async function noteReceipt(ctx: Context, transaction: RelayTransaction, receipt: Receipt): Promise<void> {
  const { hash, blockNumber, blockHash, gasUsed, effectiveGasPrice } = receipt;
  if (transaction.hash === hash && transaction.blockHash === blockHash && transaction.blockNumber === blockNumber) return;
  await changeTransaction(ctx, transaction.id, { hash, blockNumber, blockHash, gasUsed, effectiveGasPrice });
}

async function judge(ctx: Context, transaction: RelayTransaction, receipt: Receipt): Promise<ReadonlyMap<string, Verdict>> {
  const chain = getChain(ctx, transaction.chainId);
  const attempts = await listAttemptsOfTransaction(ctx.db, transaction.id);
  const payments = await findPaymentsById(
    ctx,
    attempts.map(({ paymentId }) => paymentId),
  );
  const verdicts = new Map<string, Verdict>();
  for (const attempt of attempts.filter((candidate) => !hasEnded(candidate))) {
    if (isDoneIn(receipt, attempt)) {
      verdicts.set(attempt.id, 'done');
      continue;
    }
    if (await isDoneOnChain(chain, attempt)) {
      verdicts.set(attempt.id, 'doneElsewhere');
      continue;
    }
    const refused = findRefusalIn(receipt, attempt);
    // By itself it reverts with the whole transaction. In a batch, what left no trace was not tried: another item undid it, or its turn had not come.
    if (refused === undefined && transaction.items > 1) {
      verdicts.set(attempt.id, 'untouched');
      continue;
    }
    const terms = payments.find(({ id }) => id === attempt.paymentId)?.terms;
    const item = terms && { ...attempt, terms };
    const refusal = item && (await findRefusalOf(chain, item));
    const reason = refusal && item ? (toRefusalError(refusal, item).detail ?? refused?.reason) : refused?.reason;
    const detail = `Transaction ${receipt.hash} was mined without doing it${reason === undefined ? '.' : `: ${reason}`}`;
    verdicts.set(attempt.id, {
      error: { code: RELAY_ERRORS.reverted.code, detail },
      blame: await findBlame(chain, attempt, { receipt, refused, refusal }),
    });
  }
  return verdicts;
}

async function endMined(
  ctx: Context,
  unit: UnitOfWork,
  locked: LockedAttempt,
  final: {
    readonly transaction: RelayTransaction;
    readonly receipt: Receipt;
    /** Its share of what the transaction used. */
    readonly gas: bigint;
    readonly verdict: Verdict;
    readonly doer: Doer | undefined;
  },
): Promise<void> {
  const { attempt } = locked;
  const { transaction, receipt, gas, verdict } = final;
  const charge = {
    gasUsed: attempt.gasUsed + gas,
    gasCost: attempt.gasCost + gas * receipt.effectiveGasPrice,
    gasChargedAt: ctx.clock.now(),
  };
  const charged = { ...locked, attempt: { ...attempt, ...charge } };
  if (verdict === 'done') {
    // Not before the scanner has come to the same end: were the block taken away in between, nobody would be left to follow the transaction.
    if (isCompleted(locked)) await changeAttempt(ctx, unit, charged.attempt, 'succeeded');
    return;
  }
  if (verdict === 'doneElsewhere') {
    await endDone(ctx, unit, charged, final.doer);
    return;
  }
  if (verdict === 'untouched') {
    const error = {
      code: RELAY_ERRORS.notSent.code,
      detail: `Transaction ${receipt.hash} was mined without trying it, as others before it.`,
    };
    // Undone as a whole: by its size, or by one of them. In one that ran, only its turn had not come.
    const speaksAgainstBatch = !receipt.succeeded && transaction.items > 1;
    await sendAgain(ctx, unit, charged, 'returned', error, speaksAgainstBatch);
    return;
  }
  if (isOnChain(locked)) {
    await endDone(ctx, unit, charged, final.doer);
    return;
  }
  await noteWaste(ctx, unit, attempt, { blame: verdict.blame, gasCost: gas * receipt.effectiveGasPrice });
  if (attempt.mayStillLand) await sendAgain(ctx, unit, charged, 'returned', verdict.error);
  else await fail(ctx, unit, charged, verdict.error);
}

/** A reorganisation took the block away: the transaction waits to be mined again. */
async function returnUnmined(ctx: Context, transaction: RelayTransaction, attempts: readonly RelayAttempt[]): Promise<void> {
  for (const seen of attempts.filter(({ status }) => status === 'mined')) {
    await withAttempt(ctx, transaction.id, seen, async (unit, { attempt }) => {
      if (attempt.status === 'mined') await changeAttempt(ctx, unit, attempt, 'unmined');
    });
  }
}

async function followUnmined(ctx: Context, transaction: RelayTransaction, provider: ProviderAnswer): Promise<WorkResult> {
  const chain = getChain(ctx, transaction.chainId);
  const now = ctx.clock.now();
  const head = await chain.getHead();
  const ageMs = now.getTime() - transaction.sentAt.getTime();
  const { unsentAfterMs, resendAfterMs } = ctx.config.relay;
  const attempts = (await listAttemptsOfTransaction(ctx.db, transaction.id)).filter((attempt) => !hasEnded(attempt));
  for (const seen of attempts) {
    const isOverdue = ageMs >= resendAfterMs;
    // A relayer that gives up on a transaction while it is valid has something against it, and against a slow chain nothing that helps.
    const isRefused = typeof provider === 'object' && provider.state === 'ended' && !isOverdue && now < transaction.validUntil;
    const end = decideEnd({
      attempt: seen,
      transaction,
      provider,
      patienceSpent: ageMs / unsentAfterMs,
      isOverdue,
      chainTime: head.timestamp,
    });
    if (end === undefined) continue;
    // The last word before giving up: somebody may have done it through a transaction that we know nothing of.
    const doer = (await isDoneOnChain(chain, seen)) ? await findDoer(ctx, seen) : undefined;
    await withAttempt(ctx, transaction.id, seen, async (unit, locked) => {
      // The scanner's word may be out of date, but if so it will say: nothing is given up against it.
      if (doer !== undefined || isOnChain(locked)) {
        await endDone(ctx, unit, locked, doer);
        return;
      }
      const speaksAgainstBatch = isRefused && transaction.items > 1;
      if (end.kind === 'failed') await fail(ctx, unit, locked, end.error);
      else await sendAgain(ctx, unit, locked, end.kind, end.error, speaksAgainstBatch);
    });
  }
  const next = await lookAgainWhileOpen(ctx, transaction);
  const isGone = provider === 'unknown' || provider === 'gone' || (typeof provider === 'object' && provider.state === 'ended');
  if (next.kind === 'later' || isGone) return next;
  await changeTransaction(ctx, transaction.id, { abandonedAt: now });
  return later(addMs(now, ABANDONED_LOOK_MS));
}

/**
 * Nobody waits for it any more. But as long as it may be mined, what its relayer is given after it waits behind it: until then it counts as that
 * relayer's load, and speaks against it.
 */
async function followAbandoned(ctx: Context, transaction: RelayTransaction): Promise<WorkResult> {
  const now = ctx.clock.now();
  const receipt = await findReceipt(ctx, transaction);
  if (receipt !== undefined) {
    const { hash, blockNumber, blockHash, gasUsed, effectiveGasPrice } = receipt;
    await changeTransaction(ctx, transaction.id, { abandonedAt: null, hash, blockNumber, blockHash, gasUsed, effectiveGasPrice });
    return DONE;
  }
  const provider = await askProvider(ctx, transaction);
  const mayBeMined = provider === 'silent' || (typeof provider === 'object' && provider.state === 'pending');
  if (mayBeMined && now < addMs(transaction.validUntil, ABANDONED_FOR_MS)) return later(addMs(now, ABANDONED_LOOK_MS));
  await changeTransaction(ctx, transaction.id, { abandonedAt: null });
  return DONE;
}

async function changeTransaction(ctx: Context, transactionId: string, facts: Partial<RelayTransaction>): Promise<void> {
  await inUnitOfWork(ctx, async ({ trx }) => {
    const current = await lockTransaction(trx, transactionId);
    if (current !== undefined) await updateTransaction(trx, { ...current, ...facts });
  });
}

/** @param missingBlocks of a mined one, until it is deep enough */
async function lookAgainWhileOpen(ctx: Context, transaction: RelayTransaction, missingBlocks = 0): Promise<WorkResult> {
  const isOpen = (await listAttemptsOfTransaction(ctx.db, transaction.id)).some((attempt) => !hasEnded(attempt));
  return isOpen ? later(decideDepthLook(ctx.clock.now(), blockTimeMsOf(ctx, transaction.chainId), missingBlocks)) : DONE;
}

type End = { readonly kind: 'failed' | 'provenUnsent' | 'givenUp'; readonly error: RelayFailure };

/**
 * What is certain about an attempt that is in no block: undefined while nothing is. Sending again cannot do it twice, since the contract takes each
 * payment id and each refund nonce once; it is decided late all the same, for the sake of the gas.
 * @param input.patienceSpent 1 when enough time has passed for anything sent to show up in the provider's list
 * @param input.isOverdue it is in no block although the provider, too, had time to do something about that
 */
function decideEnd(input: {
  readonly attempt: RelayAttempt;
  readonly transaction: RelayTransaction;
  readonly provider: ProviderAnswer;
  readonly patienceSpent: number;
  readonly isOverdue: boolean;
  readonly chainTime: Date;
}): End | undefined {
  const { attempt, transaction, provider, patienceSpent, isOverdue, chainTime } = input;
  const notSent = (detail: string): RelayFailure => ({ code: RELAY_ERRORS.notSent.code, detail });
  if (chainTime >= addMs(attempt.deadline, BLOCK_CLOCK_MARGIN_MS)) {
    const detail = 'The transaction was not mined before the deadline of the signed request.';
    return { kind: 'failed', error: { code: RELAY_ERRORS.deadline.code, detail } };
  }
  if (typeof provider === 'object' && provider.state === 'ended') {
    return { kind: 'givenUp', error: notSent('The relayer gave up on the transaction.') };
  }
  if (isOverdue) return { kind: 'givenUp', error: notSent('The transaction was not mined for a long time.') };
  if (typeof provider === 'object') return undefined;
  if (provider === 'silent' || patienceSpent < 1) return undefined;
  const lost = notSent('The relayer does not know the transaction.');
  if (attempt.status === 'unknown' && transaction.providerTransactionId === null) {
    // Never acknowledged, and by now in no list. With nobody left to ask (`gone`) that is likely and no more: it may still be mined.
    return { kind: provider === 'gone' ? 'givenUp' : 'provenUnsent', error: lost };
  }
  return patienceSpent >= ABANDONED_PATIENCE ? { kind: 'givenUp', error: lost } : undefined;
}

/** Back to waiting for a relayer. @param speaksAgainstBatch the next one it goes in is smaller */
async function sendAgain(
  ctx: Context,
  unit: UnitOfWork,
  locked: LockedAttempt,
  event: 'provenUnsent' | 'givenUp' | 'returned',
  error: RelayFailure,
  speaksAgainstBatch = false,
): Promise<void> {
  const { attempt } = locked;
  ctx.log.warn({ attemptId: attempt.id, transactionId: attempt.transactionId, reason: error.detail }, 'will be sent again');
  const mayStillLand = attempt.mayStillLand || event === 'givenUp';
  const batchFailures = attempt.batchFailures + (speaksAgainstBatch ? 1 : 0);
  await changeAttempt(ctx, unit, attempt, event, { facts: { transactionId: null, batchIndex: null, mayStillLand, batchFailures } });
  await noteHash(ctx, unit, locked, null);
  await promiseWork(ctx, unit, [{ queue: 'relay', subjectId: attempt.id }]);
}

async function fail(ctx: Context, unit: UnitOfWork, locked: LockedAttempt, error: RelayFailure): Promise<void> {
  await changeAttempt(ctx, unit, locked.attempt, 'failed', { error });
  await failSubject(ctx, unit, locked, error);
}

type AttemptWork = (unit: UnitOfWork, locked: LockedAttempt) => Promise<void>;

/** Locked with what it is for, in a database transaction of its own. Does nothing when it has ended or left the transaction meanwhile. */
async function withAttempt(ctx: Context, transactionId: string, seen: RelayAttempt, work: AttemptWork): Promise<void> {
  await inUnitOfWork(ctx, async (unit) => {
    const [locked] = await lockWithSubjects(unit, [seen]);
    if (locked?.attempt.transactionId !== transactionId || hasEnded(locked.attempt)) return;
    await work(unit, locked);
  });
}
