import type { Context } from '../../platform/context.ts';
import { EVENT_SINKS } from '../../domain/modules.ts';
import { createContext, type ContextOptions } from '../../platform/createContext.ts';
import { createQueues, type QueueName, type Queues } from '../../platform/queues.ts';
import { startWorkers } from '../../workers/startWorkers.ts';
import type { Harness } from './harness.ts';

/**
 * A workers process as far as anybody outside can tell, within this one: connections, pool and
 * identity of its own.
 */
export interface RunningWorkers {
  readonly ctx: Context;
  readonly queues: Queues;
  /** As on SIGTERM; closes everything. Later calls do nothing. */
  stop(drainMs?: number): Promise<void>;
}

export async function runWorkers(
  harness: Harness,
  names: readonly QueueName[],
  options: Pick<ContextOptions, 'log'> & { readonly change?: (ctx: Context) => Context } = {},
): Promise<RunningWorkers> {
  const { change = (ctx) => ctx, ...contextOptions } = options;
  const { ctx: own, close } = await createContext(harness.config, {
    name: 'workers',
    eventSinks: EVENT_SINKS,
    relayerKeys: harness.relayerKeys,
    ...contextOptions,
  });
  const ctx = change(own);
  const queues = await createQueues(harness.config);
  const workers = await startWorkers(ctx, queues, names);
  let stopped: Promise<void> | undefined;
  return {
    ctx,
    queues,
    stop(drainMs = 20_000) {
      stopped ??= (async () => {
        await workers.stop(drainMs);
        await queues.close();
        await close();
      })();
      return stopped;
    },
  };
}
