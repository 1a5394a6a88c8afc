import { parseArgs } from 'node:util';

import type { Config } from '../platform/config.ts';
import { EVENT_SINKS } from '../domain/modules.ts';
import { createContext } from '../platform/createContext.ts';
import { createQueues, QUEUE_NAMES, type QueueName } from '../platform/queues.ts';
import { readRelayerKeys, type RelayerKeys } from '../platform/relayerKeys.ts';
import { runProcess } from '../platform/runProcess.ts';
import { startHealthServer } from './startHealthServer.ts';
import { startWorkers } from './startWorkers.ts';

/** Jobs that are being worked on may end within this time. */
const DRAIN_MS = 20_000;

const { values } = parseArgs({ options: { queues: { type: 'string' } } });

/** `--queues relay,confirm`: only these; all when absent. */
function chooseQueues(option: string | undefined): readonly QueueName[] {
  if (option === undefined) return QUEUE_NAMES;
  const names = option.split(',');
  const unknown = names.filter((name) => !(QUEUE_NAMES as readonly string[]).includes(name));
  if (unknown.length > 0) {
    console.error(`unknown queues: ${unknown.join(', ')} (there are ${QUEUE_NAMES.join(', ')})`);
    process.exit(1);
  }
  return names as QueueName[];
}

const names = chooseQueues(values.queues);

/** Work of these queues talks to relayers; who works on none of them needs no keys. */
const QUEUES_WITH_RELAYERS: readonly QueueName[] = ['relay', 'confirm', 'maintenance'];

function readKeys(config: Config): { readonly relayerKeys?: RelayerKeys } {
  return names.some((name) => QUEUES_WITH_RELAYERS.includes(name))
    ? { relayerKeys: readRelayerKeys(config, process.env) }
    : {};
}

await runProcess(async (config) => {
  const { ctx, close } = await createContext(config, {
    name: 'workers',
    eventSinks: EVENT_SINKS,
    ...readKeys(config),
  });
  const queues = await createQueues(config);
  // First: it says what is away for as long as that keeps the workers from working.
  const health = await startHealthServer(ctx, config.host, config.workersPort);
  const workers = await startWorkers(ctx, queues, names);
  ctx.log.info({ queues: names, health: health.url }, 'workers are running');
  // For whoever started us and waits, whatever the log level.
  process.send?.({ ready: true, url: health.url });
  return {
    async stop() {
      ctx.log.info('workers are stopping');
      // At once: an answer about health that is under way must not let further jobs begin.
      await Promise.all([health.close(), workers.stop(DRAIN_MS)]);
      await queues.close();
      await close();
    },
  };
});
