import type { ChainConfig, Config } from '../platform/config.ts';
import type { Context } from '../platform/context.ts';
import type { UnlessBusy } from '../shared/createUnlessBusy.ts';
import { tryAll } from '../shared/tryAll.ts';
import { MAINTENANCE_TASKS } from './maintenance.ts';
import { runScheduled } from './runScheduled.ts';

/** What is done once at a time, and whose failures are counted by themselves. */
interface Part {
  /** The task, or the task for one chain. */
  readonly subjectId: string;
  readonly chains: readonly ChainConfig[];
}

/**
 * One run of a task by its schedule. What is under way still, since an earlier run of this process,
 * is left to that, and the rest is done: a chain that does not answer takes one place for each
 * task, and the other chains' turns come as ever.
 * @throws the first failure, after all was tried
 */
export async function runMaintenance(
  ctx: Context,
  task: string,
  unlessBusy: UnlessBusy,
): Promise<void> {
  const work = MAINTENANCE_TASKS[task];
  // Scheduled by another version of this program.
  if (work === undefined) return;
  await tryAll(listParts(ctx.config, task), ({ subjectId, chains }) =>
    unlessBusy(subjectId, () =>
      runScheduled(ctx, { queue: 'maintenance', subjectId }, () => work.run(ctx, chains)),
    ),
  );
}

/** As many runs as there can be at once: each has begun one of these at least. */
export function countMaintenanceParts(config: Config): number {
  return Object.keys(MAINTENANCE_TASKS).flatMap((task) => listParts(config, task)).length;
}

function listParts({ chains }: Pick<Config, 'chains'>, task: string): Part[] {
  if (MAINTENANCE_TASKS[task]?.isByChain !== true) return [{ subjectId: task, chains }];
  return chains.map((chain) => ({ subjectId: `${task}-${chain.chainId}`, chains: [chain] }));
}
