import type { Context } from '../../platform/context.ts';
import { inUnitOfWork, type UnitOfWork } from '../../platform/unitOfWork.ts';
import { addMs } from '../../shared/clock.ts';
import { AppError } from '../../shared/errors.ts';
import { CHAIN_ERRORS } from '../chain/errors.ts';
import type { Receipt } from '../chain/ports.ts';
import {
  askChain,
  blockTimeMsOf,
  dataGasOf,
  findSettledTime,
  getChain,
  listKnownBlocks,
} from '../chain/service.ts';
import { DONE, later, laterAfterFailure, type WorkResult } from '../outbox/model.ts';
import { promiseWork } from '../outbox/service.ts';
import type { RelayFailure } from '../payments/eventData.ts';
import { placeMissedEvents } from '../scan/placeMissedEvents.ts';
import { askProvider, type ProviderAnswer } from './confirm/askProvider.ts';
import { listAttemptsOfTransaction, listItemsOfTransaction } from './attempts/attemptStore.ts';
import { changeAttempt, changeAttempts } from './attempts/changeAttempt.ts';
import { changeTransaction } from './attempts/changeTransaction.ts';
import { decideDepthLook } from './attempts/decideNextLook.ts';
import { isSignatureDead } from './attempts/decideTime.ts';
import { endDone, findDoer, type Doer } from './attempts/endDone.ts';
import { endRemoved, leaveRemoved } from './attempts/endRemoved.ts';
import { RELAY_ERRORS } from './errors.ts';
import { findMined, findMinedIfTold, type Mined } from './attempts/findMined.ts';
import { ABANDONED_LOOK_MS, followAbandoned } from './confirm/followAbandoned.ts';
import { judgeReceipt, type Verdict } from './confirm/judgeReceipt.ts';
import type { RelayAttempt, RelayTransaction } from './model.ts';
import { noteWaste } from './confirm/noteWaste.ts';
import { recordProviderTransaction } from './attempts/recordProviderTransaction.ts';
import { shareGas } from './attempts/shareGas.ts';
import {
  askIfDone,
  failPurpose,
  isCompleted,
  isOnChain,
  lockWithPurposes,
  noteHash,
  seeWithPurposes,
  type LockedAttempt,
} from './attempts/purpose.ts';
import { findTransaction } from './attempts/transactionStore.ts';

/**
 * What a relayer had taken and then forgot, or left the configuration with, may still be mined:
 * this many times the usual wait is given to it.
 */
const ABANDONED_PATIENCE = 5;

/**
 * A receipt of a block that is not on the chain: the node that showed it, or the one that was asked
 * for the block, is behind or on a fork.
 */
const CONTRADICTED_LOOK_MS = 15_000;
/**
 * What a receipt shows, the scanner has passed, and could not be applied: there is nothing that
 * another look soon would change.
 */
const MISSED_LOOK_MS = 60_000;

/**
 * Work of the confirm queue: follows one relay transaction until each attempt in it has ended or
 * left it. It decides about attempts only; what the chain shows of payments and refunds is written
 * by the scanner alone, in one place and in chain order.
 *
 *   in a block? → else, known to the provider, by another hash? → deep enough? → the very block
 *   that the chain has there? → each attempt's own outcome,
 *   from the logs
 *
 * Waiting is a new date, never an error.
 */
export async function confirmTransaction(ctx: Context, transactionId: string): Promise<WorkResult> {
  const transaction = await findTransaction(ctx.db, transactionId);
  const attempts = await listAttemptsOfTransaction(ctx.db, transactionId);
  if (transaction === undefined) return DONE;
  const isOver = attempts.every(hasEnded);
  if (isOver && transaction.abandonedAt === null) return DONE;
  const withoutChain = isOver
    ? await leaveRemoved(ctx, transaction)
    : await endRemoved(ctx, attempts);
  if (withoutChain !== undefined) return withoutChain;
  return askChain(ctx, transaction.chainId, () =>
    isOver ? followAbandoned(ctx, transaction) : follow(ctx, transaction, attempts),
  );
}

function hasEnded(attempt: RelayAttempt): boolean {
  return attempt.status === 'succeeded' || attempt.status === 'failed';
}

async function follow(
  ctx: Context,
  seen: RelayTransaction,
  attempts: readonly RelayAttempt[],
): Promise<WorkResult> {
  // The chain first: it is the one whose word counts, and what waits to be deep enough for an hour
  // would use up the provider's rate limit.
  const settledTime = await findSettledTime(ctx.db, seen.chainId);
  // All that could have done it is scanned then: the chain's storage and the scanner's word are
  // enough.
  const isOver = attempts.every(
    (attempt) => hasEnded(attempt) || isSignatureDead(attempt, settledTime),
  );
  const look = isOver ? findMinedIfTold : findMined;
  const mined = await look(ctx, seen);
  if (mined !== undefined && mined.depth.kind !== 'contradicted')
    return followMined(ctx, seen, mined);

  const provider = await askProvider(ctx, seen);
  const isNews =
    typeof provider === 'object' &&
    (seen.providerTransactionId === null ||
      (provider.hash !== null && provider.hash !== seen.hash));
  const transaction = isNews
    ? await inUnitOfWork(ctx, (unit) => recordProviderTransaction(ctx, unit, seen.id, provider))
    : seen;

  const minedMeanwhile = await look(ctx, transaction);
  const isContradicted = minedMeanwhile?.depth.kind === 'contradicted';
  if (minedMeanwhile !== undefined && !isContradicted)
    return followMined(ctx, transaction, minedMeanwhile);
  if (isContradicted) {
    ctx.log.warn(
      logged(transaction, minedMeanwhile.receipt),
      'a receipt names another block than the one on the chain, or nobody who has the head says which it is: nothing is decided by it',
    );
  }
  // Nothing is decided while a node may have left its fork late. Not so once the signature is dead:
  // all that could have done it has been scanned.
  const decidable = isContradicted
    ? attempts.filter((attempt) => isSignatureDead(attempt, settledTime))
    : attempts;
  await returnUnmined(ctx, transaction, decidable);
  const decidableIds = new Set(decidable.map(({ id }) => id));
  const result = await followUnmined(ctx, transaction, { provider, settledTime, decidableIds });
  if (!isContradicted || result.kind !== 'later') return result;
  const failure = new AppError(CHAIN_ERRORS.unavailable, {
    detail:
      'A receipt names another block than the one on the chain, or nobody who has the head says which it is.',
  });
  return laterAfterFailure(addMs(ctx.clock.now(), CONTRADICTED_LOOK_MS), failure);
}

function logged({ chainId }: RelayTransaction, { blockNumber, hash }: Receipt) {
  return { chainId, blockNumber: blockNumber.toString(), txHash: hash };
}

async function followMined(
  ctx: Context,
  transaction: RelayTransaction,
  { receipt, depth }: Mined,
): Promise<WorkResult> {
  await noteReceipt(ctx, transaction, receipt);
  const verdicts =
    depth.kind === 'final'
      ? await judgeReceipt(ctx, transaction, { receipt, block: depth.block })
      : undefined;
  const items = await listItemsOfTransaction(ctx.db, transaction.id);
  const shares = shareGas(transaction, receipt, {
    items,
    dataGasPerRequest: dataGasOf(ctx, transaction.chainId),
  });
  const seen = await seeWithPurposes(
    ctx,
    (await listAttemptsOfTransaction(ctx.db, transaction.id)).filter((one) => !hasEnded(one)),
  );
  const verdictOf = ({ attempt }: LockedAttempt) => verdicts?.get(attempt.id);
  // Most looks find nothing new, and then nothing is locked or written: it is not deep enough yet,
  // or the scanner has not completed what it did.
  const isDone = (one: LockedAttempt) => verdictOf(one) === 'done' && isCompleted(one);
  const going = seen.filter((one) => verdictOf(one) === undefined || verdictOf(one) === 'done');
  await noteMined(ctx, {
    transaction,
    receipt,
    shares,
    attempts: going
      .filter((one) => one.attempt.status !== 'mined' || isDone(one))
      .map(({ attempt }) => attempt),
    isDone,
  });
  for (const one of seen) {
    const { attempt } = one;
    const verdict = verdictOf(one);
    if (verdict === undefined || verdict === 'done') continue;
    const doer = verdict === 'doneElsewhere' ? await findDoer(ctx, attempt) : undefined;
    await withAttempt(ctx, transaction.id, attempt, async (unit, locked) => {
      const isNew = locked.attempt.status !== 'mined';
      const mined = isNew
        ? { ...locked, attempt: await changeAttempt(ctx, unit, locked.attempt, 'mined') }
        : locked;
      await endMined(ctx, unit, mined, {
        transaction,
        receipt,
        gas: shares.get(attempt.id) ?? 0n,
        verdict,
        doer,
      });
    });
  }
  const missed = seen
    .filter((one) => verdicts?.get(one.attempt.id) === 'done' && !isOnChain(one))
    .map(({ attempt }) => attempt);
  const hasNoNews =
    missed.length > 0 && (await placeMissedEvents(ctx, transaction.chainId, receipt)) === 'nothing';
  // It is no news either when the scanner, or another look, came first.
  if (hasNoNews && !(await seeWithPurposes(ctx, missed)).every(isOnChain)) {
    ctx.log.error(
      logged(transaction, receipt),
      'a receipt shows what the scanner has passed without seeing it, and it could not be applied',
    );
    const failure = new Error('what the receipt shows could not be applied');
    return laterAfterFailure(addMs(ctx.clock.now(), MISSED_LOOK_MS), failure);
  }
  return lookAgainWhileOpen(ctx, transaction, depth.kind === 'waiting' ? depth.missingBlocks : 0);
}

/** Where the transaction stands in the chain; written when it is news. */
async function noteReceipt(
  ctx: Context,
  transaction: RelayTransaction,
  receipt: Receipt,
): Promise<void> {
  const { hash, blockNumber, blockHash, gasUsed, effectiveGasPrice } = receipt;
  if (
    transaction.hash === hash &&
    transaction.blockHash === blockHash &&
    transaction.blockNumber === blockNumber
  )
    return;
  await changeTransaction(ctx, transaction.id, {
    hash,
    blockNumber,
    blockHash,
    gasUsed,
    effectiveGasPrice,
  });
}

/**
 * Those that are in a block, and of which nothing speaks against that they did what they were to
 * do: all together in one database transaction. They have succeeded when the scanner has come to
 * the same end, not before: were the block taken away in between, nobody would be left to follow
 * the transaction.
 */
async function noteMined(
  ctx: Context,
  mined: {
    readonly transaction: RelayTransaction;
    readonly receipt: Receipt;
    /** What each is charged of the gas, by attempt id. */
    readonly shares: ReadonlyMap<string, bigint>;
    readonly attempts: readonly RelayAttempt[];
    readonly isDone: (locked: LockedAttempt) => boolean;
  },
): Promise<void> {
  const { transaction, receipt, shares, attempts, isDone } = mined;
  if (attempts.length === 0) return;
  await inUnitOfWork(ctx, async (unit) => {
    const locked = (await lockWithPurposes(unit, attempts)).filter(
      ({ attempt }) => attempt.transactionId === transaction.id && !hasEnded(attempt),
    );
    const arriving = locked
      .filter(({ attempt }) => attempt.status !== 'mined')
      .map(({ attempt }) => attempt);
    const arrived = await changeAttempts(
      ctx,
      unit,
      arriving.map((attempt) => ({ attempt, event: 'mined' })),
    );
    const current = (attempt: RelayAttempt) =>
      arrived.find(({ id }) => id === attempt.id) ?? attempt;
    await changeAttempts(
      ctx,
      unit,
      locked.filter(isDone).map((one) => {
        const attempt = current(one.attempt);
        return {
          attempt,
          event: 'succeeded',
          facts: charge(ctx, attempt, receipt, shares.get(attempt.id) ?? 0n),
        };
      }),
    );
  });
}

/** Its share of what the transaction used. */
function charge(ctx: Context, attempt: RelayAttempt, receipt: Receipt, gas: bigint) {
  return {
    gasUsed: attempt.gasUsed + gas,
    gasCost: attempt.gasCost + gas * receipt.effectiveGasPrice,
    gasChargedAt: ctx.clock.now(),
  };
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
    readonly verdict: Exclude<Verdict, 'done'>;
    readonly doer: Doer | undefined;
  },
): Promise<void> {
  const { attempt } = locked;
  const { transaction, receipt, gas, verdict } = final;
  const charged = { ...locked, attempt: { ...attempt, ...charge(ctx, attempt, receipt, gas) } };
  if (verdict === 'doneElsewhere') {
    await endDone(ctx, unit, charged, final.doer);
    return;
  }
  if (verdict.kind === 'untouched') {
    if (!isOnChain(locked))
      await noteWaste(ctx, unit, attempt, {
        blame: verdict.blame,
        gasCost: gas * receipt.effectiveGasPrice,
      });
    const error = {
      code: RELAY_ERRORS.notSent.code,
      detail: `Transaction ${receipt.hash} was mined without trying it, as others before it.`,
    };
    // Undone as a whole: by its size, or by one of them. In one that ran it was passed over.
    const speaksAgainstBatch = !receipt.succeeded && transaction.items > 1;
    await sendAgain(ctx, unit, charged, 'returned', error, speaksAgainstBatch);
    return;
  }
  if (isOnChain(locked)) {
    await endDone(ctx, unit, charged, final.doer);
    return;
  }
  await noteWaste(ctx, unit, attempt, {
    blame: verdict.blame,
    gasCost: gas * receipt.effectiveGasPrice,
  });
  if (attempt.mayStillLand) await sendAgain(ctx, unit, charged, 'returned', verdict.error);
  else await fail(ctx, unit, charged, verdict.error);
}

/** A reorganisation took the block away: the transaction waits to be mined again. */
async function returnUnmined(
  ctx: Context,
  transaction: RelayTransaction,
  attempts: readonly RelayAttempt[],
): Promise<void> {
  for (const seen of attempts.filter(({ status }) => status === 'mined')) {
    await withAttempt(ctx, transaction.id, seen, async (unit, { attempt }) => {
      if (attempt.status === 'mined') await changeAttempt(ctx, unit, attempt, 'unmined');
    });
  }
}

async function followUnmined(
  ctx: Context,
  transaction: RelayTransaction,
  known: {
    readonly provider: ProviderAnswer;
    readonly settledTime: Date | undefined;
    /** Of the attempts, those that may be decided about. */
    readonly decidableIds: ReadonlySet<string>;
  },
): Promise<WorkResult> {
  const { provider, settledTime, decidableIds } = known;
  const chain = getChain(ctx, transaction.chainId);
  const now = ctx.clock.now();
  const ageMs = now.getTime() - transaction.sentAt.getTime();
  const { unsentAfterMs, resendAfterMs } = ctx.config.relay;
  const attempts = (await listAttemptsOfTransaction(ctx.db, transaction.id)).filter(
    (one) => decidableIds.has(one.id) && !hasEnded(one),
  );
  for (const seen of attempts) {
    const isOverdue = ageMs >= resendAfterMs;
    // A relayer that gives up on a transaction while it is valid has something against it, and
    // against a slow chain nothing that helps.
    const isRefused =
      typeof provider === 'object' &&
      provider.state === 'ended' &&
      !isOverdue &&
      now < transaction.validUntil;
    const end = decideEnd({
      attempt: seen,
      transaction,
      provider,
      patienceSpent: ageMs / unsentAfterMs,
      isOverdue,
      settledTime,
    });
    if (end === undefined) continue;
    // The last word before giving up: somebody may have done it through a transaction that we know
    // nothing of.
    const word = await askIfDone(chain, seen, await listKnownBlocks(ctx, transaction.chainId));
    // Nor of the others, and asking may take a while.
    if (word === 'unknown') break;
    const doer = word === 'done' ? await findDoer(ctx, seen) : undefined;
    await withAttempt(ctx, transaction.id, seen, async (unit, locked) => {
      // The scanner's word may be out of date, but if so it will say: nothing is given up against
      // it.
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
  const isGone =
    provider === 'unknown' ||
    provider === 'gone' ||
    (typeof provider === 'object' && provider.state === 'ended');
  if (next.kind === 'later' || isGone) return next;
  await changeTransaction(ctx, transaction.id, { abandonedAt: now });
  return later(addMs(now, ABANDONED_LOOK_MS));
}

/** @param missingBlocks of a mined one, until it is deep enough */
async function lookAgainWhileOpen(
  ctx: Context,
  transaction: RelayTransaction,
  missingBlocks = 0,
): Promise<WorkResult> {
  const isOpen = (await listAttemptsOfTransaction(ctx.db, transaction.id)).some(
    (attempt) => !hasEnded(attempt),
  );
  return isOpen
    ? later(
        decideDepthLook(ctx.clock.now(), blockTimeMsOf(ctx, transaction.chainId), missingBlocks),
      )
    : DONE;
}

type End = { readonly kind: 'failed' | 'provenUnsent' | 'givenUp'; readonly error: RelayFailure };

/**
 * What is certain about an attempt that is in no block: undefined while nothing is. Sending again
 * cannot do it twice, since the contract takes each payment id and each refund nonce once; it is
 * decided late all the same, for the sake of the gas.
 * @param input.patienceSpent 1 when enough time has passed for anything sent to show up in the
 *   provider's list
 * @param input.settledTime see findSettledTime: what was mined until then, the scanner has told
 * @param input.isOverdue it is in no block although the provider, too, had time to do something
 *   about that
 */
function decideEnd(input: {
  readonly attempt: RelayAttempt;
  readonly transaction: RelayTransaction;
  readonly provider: ProviderAnswer;
  readonly patienceSpent: number;
  readonly isOverdue: boolean;
  readonly settledTime: Date | undefined;
}): End | undefined {
  const { attempt, transaction, provider, patienceSpent, isOverdue, settledTime } = input;
  const notSent = (detail: string): RelayFailure => ({ code: RELAY_ERRORS.notSent.code, detail });
  if (isSignatureDead(attempt, settledTime)) {
    const detail = 'The transaction was not mined before the deadline of the signed request.';
    return { kind: 'failed', error: { code: RELAY_ERRORS.deadline.code, detail } };
  }
  if (typeof provider === 'object' && provider.state === 'ended') {
    return { kind: 'givenUp', error: notSent('The relayer gave up on the transaction.') };
  }
  if (isOverdue)
    return { kind: 'givenUp', error: notSent('The transaction was not mined for a long time.') };
  if (typeof provider === 'object') return undefined;
  if (provider === 'silent' || patienceSpent < 1) return undefined;
  const lost = notSent('The relayer does not know the transaction.');
  if (attempt.status === 'unknown' && transaction.providerTransactionId === null) {
    // Never acknowledged, and by now in no list. With nobody left to ask (`gone`) that is likely
    // and no more: it may still be mined.
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
  ctx.log.warn(
    { attemptId: attempt.id, transactionId: attempt.transactionId, reason: error.detail },
    'will be sent again',
  );
  const mayStillLand = attempt.mayStillLand || event === 'givenUp';
  const batchFailures = attempt.batchFailures + (speaksAgainstBatch ? 1 : 0);
  await changeAttempt(ctx, unit, attempt, event, {
    facts: { transactionId: null, batchIndex: null, mayStillLand, batchFailures },
  });
  await noteHash(ctx, unit, [locked], null);
  await promiseWork(ctx, unit, [{ queue: 'relay', subjectId: attempt.id }]);
}

async function fail(
  ctx: Context,
  unit: UnitOfWork,
  locked: LockedAttempt,
  error: RelayFailure,
): Promise<void> {
  await changeAttempt(ctx, unit, locked.attempt, 'failed', { error });
  await failPurpose(ctx, unit, locked, error);
}

type AttemptWork = (unit: UnitOfWork, locked: LockedAttempt) => Promise<void>;

/**
 * Locked with what it is for, in a database transaction of its own. Does nothing when it has ended
 * or left the transaction meanwhile.
 */
async function withAttempt(
  ctx: Context,
  transactionId: string,
  seen: RelayAttempt,
  work: AttemptWork,
): Promise<void> {
  await inUnitOfWork(ctx, async (unit) => {
    const [locked] = await lockWithPurposes(unit, [seen]);
    if (locked?.attempt.transactionId !== transactionId || hasEnded(locked.attempt)) return;
    await work(unit, locked);
  });
}
