import type { ChainConfig } from '../../platform/config.ts';
import type { Context } from '../../platform/context.ts';
import { inUnitOfWork, type UnitOfWork } from '../../platform/unitOfWork.ts';
import type { Bytes32 } from '../../shared/hex.ts';
import { sideBySide } from '../../shared/sideBySide.ts';
import type { Block, ChainPort } from '../chain/ports.ts';
import { completeRefunds, listRefundsToComplete } from '../refunds/service.ts';
import { changePayments } from './changePayments.ts';
import { isFinal, lastFinalBlock, type ChainView } from './decide.ts';
import { judgePlaces, scanReplacedAgain } from './judgePlaces.ts';
import { listFinalPayments, lockPayments, type PaymentPlace } from './store.ts';

/** Payments completed by one transaction, and how many of these at once: see applyScan.ts. */
const COMPLETION_BATCH = 500;
const COMPLETIONS_AT_ONCE = 3;

/**
 * The one place where money begins to count as received: payments and refunds whose event is deep enough, and whose block is on the
 * chain when it is looked at once more.
 * @returns false when an event's block is not on the chain: the scan was moved back to it
 */
export async function completeFinal(ctx: Context, chain: ChainPort, config: ChainConfig, head: Block): Promise<boolean> {
  const view = { head: head.number, finalized: await findFinalized(ctx, chain, config, head) };
  const maxBlock = lastFinalBlock(view, config.confirmations);
  if (maxBlock === undefined || maxBlock < 0n) return true;
  const refundsStand = await completeFinalRefunds(ctx, chain, config.chainId, maxBlock);
  const paymentsStand = await completeFinalPayments(ctx, chain, config, view, maxBlock);
  return refundsStand && paymentsStand;
}

/** undefined: it does not matter now, and the chain was not asked. */
async function findFinalized(ctx: Context, chain: ChainPort, config: ChainConfig, head: Block): Promise<bigint | undefined> {
  if (config.confirmations !== 'finalized') return undefined;
  const { chainId } = config;
  const isAnyoneWaiting =
    (await listFinalPayments(ctx.db, chainId, head.number, 1)).length > 0 ||
    (await listRefundsToComplete(ctx, chainId, head.number, 1)).length > 0;
  return isAnyoneWaiting ? chain.getFinalizedNumber() : undefined;
}

async function completeFinalPayments(
  ctx: Context,
  chain: ChainPort,
  config: ChainConfig,
  view: ChainView,
  maxBlock: bigint,
): Promise<boolean> {
  const { chainId } = config;
  for (;;) {
    const candidates = await listFinalPayments(ctx.db, chainId, maxBlock, COMPLETIONS_AT_ONCE * COMPLETION_BATCH);
    if (candidates.length === 0) return true;
    const verdicts = await judgePlaces(chain, candidates);
    const standing = candidates.filter(({ blockHash }) => verdicts.get(blockHash) === 'stands');
    const batches = Array.from({ length: Math.ceil(standing.length / COMPLETION_BATCH) }, (_, batch) =>
      standing.slice(batch * COMPLETION_BATCH, (batch + 1) * COMPLETION_BATCH),
    );
    await sideBySide(batches, COMPLETIONS_AT_ONCE, (batch) =>
      inUnitOfWork(ctx, (unit) => completePayments(ctx, unit, { standing: batch, view, config })),
    );
    const replaced = candidates.filter(({ blockHash }) => verdicts.get(blockHash) === 'replaced');
    if (replaced.length > 0) {
      await scanReplacedAgain(ctx, chainId, replaced, { paymentIds: replaced.map(({ paymentId }) => paymentId) });
      return false;
    }
    // What could not be judged (a node that lags) waits for the next scan.
    if (candidates.length < COMPLETIONS_AT_ONCE * COMPLETION_BATCH || standing.length === 0) return true;
  }
}

/** Completes those whose event still is where it was judged. */
async function completePayments(
  ctx: Context,
  unit: UnitOfWork,
  { standing, view, config }: { readonly standing: readonly PaymentPlace[]; readonly view: ChainView; readonly config: ChainConfig },
): Promise<void> {
  const judged = new Map<Bytes32, Bytes32>(standing.map(({ paymentId, blockHash }) => [paymentId, blockHash]));
  const payments = await lockPayments(unit.trx, [...judged.keys()]);
  const final = payments.filter(
    ({ id, status, position }) =>
      status === 'processing' &&
      position !== null &&
      position.blockHash === judged.get(id) &&
      isFinal(position, view, config.confirmations),
  );
  const facts = { completedAt: ctx.clock.now(), relayAttemptId: null };
  await changePayments(
    ctx,
    unit,
    final.map((payment) => ({ payment, transitions: ['eventFinal'], facts, head: view.head })),
  );
}

async function completeFinalRefunds(ctx: Context, chain: ChainPort, chainId: number, maxBlock: bigint): Promise<boolean> {
  for (;;) {
    const refunds = await listRefundsToComplete(ctx, chainId, maxBlock, COMPLETION_BATCH);
    if (refunds.length === 0) return true;
    const placed = refunds.flatMap((refund) => (refund.position === null ? [] : [{ refund, ...refund.position }]));
    const verdicts = await judgePlaces(chain, placed);
    const judgedAs = (verdict: 'stands' | 'replaced') => placed.filter(({ blockHash }) => verdicts.get(blockHash) === verdict);
    const standing = judgedAs('stands').map(({ refund }) => refund);
    if (standing.length > 0) await inUnitOfWork(ctx, (unit) => completeRefunds(ctx, unit, standing));
    const replaced = judgedAs('replaced');
    if (replaced.length > 0) {
      await scanReplacedAgain(ctx, chainId, replaced, { refundIds: replaced.map(({ refund }) => refund.id) });
      return false;
    }
    if (refunds.length < COMPLETION_BATCH || standing.length === 0) return true;
  }
}
