import type { Context } from '../../../platform/context.ts';
import { inTransaction, withRetries } from '../../../platform/db.ts';
import { addMs } from '../../../shared/clock.ts';
import type { ChainPort } from '../../chain/ports.ts';
import { findChainConfig, getChain } from '../../chain/service.ts';
import { findPaymentsById } from '../../payments/service.ts';
import { decideBatchSize } from '../attempts/decideBatchSize.ts';
import {
  claimAttempts,
  listHeads,
  releaseAttempts,
  type Choosing,
  type ClaimedAttempt,
  type Head,
} from '../attempts/dispatchStore.ts';
import { goBehind, standsAsideAgain } from './goBehind.ts';
import { keepClaim } from './keepClaim.ts';
import { leastMsOf } from '../attempts/leastMsOf.ts';
import type { RelayAttempt } from '../model.ts';
import type { RelayItem } from '../../chain/contractModel.ts';

/** An attempt with what it takes to carry it. */
export interface Candidate {
  readonly attempt: RelayAttempt;
  readonly item: RelayItem;
  /** As of the claim: any account may get code after its request was taken on. */
  readonly runsForeignCode: boolean;
}

/**
 * Attempts that nobody else chooses while we simulate them. The claim ends with the work that it is
 * for.
 */
export interface Claim {
  readonly id: string;
  /**
   * In the order of their turns; of one kind: either none of them runs foreign code now, or each
   * does.
   */
  readonly candidates: readonly Candidate[];
  /**
   * Lets an attempt stand aside until then, so that others need not wait behind it; when it does so
   * again, with a later turn (goBehind.ts).
   */
  putAside(attempt: RelayAttempt, until: Date): void;
}

/**
 * No clock is wrong by more: what is claimed or stands aside for longer was marked by one that was,
 * and is free.
 */
const MOST_CLOCK_ERROR_MS = 60_000;

/** How often a claim that got others than the head's kind is filled up. */
const MAX_FILLS = 3;

/**
 * Claims what goes next on the chain of `own`, on whatever rail, as much as one transaction takes,
 * for as long as `work` takes.
 *
 * The claim is a short transaction of its own, and no lock is held while the chain is asked. It is
 * renewed while the work takes its time, and lapses when the process dies. Whoever was held up for
 * longer finds its claim lost, and sends nothing.
 * @param input.isOwnAside whether `own` may be claimed though it stands aside
 * @throws AppError `CHAIN_ERRORS.unavailable`
 */
export async function withClaim<T>(
  ctx: Context,
  input: { readonly own: RelayAttempt; readonly isOwnAside: boolean },
  work: (claim: Claim) => Promise<T>,
): Promise<T> {
  const { own } = input;
  const { claimMs } = ctx.config.relay;
  /**
   * As of each question: between them the chain is asked, which may take longer than a claim lasts.
   */
  const choosing = (): Choosing => {
    const now = ctx.clock.now();
    return {
      chainId: own.chainId,
      now,
      freeAfter: addMs(now, claimMs + MOST_CLOCK_ERROR_MS),
      deadlineAfter: addMs(now, leastMsOf(ctx, own.chainId)),
      ownId: input.isOwnAside ? own.id : null,
    };
  };
  const id = ctx.newId('rlc');
  const held = new Set<string>();
  const claimed: { readonly attempt: ClaimedAttempt; readonly isAgain: boolean }[] = [];
  const aside = new Map<string, Date>();
  const endRenewals = keepClaim(ctx, id, held);
  try {
    const candidates = await claimNext();
    return await work({
      id,
      candidates,
      putAside: (attempt, until) => void aside.set(attempt.id, until),
    });
  } finally {
    await endRenewals();
    // What is not released is free again when its claim has lapsed: no reason to fail what the work
    // has come to.
    await release().catch((error: unknown) =>
      ctx.log.warn({ err: error, claimId: id }, 'a claim could not be released'),
    );
  }

  async function claimNext(): Promise<readonly Candidate[]> {
    for (const head of await listHeads(ctx.db, choosing())) {
      const candidates = await claimKind(head);
      // Whoever claimed the first ones a moment ago leaves the next rail to us.
      if (candidates.length > 0) return candidates;
    }
    return [];
  }

  /**
   * Of the claimed ones those that are as the first, and as many as fit; the others are free again
   * at once.
   */
  async function claimKind(head: Head): Promise<readonly Candidate[]> {
    const chain = getChain(ctx, own.chainId);
    const limit = decideBatchSize(
      findChainConfig(ctx, own.chainId)?.relayLimits.maxBatchSize ?? 1,
      head.batchFailures,
    );
    const chosen: Candidate[] = [];
    let runsForeignCode: boolean | undefined;
    for (let fills = 0; fills < MAX_FILLS && chosen.length < limit; fills++) {
      const wanted = limit - chosen.length;
      const claimedAt = ctx.clock.now();
      const attempts = await inTransaction(ctx.db, (trx) =>
        claimAttempts(trx, {
          ...choosing(),
          head,
          limit: wanted,
          claimId: id,
          lapsesAt: addMs(claimedAt, claimMs),
        }),
      );
      for (const attempt of attempts) {
        held.add(attempt.id);
        claimed.push({ attempt, isAgain: standsAsideAgain(attempt, claimedAt) });
      }
      const candidates = await toCandidates(ctx, chain, attempts);
      runsForeignCode ??= candidates[0]?.runsForeignCode;
      chosen.push(
        ...candidates.filter((candidate) => candidate.runsForeignCode === runsForeignCode),
      );
      if (attempts.length < wanted) break;
    }
    const chosenIds = new Set(chosen.map(({ attempt }) => attempt.id));
    const others = claimed
      .filter(({ attempt }) => held.has(attempt.id) && !chosenIds.has(attempt.id))
      .map(({ attempt }) => attempt);
    await releaseByDate(others.map((attempt) => [attempt.id, attempt.asideUntil]));
    for (const attempt of others) held.delete(attempt.id);
    return chosen;
  }

  async function release(): Promise<void> {
    const left = claimed.filter(({ attempt }) => held.has(attempt.id));
    const first = left.reduce<bigint | undefined>(
      (least, { attempt: { turn } }) => (least === undefined || turn < least ? turn : least),
      undefined,
    );
    if (first === undefined) return;
    const again = left
      .filter(({ attempt, isAgain }) => isAgain && aside.has(attempt.id))
      .map(({ attempt }) => attempt);
    const moved = await goBehind(ctx, {
      chainId: own.chainId,
      claimId: id,
      first,
      attempts: again,
    });
    await releaseByDate(
      left.map(({ attempt }) => {
        if (moved.has(attempt.id)) return [attempt.id, null];
        // Whom nothing was found about is as it was before.
        return [attempt.id, aside.get(attempt.id) ?? attempt.asideUntil];
      }),
    );
  }

  /**
   * @param attempts each with the date until which it stands aside; null: it may be chosen at once
   */
  async function releaseByDate(
    attempts: readonly (readonly [attemptId: string, until: Date | null])[],
  ): Promise<void> {
    const byDate = new Map<number | null, string[]>();
    for (const [attemptId, until] of attempts) {
      const key = until?.getTime() ?? null;
      byDate.set(key, [...(byDate.get(key) ?? []), attemptId]);
    }
    for (const [until, ids] of byDate) {
      await withRetries(() =>
        releaseAttempts(ctx.db, id, ids, until === null ? null : new Date(until)),
      );
    }
  }
}

async function toCandidates(
  ctx: Context,
  chain: ChainPort,
  attempts: readonly RelayAttempt[],
): Promise<Candidate[]> {
  const payments = await findPaymentsById(ctx, [
    ...new Set(attempts.map(({ paymentId }) => paymentId)),
  ]);
  const carried = attempts.flatMap((attempt) => {
    const payment = payments.find(({ id }) => id === attempt.paymentId);
    if (payment === undefined) return [];
    const { signed, signature, permit, paymentId } = attempt;
    return [{ attempt, item: { signed, signature, permit, paymentId, terms: payment.terms } }];
  });
  return Promise.all(
    carried.map(async (one) => ({
      ...one,
      runsForeignCode: await chain.runsForeignCode(one.item),
    })),
  );
}
