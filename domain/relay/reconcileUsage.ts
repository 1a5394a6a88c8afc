import type { Context } from '../../platform/context.ts';
import { inTransaction } from '../../platform/db.ts';
import { addMs } from '../../shared/clock.ts';
import {
  dayOf,
  deleteCostsBefore,
  listBusyHolders,
  lockUsage,
  sumUsage,
  writeUsage,
  type Holder,
} from './attempts/usageStore.ts';

const PAGE = 200;
const DELETE_CHUNK = 500;
const DAY_MS = 86_400_000;

/**
 * Compares the running totals with the sums over the attempts, under the lock of each, and puts
 * right what differs. Nothing should: a difference is an error in the log, for somebody to find out
 * how it came about.
 * @returns how many totals were wrong
 * @throws the first failure, after all were compared
 */
export async function reconcileUsage(ctx: Context): Promise<number> {
  const day = dayOf(ctx.clock.now());
  let wrong = 0;
  const failures: unknown[] = [];
  let after: Holder = { chainId: 0, holder: '' };
  for (;;) {
    const holders = await listBusyHolders(ctx.db, { after, since: day, limit: PAGE });
    for (const holder of holders) {
      try {
        if (!(await reconcile(ctx, holder, day))) wrong += 1;
      } catch (error) {
        ctx.log.warn(
          { err: error, ...holder },
          'the running totals of a holder could not be compared',
        );
        failures.push(error);
      }
    }
    const last = holders.at(-1);
    if (last === undefined || holders.length < PAGE) break;
    after = last;
  }
  await deleteOldCosts(ctx);
  if (failures.length > 0) throw failures[0];
  return wrong;
}

/** @returns whether it was right */
function reconcile(ctx: Context, holder: Holder, day: string): Promise<boolean> {
  return inTransaction(ctx.db, async (trx) => {
    // Whoever changes an attempt of this holder needs the same lock before the commit.
    const total = await lockUsage(trx, holder.chainId, holder.holder, day);
    const sum = await sumUsage(trx, holder, day);
    const keys = ['inFlight', 'reservedGas', 'reservedCost', 'spentGas', 'spentCost'] as const;
    const differing = keys.filter((key) => total[key] !== sum[key]);
    if (differing.length === 0) return true;
    const found = differing.map((key) => ({
      what: key,
      total: total[key].toString(),
      sum: sum[key].toString(),
    }));
    ctx.log.error(
      { ...holder, found },
      'running totals of relaying differ from the sums over the attempts: put right',
    );
    await writeUsage(trx, holder, day, sum);
    return false;
  });
}

/** Yesterday's stay: a process whose clock is behind may still read them. */
async function deleteOldCosts(ctx: Context): Promise<void> {
  const before = dayOf(addMs(ctx.clock.now(), -DAY_MS));
  while ((await deleteCostsBefore(ctx.db, before, DELETE_CHUNK)) === DELETE_CHUNK);
}
