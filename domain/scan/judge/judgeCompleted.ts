import type { ChainConfig } from '../../../platform/config.ts';
import type { Context } from '../../../platform/context.ts';
import type { Block, ChainPort, SeenEvent } from '../../chain/ports.ts';
import { listCompletedRefundsFrom } from '../../refunds/service.ts';
import { REORG_WINDOW_BLOCKS } from '../follow/findScanStart.ts';
import { judgePlaces, scanReplacedAgain, type Place } from './judgePlaces.ts';
import { listContradicted } from './takeAgreed.ts';
import { listCompletedFrom } from '../../payments/store.ts';

/** How often a process looks. */
const LOOK_INTERVAL_MS = 15_000;
/** How often every block should be looked at while it is within the window. */
const LOOKS_IN_WINDOW = 2;
const MIN_BLOCKS = 8;
/** As many headers in one look, however short the blocks are. */
const MAX_BLOCKS = 128;
/** Payments (and refunds) of which a look reads the blocks. */
const MAX_ROWS = 1_000;

interface Round {
  nextLookAt: number;
  payments: { readonly blockNumber: bigint; readonly seq: bigint };
  refunds: { readonly blockNumber: bigint; readonly refundId: string };
}

/** By process: where its round through the window has come to. Another process makes its own. */
const rounds = new WeakMap<Context['db'], Map<number, Round>>();

/**
 * Whether it is time for a look, which is taken with that: a look that is not made says nothing of
 * one that failed.
 */
export function takeLookAtCompleted(ctx: Context, chainId: number): boolean {
  const now = ctx.clock.now().getTime();
  const round = roundOf(ctx, chainId);
  const waitMs = round.nextLookAt - now;
  // More than that was left by a clock that had jumped ahead.
  if (waitMs > 0 && waitMs <= LOOK_INTERVAL_MS) return false;
  round.nextLookAt = now + LOOK_INTERVAL_MS;
  return true;
}

/**
 * Judges completed payments and refunds again for as long as reorganisations are followed: now and
 * then a few blocks, each by one header. What let a wrong block pass once, a node on a fork that it
 * left since, would not be found in any other way.
 * @returns false when one of the blocks is not on the chain: the scan was moved back to it
 * @throws AppError `CHAIN_ERRORS.unavailable` when nobody answers for one; the others were judged
 */
export async function judgeCompleted(
  ctx: Context,
  chain: ChainPort,
  config: ChainConfig,
  { head, generation }: { readonly head: Block; readonly generation: number },
): Promise<boolean> {
  const { chainId } = config;
  const round = roundOf(ctx, chainId);
  const windowStart = head.number - REORG_WINDOW_BLOCKS;
  const start = { blockNumber: windowStart > 0n ? windowStart : 0n, seq: 0n, refundId: '' };
  if (round.payments.blockNumber < start.blockNumber) round.payments = start;
  if (round.refunds.blockNumber < start.blockNumber) round.refunds = start;
  const windowMs = Number(REORG_WINDOW_BLOCKS) * config.blockTimeMs;
  const share = Math.ceil(
    (LOOKS_IN_WINDOW * Number(REORG_WINDOW_BLOCKS) * LOOK_INTERVAL_MS) / windowMs,
  );
  const most = Math.min(MAX_BLOCKS, Math.max(MIN_BLOCKS, share));

  const payments = await listCompletedFrom(ctx.db, chainId, round.payments, MAX_ROWS);
  const ownPayments = takeBlocks(payments, most);
  const refunds = await listCompletedRefundsFrom(ctx, chainId, round.refunds, MAX_ROWS);
  const ownRefunds = takeBlocks(refunds, most);
  const { verdicts, failure } = await judgePlaces(chain, head, [...ownPayments, ...ownRefunds]);
  const isSomebodyHeard = [...verdicts.values()].some((verdict) => verdict !== 'unheard');
  // One that nobody answers for, though they answer for others, is passed over in this round.
  const isJudged = ({ blockHash }: Place) => {
    const verdict = verdicts.get(blockHash);
    return (
      verdict === 'stands' || verdict === 'replaced' || (verdict === 'unheard' && isSomebodyHeard)
    );
  };
  round.payments = goOn(round.payments, { found: payments, own: ownPayments, isJudged, start });
  round.refunds = goOn(round.refunds, { found: refunds, own: ownRefunds, isJudged, start });

  const isReplaced = ({ blockHash }: Place) => verdicts.get(blockHash) === 'replaced';
  const replacedPayments = ownPayments.filter(isReplaced);
  const replacedRefunds = ownRefunds.filter(isReplaced);
  if (replacedPayments.length + replacedRefunds.length === 0) {
    const stands = ({ blockHash }: Place) => verdicts.get(blockHash) === 'stands';
    await tellContradicted(ctx, chain, [
      ...ownPayments.filter(stands),
      ...ownRefunds.filter(stands),
    ]);
    if (failure !== undefined) throw failure;
    return true;
  }
  await scanReplacedAgain(ctx, { chainId, generation }, [...replacedPayments, ...replacedRefunds], {
    completedPaymentIds: replacedPayments.map(({ paymentId }) => paymentId),
    completedRefundIds: replacedRefunds.map(({ refundId }) => refundId),
  });
  return false;
}

/**
 * Up to before the first one that was not judged. At its end the round begins again.
 */
function goOn<From, Found extends From & Place>(
  from: From,
  look: {
    readonly found: readonly Found[];
    readonly own: readonly Found[];
    readonly isJudged: (place: Place) => boolean;
    readonly start: From;
  },
): From {
  const { found, own, isJudged, start } = look;
  const unjudged = own.findIndex((place) => !isJudged(place));
  if (unjudged >= 0) return own[unjudged - 1] ?? from;
  return found.length < MAX_ROWS && own.length === found.length ? start : (own.at(-1) ?? start);
}

/**
 * Their blocks stand, as one RPC URL says. Where more of the others say that they are not there,
 * that one is asked last from then on (createPollEvents.ts): what is on the chain instead, the next
 * scan finds. What only a made-up event has completed, nobody can take back from whoever has its
 * goods.
 */
async function tellContradicted(
  ctx: Context,
  chain: ChainPort,
  completed: readonly SeenEvent[],
): Promise<void> {
  const contradicted = await listContradicted(ctx, chain, completed);
  if (contradicted.length === 0) return;
  const facts = {
    alert: 'completed_disputed',
    chainId: chain.chainId,
    paymentIds: contradicted
      .filter(({ nonce }) => nonce === undefined)
      .map(({ paymentId }) => paymentId),
    refunds: contradicted.flatMap(({ paymentId, nonce }) =>
      nonce === undefined ? [] : [{ paymentId, nonce: nonce.toString() }],
    ),
  };
  ctx.log.error(
    facts,
    'RPC URLs do not have payments or refunds that are completed: no fewer say so than have them',
  );
}

function roundOf(ctx: Context, chainId: number): Round {
  let chains = rounds.get(ctx.db);
  if (chains === undefined) {
    chains = new Map();
    rounds.set(ctx.db, chains);
  }
  let round = chains.get(chainId);
  if (round === undefined) {
    round = {
      nextLookAt: 0,
      payments: { blockNumber: 0n, seq: 0n },
      refunds: { blockNumber: 0n, refundId: '' },
    };
    chains.set(chainId, round);
  }
  return round;
}

/** The first ones, with at most so many blocks among them. */
function takeBlocks<Found extends Place>(found: readonly Found[], most: number): Found[] {
  const blocks = new Set<string>();
  const taken: Found[] = [];
  for (const place of found) {
    blocks.add(place.blockHash);
    if (blocks.size > most) break;
    taken.push(place);
  }
  return taken;
}
