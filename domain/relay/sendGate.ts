import type { Context } from '../../platform/context.ts';
import type { Transaction } from '../../platform/db.ts';
import { blockTimeMsOf, findChainConfig } from '../chain/service.ts';
import type { DueWork, NotAdmitted, OutboxGate } from '../outbox/service.ts';
import { MAX_SENDS } from './attempts/decideBatchSize.ts';
import { isTooLate } from './attempts/decideTime.ts';
import { listWaiting, type WaitingAttempt } from './attempts/dispatchStore.ts';
import { findFreeRelayer } from '../relayers/findFreeRelayer.ts';
import { decideNextTry, mayLeaveToOthers, spreadMs } from './send/nextTry.ts';
import { readRelayerLoads } from './readRelayerLoads.ts';

/** Jobs for one chain from one look at the outbox: as many as a process works on at once. */
const MOST_JOBS = 10;
/**
 * Those that come to their end on a chain of which nobody can say what it shows would take all
 * places of the workers.
 */
const ENDING_DELAY_MS = 1_000;
const ENDING_SPREAD_MS = 2_000;

/**
 * Which relay attempts may be put on their queue now. Each job takes whoever is first along, a
 * whole batch of them. So of those that wait it takes as many jobs as there are batches, and none
 * while no relayer is free: a long queue costs a look at the outbox now and then, and its jobs are
 * not before others'.
 *
 * What does not wait any more goes on, and what cannot be sent any more, some at a time:
 * sendAttempt.ts sees what becomes of it.
 * @returns by attempt id, those that wait in the outbox
 */
async function admitSends(
  ctx: Context,
  trx: Transaction,
  work: readonly DueWork[],
): Promise<Map<string, NotAdmitted>> {
  const now = ctx.clock.now();
  const byChain = new Map<number, WaitingAttempt[]>();
  const waiting = await listWaiting(
    trx,
    work.map(({ subjectId }) => subjectId),
  );
  for (const attempt of waiting)
    byChain.set(attempt.chainId, [...(byChain.get(attempt.chainId) ?? []), attempt]);
  const putOff = new Map<string, NotAdmitted>();
  for (const [chainId, attempts] of byChain) {
    const batchSize = findChainConfig(ctx, chainId)?.relayLimits.maxBatchSize;
    // sendAttempt.ts ends what was for a chain that is not configured any more.
    if (batchSize === undefined) continue;
    const blockTimeMs = blockTimeMsOf(ctx, chainId);
    const isEnding = (attempt: WaitingAttempt) =>
      attempt.sends >= MAX_SENDS || isTooLate(attempt, now, blockTimeMs);
    for (const { id } of attempts.filter(isEnding).slice(MOST_JOBS)) {
      putOff.set(id, { delayMs: Math.ceil(ENDING_DELAY_MS + ctx.random() * ENDING_SPREAD_MS) });
    }
    // Those that nobody else takes along first.
    const sendable = attempts
      .filter((attempt) => !isEnding(attempt))
      .sort((a, b) => a.deadline.getTime() - b.deadline.getTime());
    if (sendable.length === 0) continue;
    // In the transaction: a second connection could be had by nobody who waits for the rows that
    // this one has locked.
    const free = await findFreeRelayer(ctx, readRelayerLoads, chainId, trx);
    const batches =
      Math.ceil(sendable.length / batchSize) +
      sendable.filter((attempt) => !mayLeaveToOthers(ctx, attempt)).length;
    const jobs = 'waitMs' in free ? 0 : Math.min(MOST_JOBS, batches);
    if (jobs >= sendable.length) continue;
    const waitMs = 'waitMs' in free ? free.waitMs : 0;
    const spread = await spreadMs(ctx, trx, chainId);
    for (const attempt of sendable.slice(jobs)) {
      putOff.set(attempt.id, {
        delayMs: decideNextTry(ctx, attempt, { now, waitMs, spreadMs: spread }),
      });
    }
  }
  return putOff;
}

/**
 * See OutboxGate. Who is let in takes nothing that others could want, and may wait for its turn on
 * its queue.
 */
export const SEND_GATE: OutboxGate = { admit: admitSends, isPrompt: false };
