import { AppError } from '../../../shared/errors.ts';
import { RELAY_ERRORS } from '../errors.ts';

/** Pure rules about what one payer and one store may have on their way and may cost in a day. */

/**
 * What a payer (for refunds: a merchant) or a store has on its way on one chain, and what relaying
 * cost for it today. Costs in wei.
 */
export interface HolderUsage {
  readonly inFlight: number;
  /** Set aside for what is on its way. */
  readonly reservedGas: bigint;
  readonly reservedCost: bigint;
  readonly spentGas: bigint;
  readonly spentCost: bigint;
}

export interface Quota {
  readonly maxInFlight: number;
  /** Gas a UTC day. undefined: no limit. */
  readonly gasBudget: bigint | undefined;
  /** Wei a UTC day. undefined: no limit. */
  readonly costBudget: bigint | undefined;
}

/** What one more request sets aside: gas, and wei at the present price where that is counted. */
export interface Reserve {
  readonly gas: bigint;
  readonly cost: bigint;
}

/** About the time that a few blocks take. */
const RETRY_AFTER_SECONDS = 10;

/**
 * @param whose who the usage and the quota are of, as the error's `reason`
 * @throws AppError tooManyInFlight, gasBudgetSpent
 */
export function assertWithinQuota(
  whose: 'payer' | 'merchant' | 'store',
  input: {
    readonly usage: HolderUsage;
    readonly quota: Quota;
    readonly reserve: Reserve;
    readonly now: Date;
  },
): void {
  const { usage, quota, reserve, now } = input;
  if (usage.inFlight >= quota.maxInFlight) {
    throw new AppError(RELAY_ERRORS.tooManyInFlight, {
      detail: `The ${whose} has ${usage.inFlight} relayed requests on their way on this chain, which is the limit; another one is taken when one has ended.`,
      reason: whose,
      retryAfterSeconds: RETRY_AFTER_SECONDS,
    });
  }
  for (const { unit, spent, reserved, needed, budget } of [
    {
      unit: 'gas',
      spent: usage.spentGas,
      reserved: usage.reservedGas,
      needed: reserve.gas,
      budget: quota.gasBudget,
    },
    {
      unit: 'wei',
      spent: usage.spentCost,
      reserved: usage.reservedCost,
      needed: reserve.cost,
      budget: quota.costBudget,
    },
  ]) {
    if (budget === undefined || spent + reserved + needed <= budget) continue;
    throw new AppError(RELAY_ERRORS.gasBudgetSpent, {
      detail:
        `Relaying for the ${whose} has taken ${spent} ${unit} on this chain today, ${reserved} are set aside for what is on its way, ` +
        `and this request needs about ${needed}: the budget is ${budget}. Direct payments are not affected.`,
      reason: whose,
      retryAfterSeconds: Math.ceil(untilNextUtcDayMs(now) / 1000),
    });
  }
}

const DAY_MS = 24 * 3_600_000;

export function untilNextUtcDayMs(now: Date): number {
  return DAY_MS - (now.getTime() % DAY_MS);
}
