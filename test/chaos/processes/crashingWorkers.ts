import { writeSync } from 'node:fs';

import type { JobQueuePort } from '../../../domain/outbox/ports.ts';
import type { Context } from '../../../platform/context.ts';
import { EVENT_SINKS } from '../../../domain/modules.ts';
import { createContext } from '../../../platform/createContext.ts';
import { createQueues, QUEUE_NAMES, type Queues } from '../../../platform/queues.ts';
import { readRelayerKeys } from '../../../platform/relayerKeys.ts';
import { runProcess } from '../../../platform/runProcess.ts';
import { startHealthServer } from '../../../workers/startHealthServer.ts';
import { startWorkers } from '../../../workers/startWorkers.ts';
import { CRASH_POINTS, CRASH_VARIABLE, type CrashPoint } from './crashPoints.ts';

/**
 * workers/main.ts with every queue, whose ports kill the process at the moment that it is told: as
 * abruptly as `kill -9` by somebody else.
 */

const crash = readCrash();
let passed = 0;

function readCrash(): { readonly point: CrashPoint; readonly times: number } | undefined {
  const [name, times] = process.env[CRASH_VARIABLE]?.split(':') ?? [];
  const point = CRASH_POINTS.find((known) => known === name);
  return point && { point, times: Number(times) };
}

function pass(point: CrashPoint): void {
  if (crash?.point !== point) return;
  passed += 1;
  if (passed < crash.times) return;
  // Synchronous: there is no later.
  writeSync(1, `crashed at ${point}\n`);
  process.kill(process.pid, 'SIGKILL');
}

function withCrashes(ctx: Context): Context {
  let isToBeMarked = false;
  return {
    ...ctx,
    chains: new Map(
      [...ctx.chains].map(([id, chain]) => [
        id,
        {
          ...chain,
          encodeRelay(items) {
            pass('beforeSave');
            return chain.encodeRelay(items);
          },
          async listGatewayLogs(range) {
            const logs = await chain.listGatewayLogs(range);
            if (logs.payments.length > 0) pass('beforeScanIsSaved');
            return logs;
          },
        } satisfies typeof chain,
      ]),
    ),
    relayers: new Map(
      [...ctx.relayers].map(([id, relayer]) => [
        id,
        {
          ...relayer,
          async send(input) {
            pass('afterSaveBeforeSend');
            const outcome = await relayer.send(input);
            pass('afterSendBeforeMark');
            isToBeMarked = true;
            return outcome;
          },
        } satisfies typeof relayer,
      ]),
    ),
    signals: {
      ...ctx.signals,
      // Given right after a commit.
      outboxFilled() {
        if (isToBeMarked) pass('afterMark');
        ctx.signals.outboxFilled();
      },
    },
    webhookSender: {
      ...ctx.webhookSender,
      async post(request) {
        pass('beforeWebhook');
        const outcome = await ctx.webhookSender.post(request);
        pass('afterWebhook');
        return outcome;
      },
    },
  };
}

function withCrashingPublisher(queues: Queues): Queues {
  const addAll: JobQueuePort['addAll'] = async (jobs) => {
    pass('beforePublish');
    await queues.addAll(jobs);
    pass('afterPublish');
  };
  return { ...queues, addAll };
}

await runProcess(async (config) => {
  const { ctx, close } = await createContext(config, {
    name: 'workers',
    eventSinks: EVENT_SINKS,
    relayerKeys: readRelayerKeys(config, process.env),
  });
  const queues = withCrashingPublisher(await createQueues(config));
  const workers = await startWorkers(withCrashes(ctx), queues, QUEUE_NAMES);
  const health = await startHealthServer(ctx, config.host, config.workersPort);
  return {
    async stop() {
      await health.close();
      await workers.stop(5_000);
      await queues.close();
      await close();
    },
  };
});
