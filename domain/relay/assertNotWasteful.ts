import type { Context } from '../../platform/context.ts';
import type { Transaction } from '../../platform/db.ts';
import { AppError } from '../../shared/errors.ts';
import { findChainConfig } from '../chain/service.ts';
import { decideWasteVerdict, startOfWasteWindow, type WasteKind } from './decideWaste.ts';
import { RELAY_ERRORS } from './errors.ts';
import type { RelayAttempt } from './model.ts';
import { wasteHoldersOf } from './noteWaste.ts';
import { readWaste } from './wasteStore.ts';

/**
 * Refuses a request that would follow too many which were mined and did nothing: of its signer, of its payment or refund, of its store.
 * @throws AppError backOff (with the time to wait), payDirectly
 */
export async function assertNotWasteful(
  ctx: Context,
  db: Transaction,
  request: Pick<RelayAttempt, 'signed' | 'paymentId' | 'refundId' | 'storeId' | 'chainId'>,
): Promise<void> {
  const limits = findChainConfig(ctx, request.chainId)?.relayLimits;
  if (limits === undefined) return;
  const now = ctx.clock.now();
  const holders = wasteHoldersOf(request);
  const wasted = await readWaste(db, {
    chainId: request.chainId,
    holders: holders.map(({ holder }) => holder),
    since: startOfWasteWindow(now),
  });
  const verdicts = holders.map(({ kind, holder }) => {
    const waste = wasted.get(holder);
    return { kind, items: waste?.items ?? 0, verdict: decideWasteVerdict(kind, waste, limits, now) };
  });
  const isRefund = request.refundId !== null;
  for (const { kind, items, verdict } of verdicts) {
    if (verdict.kind !== 'payDirectly') continue;
    throw new AppError(RELAY_ERRORS.payDirectly, {
      detail: `${describe(kind, isRefund, items)}. ${isRefund ? 'The merchant can still refund' : 'The payment can still be paid'} from a wallet.`,
      reason: reasonOf(kind, isRefund),
    });
  }
  for (const { kind, items, verdict } of verdicts) {
    if (verdict.kind !== 'backOff') continue;
    throw new AppError(RELAY_ERRORS.backOff, {
      detail: `${describe(kind, isRefund, items)}. The next one is taken at ${verdict.until.toISOString()}; direct payments are not affected.`,
      reason: reasonOf(kind, isRefund),
      retryAfterSeconds: Math.ceil((verdict.until.getTime() - now.getTime()) / 1000),
    });
  }
}

function reasonOf(kind: WasteKind, isRefund: boolean): string {
  switch (kind) {
    case 'signer':
      return isRefund ? 'merchant' : 'payer';
    case 'subject':
      return isRefund ? 'refund' : 'payment';
    case 'store':
      return 'store';
  }
}

function describe(kind: WasteKind, isRefund: boolean, items: number): string {
  return `Of this ${reasonOf(kind, isRefund)}, ${items} relayed requests were mined in the last 24 hours and did nothing`;
}
