import type { Context } from '../../platform/context.ts';
import { inUnitOfWork } from '../../platform/unitOfWork.ts';
import { addMs } from '../../shared/clock.ts';
import type { Bytes32 } from '../../shared/hex.ts';
import { askChain, findRecentCursor } from '../chain/service.ts';
import { DONE, later, type WorkResult } from '../outbox/model.ts';
import { askWhoPaid } from './askWhoPaid.ts';
import { changePayments } from './changePayments.ts';
import { isPayable } from './decide.ts';
import { findMissedPayment } from './findMissedPayment.ts';
import type { Payment } from './model.ts';
import { findPayment, lockPayments } from './store.ts';

/** How long the scanner is waited for before the chain is asked without it. */
const SCANNER_GRACE_MS = 60_000;
/**
 * How long a head is waited for that is later than the payment's last second. A chain that makes no blocks shows none, and neither does a node that lags: in
 * this time it is found out and passed over, or its operator was alerted.
 */
const STANDING_HEAD_MS = 60 * 60_000;
/** The longer a payment has been overdue, the less often it is looked at: an outage may leave very many of them. */
const RECHECK_MS = 1_000;
const MAX_RECHECK_MS = 5 * 60_000;
const RECHECK_PART = 4;

/**
 * Work of the expire queue.
 *
 *   its time is over → the scanner has seen every block that could have paid it → the gateway's storage says that nobody has → expired
 *
 * Nothing expires on a guess. While the chain does not answer, or shows a payment as made that the scanner has not seen, it waits for as long as that
 * takes: nobody can pay it any more, and its store is told nothing that may have to be taken back.
 */
export async function expirePayment(ctx: Context, paymentId: Bytes32): Promise<WorkResult> {
  const seen = await findPayment(ctx.db, paymentId);
  if (seen?.status !== 'pending') return DONE;
  const now = ctx.clock.now();
  if (isPayable(seen, now)) return later(addMs(seen.terms.expiresAt, 1_000));

  const overdueMs = now.getTime() - seen.terms.expiresAt.getTime();
  const recheck = addMs(now, Math.min(MAX_RECHECK_MS, Math.max(RECHECK_MS, overdueMs / RECHECK_PART)));
  const scannedUntil = (await findRecentCursor(ctx, seen.chainId))?.scannedTimestamp;
  const hasScannerPassed = scannedUntil != null && !isPayable(seen, scannedUntil);
  if (!hasScannerPassed && overdueMs < SCANNER_GRACE_MS) return later(addMs(now, RECHECK_MS));

  const result = await askChain(ctx, seen.chainId, async () => {
    const { payer, block } = await askWhoPaid(ctx, seen);
    if (payer !== undefined) {
      if (hasScannerPassed) await findMissedPayment(ctx, seen);
      return later(recheck);
    }
    // It may be in a block that this node does not have yet.
    if (isPayable(seen, block.timestamp) && overdueMs < STANDING_HEAD_MS) return later(recheck);
    return expire(ctx, seen);
  });
  return result.kind === 'later' && result.at < recheck ? later(recheck) : result;
}

async function expire(ctx: Context, seen: Payment): Promise<WorkResult> {
  return inUnitOfWork(ctx, async (unit) => {
    const [payment] = await lockPayments(unit.trx, [seen.id]);
    if (payment?.status === 'pending') await changePayments(ctx, unit, [{ payment, transitions: ['expire'] }]);
    return DONE;
  });
}
