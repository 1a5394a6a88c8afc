import type { Context } from '../../platform/context.ts';
import { inUnitOfWork } from '../../platform/unitOfWork.ts';
import { addMs } from '../../shared/clock.ts';
import type { Bytes32 } from '../../shared/hex.ts';
import {
  askChain,
  blockTimeMsOf,
  findChainConfig,
  findRecentCursor,
  waitForRemovedChain,
} from '../chain/service.ts';
import { DONE, later, type WorkResult } from '../outbox/model.ts';
import { askWhoPaid } from '../payments/askWhoPaid.ts';
import { changePayments } from '../payments/changePayments.ts';
import { decideExpiryLook, decideRecheckMs, isOver, isPayable } from '../payments/decide.ts';
import { findMissedPayment } from './findMissedPayment.ts';
import type { Payment } from '../payments/model.ts';
import { findPayment, lockPayments } from '../payments/store.ts';

/**
 * A development chain whose head is the newest block that was scanned, and older than this, makes
 * no blocks while nobody sends anything: no later one will make its last ones final. On any other
 * chain that is an outage, after which blocks may come whose times lie within it: a payment in them
 * would be in time.
 */
const STANDING_CHAIN_MS = 60 * 60_000;

/**
 * Work of the expire queue.
 *
 *   its time is over → … by the chain's clock too, in a block that is final and scanned → the
 *   gateway's storage says that nobody has paid → expired
 *
 * Nothing expires on a guess. While the chain does not answer, is not scanned, or shows a payment
 * as made that the scanner has not seen, it waits for as long as that takes: nobody can pay it any
 * more, and its store is told nothing that may have to be taken back.
 */
export async function expirePayment(ctx: Context, paymentId: Bytes32): Promise<WorkResult> {
  const seen = await findPayment(ctx.db, paymentId);
  if (seen?.status !== 'pending') return DONE;
  const { chainId, terms } = seen;
  const now = ctx.clock.now();
  if (isPayable(seen, now)) return later(addMs(terms.expiresAt, 1_000));
  const removed = waitForRemovedChain(ctx, chainId, terms.expiresAt);
  if (removed !== undefined) return removed === 'over' ? expireUnasked(ctx, seen) : later(removed);

  const cursor = await findRecentCursor(ctx, chainId);
  const settledTime = cursor?.settled?.time;
  const isSettled = isOver(seen, settledTime);
  const isLong =
    findChainConfig(ctx, chainId)?.development === true &&
    now.getTime() - terms.expiresAt.getTime() >= STANDING_CHAIN_MS;
  // Most looks end here, and the chain is not asked.
  if (!isSettled && !isLong) {
    return later(
      decideExpiryLook({
        now,
        expiresAt: terms.expiresAt,
        settledTime,
        blockTimeMs: blockTimeMsOf(ctx, chainId),
      }),
    );
  }
  const recheck = addMs(now, decideRecheckMs(now, terms.expiresAt));
  const result = await askChain(ctx, chainId, async () => {
    const { payer, block } = await askWhoPaid(ctx, seen);
    const scannedUntil = cursor === undefined ? -1n : cursor.nextBlock - 1n;
    if (payer !== undefined) {
      if (isSettled || (block !== undefined && block.number <= scannedUntil))
        await findMissedPayment(ctx, seen);
      return later(recheck);
    }
    if (block === undefined) return later(recheck);
    const standsStill =
      block.number === scannedUntil &&
      now.getTime() - block.timestamp.getTime() >= STANDING_CHAIN_MS;
    // This node may not have the block yet that ended its time.
    const isCertain = isSettled ? !isPayable(seen, block.timestamp) : standsStill;
    return isCertain ? expire(ctx, seen) : later(recheck);
  });
  return result.kind === 'later' && result.at < recheck ? { ...result, at: recheck } : result;
}

/**
 * Should it have been paid after all, and the chain be put back, the scanner tells so: late, as of
 * any payment that was paid after it had expired.
 */
function expireUnasked(ctx: Context, seen: Payment): Promise<WorkResult> {
  ctx.log.warn(
    { paymentId: seen.id, chainId: seen.chainId },
    'expires without its chain being asked, which is not configured any more',
  );
  return expire(ctx, seen);
}

async function expire(ctx: Context, seen: Payment): Promise<WorkResult> {
  return inUnitOfWork(ctx, async (unit) => {
    const [payment] = await lockPayments(unit.trx, [seen.id]);
    if (payment?.status === 'pending')
      await changePayments(ctx, unit, [{ payment, transitions: ['expire'] }]);
    return DONE;
  });
}
