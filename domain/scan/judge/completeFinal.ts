import type { ChainConfig } from '../../../platform/config.ts';
import type { Context } from '../../../platform/context.ts';
import { inUnitOfWork, type UnitOfWork } from '../../../platform/unitOfWork.ts';
import { createIntake } from '../../../shared/createIntake.ts';
import type { AppError } from '../../../shared/errors.ts';
import type { Bytes32 } from '../../../shared/hex.ts';
import { tryAll } from '../../../shared/tryAll.ts';
import type { Block, ChainPort, SeenEvent } from '../../chain/ports.ts';
import { holdCursor } from '../../chain/store.ts';
import { completeRefunds, listRefundsToComplete } from '../../refunds/service.ts';
import { changePayments } from '../../payments/changePayments.ts';
import { isFinal, lastFinalBlock, type ChainView } from '../../chain/decide.ts';
import { judgePlaces, scanReplacedAgain, type Verdict } from './judgePlaces.ts';
import { takeAgreed, withoutDisputed } from './takeAgreed.ts';
import {
  FIRST_IN_BLOCKS,
  listFinalPayments,
  lockPayments,
  type PaymentPlace,
} from '../../payments/store.ts';

/** Payments completed by one transaction, and how many of these at once: see applyScan.ts. */
const COMPLETION_BATCH = 500;
const COMPLETIONS_AT_ONCE = 3;

/** Before all others. */
const FIRST_REFUND = { blockNumber: 0n, refundId: '' };

/** What is completed by one head. */
interface Pass {
  readonly config: ChainConfig;
  /**
   * Of the cursor. When the scan was moved back since, the head may be one that is not there any
   * more: see completeUnderCursor.
   */
  readonly generation: number;
  readonly view: ChainView;
  readonly head: Block;
  /** The newest one that is final. */
  readonly maxBlock: bigint;
}

/**
 * The one place where money begins to count as received: payments and refunds whose event is deep
 * enough, whose block is on the chain when it is looked at once more, and that more of the RPC URLs
 * show as final than do not.
 * @returns false when an event's block is not on the chain: the scan was moved back to it
 * @throws AppError `CHAIN_ERRORS.unavailable` when nobody answers for the block of one; the others
 *   were completed
 */
export async function completeFinal(
  ctx: Context,
  chain: ChainPort,
  config: ChainConfig,
  { head, generation }: { readonly head: Block; readonly generation: number },
): Promise<boolean> {
  const view = { head: head.number, finalized: await findFinalized(ctx, chain, config, head) };
  const maxBlock = lastFinalBlock(view, config.confirmations);
  if (maxBlock === undefined || maxBlock < 0n) return true;
  const pass = { config, generation, view, head, maxBlock };
  let isStanding = true;
  await tryAll(
    [completeFinalRefunds, completeFinalPayments],
    async (complete) => {
      if (!(await complete(ctx, chain, pass))) isStanding = false;
    },
    { atOnce: 1 },
  );
  return isStanding;
}

/** undefined: it does not matter now, and the chain was not asked. */
async function findFinalized(
  ctx: Context,
  chain: ChainPort,
  config: ChainConfig,
  head: Block,
): Promise<bigint | undefined> {
  if (config.confirmations !== 'finalized') return undefined;
  const { chainId } = config;
  const isAnyoneWaiting =
    (
      await listFinalPayments(ctx.db, chainId, {
        maxBlock: head.number,
        after: FIRST_IN_BLOCKS,
        limit: 1,
      })
    ).length > 0 ||
    (
      await listRefundsToComplete(ctx, chainId, {
        maxBlock: head.number,
        after: FIRST_REFUND,
        limit: 1,
      })
    ).length > 0;
  return isAnyoneWaiting ? chain.getFinalizedNumber() : undefined;
}

async function completeFinalPayments(ctx: Context, chain: ChainPort, pass: Pass): Promise<boolean> {
  const { config, generation, maxBlock } = pass;
  const { chainId } = config;
  const limit = COMPLETIONS_AT_ONCE * COMPLETION_BATCH;
  let after = FIRST_IN_BLOCKS;
  let failure: AppError | undefined;
  for (;;) {
    const candidates = await listFinalPayments(ctx.db, chainId, { maxBlock, after, limit });
    const judged = await judgeFinal(ctx, chain, candidates, {
      head: pass.head,
      atOnce: COMPLETIONS_AT_ONCE,
      complete: (standing) =>
        completeUnderCursor(ctx, pass, standing, (unit, final, head) =>
          completePayments(ctx, unit, { final, head }),
        ),
    });
    const { replaced } = judged;
    if (replaced.length > 0) {
      await scanReplacedAgain(ctx, { chainId, generation }, replaced, {
        paymentIds: replaced.map(({ paymentId }) => paymentId),
      });
      return false;
    }
    failure ??= judged.failure;
    const last = candidates.at(-1);
    if (last === undefined || candidates.length < limit || judged.isSilent) break;
    after = last;
  }
  if (failure !== undefined) throw failure;
  return true;
}

/** What became of a page of events. */
interface Judged<Event> {
  /** Their block is not on the chain. */
  readonly replaced: readonly Event[];
  /** Nobody answered for some of them. */
  readonly failure: AppError | undefined;
  /** Nobody answered for any of them. */
  readonly isSilent: boolean;
}

/**
 * Asks for the blocks of events once more, and, where several RPC URLs are configured, all of these
 * for the events. Some are completed while others are asked about still: an RPC URL may be slow.
 * What neither stands nor was replaced, since a node lags or the URLs do not agree, waits for a
 * later scan. The newest come first: it is old blocks that nobody may have any more.
 */
async function judgeFinal<Event extends SeenEvent>(
  ctx: Context,
  chain: ChainPort,
  candidates: readonly Event[],
  judging: {
    readonly head: Block;
    readonly atOnce: number;
    readonly complete: (standing: readonly Event[]) => Promise<void>;
  },
): Promise<Judged<Event>> {
  const { head, atOnce, complete } = judging;
  const due = withoutDisputed(ctx, chain.chainId, candidates);
  const { verdicts, failure } = await judgePlaces(chain, head, [...due].reverse());
  const judgedAs = (verdict: Verdict) =>
    due.filter(({ blockHash }) => verdicts.get(blockHash) === verdict);
  const completions = createIntake({ batchSize: COMPLETION_BATCH, atOnce, work: complete });
  try {
    await takeAgreed(ctx, chain, judgedAs('stands'), completions.add);
  } finally {
    await completions.end();
  }
  const isSilent = due.length > 0 && judgedAs('unheard').length === due.length;
  return { replaced: judgedAs('replaced'), failure, isSilent };
}

/**
 * Completes those that are final still, while nobody moves the scan back. When it was moved back
 * since, only what was scanned again by now is a measure of how deep they are.
 */
async function completeUnderCursor<Event extends SeenEvent>(
  ctx: Context,
  { config, generation, view }: Pass,
  standing: readonly Event[],
  complete: (unit: UnitOfWork, final: readonly Event[], head: bigint) => Promise<unknown>,
): Promise<void> {
  await inUnitOfWork(ctx, async (unit) => {
    const cursor = await holdCursor(unit.trx, config.chainId);
    if (cursor === undefined) return;
    const scanned = cursor.nextBlock - 1n;
    const head = cursor.generation === generation || view.head < scanned ? view.head : scanned;
    const final = standing.filter(
      (event) =>
        event.blockNumber <= head && isFinal(event, { ...view, head }, config.confirmations),
    );
    if (final.length > 0) await complete(unit, final, head);
  });
}

/** Completes those whose event still is where it was judged. */
async function completePayments(
  ctx: Context,
  unit: UnitOfWork,
  { final, head }: { readonly final: readonly PaymentPlace[]; readonly head: bigint },
): Promise<void> {
  const judged = new Map<Bytes32, Bytes32>(
    final.map(({ paymentId, blockHash }) => [paymentId, blockHash]),
  );
  const payments = (await lockPayments(unit.trx, [...judged.keys()])).filter(
    ({ id, status, position }) =>
      status === 'processing' && position !== null && position.blockHash === judged.get(id),
  );
  const facts = { completedAt: ctx.clock.now(), relayAttemptId: null };
  await changePayments(
    ctx,
    unit,
    payments.map((payment) => ({ payment, transitions: ['eventFinal'], facts, head })),
  );
}

async function completeFinalRefunds(ctx: Context, chain: ChainPort, pass: Pass): Promise<boolean> {
  const { generation, maxBlock } = pass;
  const { chainId } = pass.config;
  let after = FIRST_REFUND;
  let failure: AppError | undefined;
  for (;;) {
    const candidates = await listRefundsToComplete(ctx, chainId, {
      maxBlock,
      after,
      limit: COMPLETION_BATCH,
    });
    const judged = await judgeFinal(ctx, chain, candidates, {
      head: pass.head,
      atOnce: 1,
      complete: (standing) =>
        completeUnderCursor(ctx, pass, standing, (unit, final) =>
          completeRefunds(ctx, unit, final),
        ),
    });
    const { replaced } = judged;
    if (replaced.length > 0) {
      await scanReplacedAgain(ctx, { chainId, generation }, replaced, {
        refundIds: replaced.map(({ refundId }) => refundId),
      });
      return false;
    }
    failure ??= judged.failure;
    const last = candidates.at(-1);
    if (last === undefined || candidates.length < COMPLETION_BATCH || judged.isSilent) break;
    after = last;
  }
  if (failure !== undefined) throw failure;
  return true;
}
