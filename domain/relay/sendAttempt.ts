import type { Context } from '../../platform/context.ts';
import { inUnitOfWork } from '../../platform/unitOfWork.ts';
import { createOneWhileBusy } from '../../shared/oneWhileBusy.ts';
import { addMs, BLOCK_CLOCK_MARGIN_MS } from '../../shared/clock.ts';
import { createLanes } from '../../shared/lanes.ts';
import { askChain, blockTimeMsOf, findSettledTime, getChain } from '../chain/service.ts';
import { DONE, later, laterUntried, type WorkResult } from '../outbox/model.ts';
import { promiseWork } from '../outbox/service.ts';
import { decideExpiryLook } from '../payments/decide.ts';
import type { RelayFailure } from '../payments/eventData.ts';
import { findPaymentsById } from '../payments/service.ts';
import { findAttempt, listAttemptsOfTransaction } from './attempts/attemptStore.ts';
import { changeAttempt } from './attempts/changeAttempt.ts';
import { chooseBatch, estimateAgain } from './send/chooseBatch.ts';
import { decideNextLook } from './attempts/decideNextLook.ts';
import { MAX_SENDS } from './attempts/decideBatchSize.ts';
import { isSignatureDead, isTooLate } from './attempts/decideTime.ts';
import { dropWasteful } from './send/dropWasteful.ts';
import { endAllRefused, untilEnded, type Refused } from './send/endAllRefused.ts';
import { endRemoved } from './attempts/endRemoved.ts';
import { RELAY_ERRORS } from './errors.ts';
import type { RelayAttempt, RelayTransaction } from './model.ts';
import { forgetRefusal, hearTooEarly, wasTooEarly } from './send/heardRefusals.ts';
import { findColliding } from './send/permitTurns.ts';
import { findFreeRelayer } from '../relayers/findFreeRelayer.ts';
import { noteSend } from '../relayers/noteSend.ts';
import type { SendOutcome } from '../relayers/ports.ts';
import { saveIntent } from './send/saveIntent.ts';
import { saveOutcome } from './send/saveOutcome.ts';
import { decideNextTry, mayLeaveToOthers, spreadMs } from './send/nextTry.ts';
import { isCompleted, lockWithPurposes, seeWithPurposes } from './attempts/purpose.ts';
import { withClaim, type Claim } from './send/withClaim.ts';
import { readRelayerLoads } from './readRelayerLoads.ts';

/**
 * One choice of a batch at a time for each chain and rail in this process. Claims would keep two of
 * them apart; but what arrives while one is chosen goes together in the next, rather than each in a
 * small transaction of its own.
 */
const lanes = createLanes();

/**
 * Of all chains and rails: while the processor is busy, the first batch is ready long before the
 * last, and what was sent before goes on meanwhile.
 */
const preparing = createOneWhileBusy();

/** Looks at what waits behind those that cannot go now, before the job leaves it to others. */
const MAX_LOOKS = 3;

/**
 * When attempts drop out again and again between estimate and save, the rest is left to the next
 * look.
 */
const MAX_ESTIMATES = 3;

/**
 * Work of the relay queue: hands those whose turn it is, at best with the attempt whose job this is
 * among them, to a relayer in one transaction.
 *
 *   claim → choose the batch, simulated and estimated → save the intent to send exactly that
 *   (attempts `submitting`) → send → save what came of it
 *
 * A crash before the first save leaves a claim, which lapses. A crash between the two saves leaves
 * the attempts `submitting`. Whoever finds one so must not send again: they become `unknown`, and
 * the confirm queue finds out from the chain and the provider's list.
 */
export async function sendAttempt(ctx: Context, attemptId: string): Promise<WorkResult> {
  const seen = await findAttempt(ctx.db, attemptId);
  if (seen?.status === 'submitting') return resolveInterruptedSend(ctx, seen);
  if (seen?.status !== 'queued') return DONE;
  const { chainId } = seen;
  const withoutChain = await endRemoved(ctx, [seen]);
  if (withoutChain !== undefined) return withoutChain;
  const untilDead = await waitUntilDead(ctx, seen);
  if (untilDead !== undefined) return untilDead;
  const lane = `${chainId}:${seen.signed.rail}`;
  // Whoever waits there already takes along who is first. More that wait would only keep the
  // workers' places, and be of no use when their time comes.
  if (lanes.countWaiting(lane) > 0 && mayLeaveToOthers(ctx, seen))
    return laterUntried(await findNextTry(ctx, seen, 0));
  // The workers' places are for all chains: one that does not answer must not take them all.
  return askChain(ctx, chainId, async (hasFailed) => {
    const taken = await lanes.run(lane, () =>
      preparing.run(async () =>
        hasFailed() ? nothing(laterUntried(findNextLook(ctx, seen))) : takeBatch(ctx, seen),
      ),
    );
    const result =
      taken.transaction === undefined
        ? taken.result
        : await send(ctx, taken.transaction, attemptId);
    return (await endAllRefused(ctx, taken.refused, attemptId)) ?? result;
  });
}

/**
 * One that cannot be sent any more, while a transaction that was given up may still do it, waits
 * for the chain's clock, which may take a quarter of an hour. It does not ask the chain meanwhile:
 * there may be many of them after an outage, in places that others need.
 * @returns undefined: it goes on, since it can be sent or it can end
 */
async function waitUntilDead(ctx: Context, attempt: RelayAttempt): Promise<WorkResult | undefined> {
  const { chainId, deadline } = attempt;
  if (!attempt.mayStillLand || !(isTooLateNow(ctx, attempt) || attempt.sends >= MAX_SENDS))
    return undefined;
  const settledTime = await findSettledTime(ctx.db, chainId);
  if (isSignatureDead(attempt, settledTime)) return undefined;
  const [withPurpose] = await seeWithPurposes(ctx, [attempt]);
  if (withPurpose === undefined || isCompleted(withPurpose)) return undefined;
  const expiresAt = addMs(deadline, BLOCK_CLOCK_MARGIN_MS);
  return later(
    decideExpiryLook({
      now: ctx.clock.now(),
      expiresAt,
      settledTime,
      blockTimeMs: blockTimeMsOf(ctx, chainId),
    }),
  );
}

function isTooLateNow(ctx: Context, attempt: RelayAttempt): boolean {
  return isTooLate(attempt, ctx.clock.now(), blockTimeMsOf(ctx, attempt.chainId));
}

/** What came of choosing a batch. */
interface Taken {
  /** It is saved, and is to be sent now. */
  readonly transaction?: RelayTransaction;
  /**
   * What becomes of the work, when there is no transaction and its own attempt is not among the
   * refused ones.
   */
  readonly result: WorkResult;
  /** They are to be ended. */
  readonly refused: readonly Refused[];
}

function nothing(result: WorkResult): Taken {
  return { result, refused: [] };
}

/** It takes some questions to the chain, for which nobody who can be sent should wait. */
function endOwn(attempt: RelayAttempt, error: RelayFailure): Taken {
  return { result: DONE, refused: [{ attempt, error, isSure: true }] };
}

async function takeBatch(ctx: Context, seen: RelayAttempt): Promise<Taken> {
  // While this waited for its lane, another batch may have taken it along.
  const own = await findAttempt(ctx.db, seen.id);
  if (own?.status === 'submitting') return nothing(await resolveInterruptedSend(ctx, own));
  if (own?.status !== 'queued') return nothing(DONE);
  if (isTooLateNow(ctx, own)) {
    return endOwn(own, { code: RELAY_ERRORS.deadline.code, detail: await explainDelay(ctx, own) });
  }
  if (own.sends >= MAX_SENDS) {
    return endOwn(own, {
      code: RELAY_ERRORS.notSent.code,
      detail: `${own.sends} transactions came to nothing.`,
    });
  }
  // Before the chain is asked: under load most looks end here.
  const free = await findFreeRelayer(ctx, readRelayerLoads, own.chainId);
  if ('waitMs' in free) return nothing(laterUntried(await findNextTry(ctx, own, free.waitMs)));

  const refused: Refused[] = [];
  let hasClaimed = false;
  for (let looks = 1; ; looks++) {
    const look = await withClaim(ctx, { own, isOwnAside: looks === 1 }, (claim) => {
      hasClaimed ||= claim.candidates.length > 0;
      return takeClaimed(ctx, own, claim);
    });
    refused.push(...look.refused);
    if (look.transaction !== undefined)
      return { transaction: look.transaction, result: DONE, refused };
    if (look.waitMs !== undefined)
      return { result: later(await findNextTry(ctx, own, look.waitMs)), refused };
    if (look.ownUntil !== undefined) return { result: later(look.ownUntil), refused };
    const isOwnRefused = refused.some(({ attempt }) => attempt.id === own.id);
    // It waits for a request that goes before it, or for the outcome of one that it would collide
    // with; or others have their turns first.
    if (isOwnRefused || !look.hasMore || looks >= MAX_LOOKS) {
      const at = findNextLook(ctx, own);
      return { result: hasClaimed ? later(at) : laterUntried(at), refused };
    }
  }
}

async function explainDelay(ctx: Context, own: RelayAttempt): Promise<string> {
  const [payment] = await findPaymentsById(ctx, [own.paymentId]);
  const isColliding =
    payment !== undefined &&
    (await findColliding(ctx, ctx.db, [{ attempt: own, item: payment }])).size > 0;
  if (wasTooEarly(ctx, own.id))
    return 'Until its deadline no earlier permit of the account was taken, which its own permit comes after.';
  if (!isColliding) return 'No relayer could send it before its deadline.';
  return 'Until its deadline another request of the same account and token was on its way, whose outcome decides whether the permit is good.';
}

/** What came of one claim. */
interface Look {
  readonly transaction?: RelayTransaction;
  /** No relayer was free any more: how long until one may be. */
  readonly waitMs?: number;
  readonly refused: readonly Refused[];
  /** The job's own attempt has to wait until then for what its signer, payment or store wasted. */
  readonly ownUntil?: Date | undefined;
  /** Some of the claimed ones stand aside now, so that others may come before. */
  readonly hasMore: boolean;
}

async function takeClaimed(ctx: Context, own: RelayAttempt, claim: Claim): Promise<Look> {
  if (claim.candidates.length === 0) return { refused: [], hasMore: false };
  const { welcome, refused: wasteful, ownUntil } = await dropWasteful(ctx, own, claim);
  const chain = getChain(ctx, own.chainId);
  const batch = await chooseBatch(ctx, chain, welcome);
  const nextLook = decideNextLook(ctx.clock.now(), blockTimeMsOf(ctx, own.chainId));
  for (const attempt of [...batch.aside, ...batch.early]) claim.putAside(attempt, nextLook);
  for (const { id } of batch.early) hearTooEarly(ctx, id);
  const refused = [...wasteful, ...batch.fail];
  for (const { attempt } of refused) claim.putAside(attempt, untilEnded(ctx));
  const dropped = claim.candidates.length - welcome.length;
  const hasMore = dropped + batch.aside.length + batch.early.length + batch.fail.length > 0;
  for (const { attempt } of batch.estimated?.send ?? []) forgetRefusal(ctx, attempt.id);
  let { estimated } = batch;
  for (let estimates = 1; estimated !== null && estimates <= MAX_ESTIMATES; estimates++) {
    const saved = await saveIntent(ctx, { claimId: claim.id, estimated, own });
    if (saved.kind === 'saved') return { transaction: saved.transaction, refused, hasMore };
    if (saved.kind === 'noRelayer') return { waitMs: saved.waitMs, refused, hasMore };
    estimated = await estimateAgain(chain, saved.left);
  }
  return { refused, ownUntil, hasMore };
}

function findNextLook(ctx: Context, attempt: RelayAttempt): Date {
  return decideNextLook(ctx.clock.now(), blockTimeMsOf(ctx, attempt.chainId));
}

/** Of one that waits for a relayer, or leaves it to others to take it along. */
async function findNextTry(ctx: Context, own: RelayAttempt, waitMs: number): Promise<Date> {
  const now = ctx.clock.now();
  return addMs(
    now,
    decideNextTry(ctx, own, { now, waitMs, spreadMs: await spreadMs(ctx, ctx.db, own.chainId) }),
  );
}

async function send(
  ctx: Context,
  transaction: RelayTransaction,
  leaderId: string,
): Promise<WorkResult> {
  const relayer = ctx.relayers.get(transaction.relayerId);
  if (relayer === undefined)
    throw new Error(`relayer ${transaction.relayerId} is configured and not there`);
  // After so long a stop others may have taken this for interrupted, and have looked in vain for
  // what would be sent now.
  const wasHeldUp = ctx.clock.now() >= addMs(transaction.sentAt, ctx.config.relay.timeoutMs);
  const outcome: SendOutcome = wasHeldUp
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
  if (!wasHeldUp) await noteSend(ctx, relayer.id, outcome);
  return result;
}

/** Another worker saved the intent to send, and we do not know whether it came to sending. */
async function resolveInterruptedSend(ctx: Context, seen: RelayAttempt): Promise<WorkResult> {
  // While that worker may still be waiting for the provider's answer, its own bookkeeping is the
  // better one.
  const mayStillBeSending = addMs(seen.updatedAt, 2 * ctx.config.relay.timeoutMs);
  if (ctx.clock.now() < mayStillBeSending) return later(mayStillBeSending);
  const { transactionId } = seen;
  if (transactionId === null)
    throw new Error(`relay attempt ${seen.id} is being sent in no transaction`);
  await inUnitOfWork(ctx, async (unit) => {
    const carried = await lockWithPurposes(
      unit,
      await listAttemptsOfTransaction(unit.trx, transactionId),
    );
    const inDoubt = carried.filter(
      ({ attempt }) => attempt.status === 'submitting' && attempt.transactionId === transactionId,
    );
    for (const { attempt } of inDoubt) await changeAttempt(ctx, unit, attempt, 'ambiguous');
    if (inDoubt.length > 0)
      await promiseWork(ctx, unit, [{ queue: 'confirm', subjectId: transactionId }]);
  });
  return DONE;
}
