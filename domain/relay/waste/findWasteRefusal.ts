import { AppError } from '../../../shared/errors.ts';
import { decideWasteVerdict, type Waste, type WasteLimits, type WasteRule } from './decideWaste.ts';
import { RELAY_ERRORS } from '../errors.ts';
import type { RelayAttempt } from '../model.ts';
import { wasteHoldersOf } from './wasteHolders.ts';

/** Why a request is not relayed, or not yet. */
export type WasteRefusal =
  | { readonly kind: 'payDirectly'; readonly error: AppError }
  | { readonly kind: 'backOff'; readonly until: Date; readonly error: AppError };

/**
 * What earlier failures mean for a request: of its signer, its payment or refund, and its store.
 * @param input.wasted by holder, see wasteHoldersOf
 * @returns undefined: it is welcome
 */
export function findWasteRefusal(
  request: Pick<RelayAttempt, 'signed' | 'paymentId' | 'refundId' | 'storeId'>,
  input: {
    readonly wasted: ReadonlyMap<string, Waste>;
    readonly limits: WasteLimits;
    readonly now: Date;
  },
): WasteRefusal | undefined {
  const { wasted, limits, now } = input;
  const isRefund = request.refundId !== null;
  const verdicts = wasteHoldersOf(request).map(({ rule, holder }) => {
    const waste = wasted.get(holder);
    return {
      rule,
      items: waste?.items ?? 0,
      verdict: decideWasteVerdict(rule, waste, limits, now),
    };
  });
  for (const { rule, items, verdict } of verdicts) {
    if (verdict.kind !== 'payDirectly') continue;
    const error = new AppError(RELAY_ERRORS.payDirectly, {
      detail: `${describe(rule, isRefund, items)}. ${isRefund ? 'The merchant can still refund' : 'The payment can still be paid'} from a wallet.`,
      reason: reasonOf(rule, isRefund),
    });
    return { kind: 'payDirectly', error };
  }
  for (const { rule, items, verdict } of verdicts) {
    if (verdict.kind !== 'backOff') continue;
    const { until } = verdict;
    const error = new AppError(RELAY_ERRORS.backOff, {
      detail: `${describe(rule, isRefund, items)}. The next one is taken at ${until.toISOString()}; direct payments are not affected.`,
      reason: reasonOf(rule, isRefund),
      retryAfterSeconds: Math.ceil((until.getTime() - now.getTime()) / 1000),
    });
    return { kind: 'backOff', until, error };
  }
  return undefined;
}

function reasonOf(rule: WasteRule, isRefund: boolean): string {
  switch (rule) {
    case 'signer':
    case 'late':
      return isRefund ? 'merchant' : 'payer';
    case 'subject':
      return isRefund ? 'refund' : 'payment';
    case 'store':
      return 'store';
  }
}

function describe(rule: WasteRule, isRefund: boolean, items: number): string {
  const what =
    rule === 'late'
      ? 'were signed for too short a time, or handed in too late, and mined in the last 24 hours after their deadlines'
      : 'were mined in the last 24 hours and did nothing';
  return `Of this ${reasonOf(rule, isRefund)}, ${items} relayed requests ${what}`;
}
