import type { Job } from 'bullmq';

import { countLoopFailures } from '../domain/outbox/service.ts';
import { announceProcess } from '../domain/webhooks/announceProcess.ts';
import type { Context } from '../platform/context.ts';
import { QUEUE_NAMES, type QueueName, type Queues } from '../platform/queues.ts';
import { createRedis, type RedisConnection } from '../platform/redis.ts';
import { createUnlessBusy, type UnlessBusy } from '../shared/createUnlessBusy.ts';
import { ensureSchedules } from './ensureSchedules.ts';
import { keepWorker } from './keepWorker.ts';
import { QUEUES } from './queues.ts';
import { isOutboxQueue, runOutboxJob } from './runOutboxJob.ts';
import { startOutboxPublisher } from './startOutboxPublisher.ts';

/** Schedules live in Redis and are gone when it is wiped: they are put there again this often. */
const RESCHEDULE_MS = 5_000;
/** Jobs renew their lock at half this time; a dead process's jobs are given to others after it. */
const LOCK_MS = 15_000;
const STALLED_CHECK_MS = 5_000;

/**
 * Starts the workers of the given queues, their schedules and the outbox publisher.
 * @returns stop: takes no more jobs, waits for those being worked on (at most `drainMs`), then
 *   closes the connections
 */
export async function startWorkers(
  ctx: Context,
  queues: Queues,
  names: readonly QueueName[] = QUEUE_NAMES,
): Promise<{ stop: (drainMs: number) => Promise<void> }> {
  const connection = createRedis(ctx.config.redisUrl, 'worker');
  connection.on('error', (error: Error) =>
    ctx.log.debug({ err: error }, 'the workers’ Redis connection failed'),
  );
  const workers = names.map((name) => startWorker(ctx, name, connection));
  const presence = names.includes('webhook') ? announceProcess(ctx) : undefined;
  const publisher = startOutboxPublisher(ctx, queues);

  const failures = countLoopFailures(ctx, { queue: 'maintenance', subjectId: 'check-schedules' });
  const reschedule = async () => {
    try {
      await ensureSchedules(ctx.config, queues, names);
      await failures.succeeded();
    } catch (error) {
      ctx.log.warn({ err: error }, 'the schedules could not be checked');
      await failures.failed(error);
    }
  };
  await reschedule();
  const rescheduling = setInterval(() => void reschedule(), RESCHEDULE_MS);

  return {
    async stop(drainMs) {
      clearInterval(rescheduling);
      // Before anything is waited for: what a hanging database or Redis keeps from ending must not
      // let further jobs begin, nor take of the time that those under way have.
      const closed = Promise.all(workers.map((worker) => worker.close()));
      await Promise.all([waitForJobs(ctx, closed, drainMs), publisher.stop(), presence?.stop()]);
      connection.disconnect();
    },
  };
}

async function waitForJobs(ctx: Context, closed: Promise<unknown>, drainMs: number): Promise<void> {
  const timeout = new Promise<'timeout'>((resolve) =>
    setTimeout(resolve, drainMs, 'timeout').unref(),
  );
  if ((await Promise.race([closed, timeout])) !== 'timeout') return;
  // Nothing more to do: BullMQ answers a second close(), a forced one too, with the first one's
  // promise, which waits for those jobs.
  ctx.log.warn(
    { drainMs },
    'some jobs did not end in time; they will be taken up by another process',
  );
}

function startWorker(
  ctx: Context,
  name: QueueName,
  connection: RedisConnection,
): ReturnType<typeof keepWorker> {
  const unlessBusy = createUnlessBusy();
  return keepWorker(
    ctx,
    name,
    (job, token) => runJob(ctx, name, { job, token: token ?? '', unlessBusy }),
    {
      connection,
      prefix: ctx.config.queuePrefix,
      concurrency: QUEUES[name].concurrency(ctx.config),
      lockDuration: LOCK_MS,
      stalledInterval: STALLED_CHECK_MS,
      maxStalledCount: 5,
    },
  );
}

async function runJob(
  ctx: Context,
  name: QueueName,
  {
    job,
    token,
    unlessBusy,
  }: { readonly job: Job; readonly token: string; readonly unlessBusy: UnlessBusy },
): Promise<unknown> {
  if (isOutboxQueue(name)) return runOutboxJob(ctx, name, job, token);
  return QUEUES[name].work(ctx, job, unlessBusy);
}
