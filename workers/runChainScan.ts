import { scanChain } from '../domain/scan/scanChain.ts';
import type { Context } from '../platform/context.ts';
import type { UnlessBusy } from '../shared/createUnlessBusy.ts';
import { runScheduled } from './runScheduled.ts';

/**
 * What of one chain may be under way at once: a scan, and what every RPC URL is asked about
 * (JudgedPart).
 */
export const SCAN_PARTS = 4;

/**
 * One scan of a chain by its schedule. What every RPC URL is asked about, and the slowest is waited
 * for, goes on beside it: the next blocks are looked at meanwhile. Of each part this process does
 * one at a time; what is under way still is left to the run that began it.
 * @throws the first failure, after all that was begun has ended; those of each part are counted by
 *   themselves
 */
export async function runChainScan(
  ctx: Context,
  chainId: number,
  unlessBusy: UnlessBusy,
): Promise<void> {
  const begun: Promise<void>[] = [];
  const failures: unknown[] = [];
  const begin = (subjectId: string, work: () => Promise<unknown>): Promise<void> => {
    const run = unlessBusy(subjectId, () =>
      runScheduled(ctx, { queue: 'chain-scan', subjectId }, work),
    ).catch((error: unknown) => void failures.push(error));
    begun.push(run);
    return run;
  };
  await begin(String(chainId), () =>
    scanChain(ctx, chainId, (part, judge) => {
      void begin(`${chainId}-${part}`, judge);
      return Promise.resolve(true);
    }),
  );
  await Promise.all(begun);
  if (failures.length > 0) throw failures[0];
}
