import type { Context } from '../../../platform/context.ts';
import { inUnitOfWork, type UnitOfWork } from '../../../platform/unitOfWork.ts';
import { addMs } from '../../../shared/clock.ts';
import type { Receipt } from '../../chain/ports.ts';
import { dataGasOf } from '../../chain/service.ts';
import { laterAfterFailure, type WorkResult } from '../../outbox/model.ts';
import { placeMissedEvents } from '../../scan/placeMissedEvents.ts';
import { listAttemptsOfTransaction, listItemsOfTransaction } from '../attempts/attemptStore.ts';
import { changeAttempt, changeAttempts } from '../attempts/changeAttempt.ts';
import { changeTransaction } from '../attempts/changeTransaction.ts';
import { type Doer, endDone, findDoer } from '../attempts/endDone.ts';
import type { Mined } from '../attempts/findMined.ts';
import {
  isCompleted,
  isOnChain,
  type LockedAttempt,
  lockWithPurposes,
  seeWithPurposes,
} from '../attempts/purpose.ts';
import { shareGas } from '../attempts/shareGas.ts';
import { RELAY_ERRORS } from '../errors.ts';
import type { RelayAttempt, RelayTransaction } from '../model.ts';
import { failAttempt } from './failAttempt.ts';
import { judgeReceipt, type Verdict } from './judgeReceipt.ts';
import { lookAgainWhileOpen } from './lookAgainWhileOpen.ts';
import { noteWaste } from './noteWaste.ts';
import { sendAgain } from './sendAgain.ts';
import { hasEnded, withAttempt } from './withAttempt.ts';

/**
 * What a receipt shows, the scanner has passed, and could not be applied: there is nothing that
 * another look soon would change.
 */
const MISSED_LOOK_MS = 60_000;

export function logged({ chainId }: RelayTransaction, { blockNumber, hash }: Receipt) {
  return { chainId, blockNumber: blockNumber.toString(), txHash: hash };
}

export async function followMined(
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
  else await failAttempt(ctx, unit, charged, verdict.error);
}
