import type { Job } from 'bullmq';

import { countLoopFailures } from '../domain/outbox/service.ts';
import { announceProcess } from '../domain/webhooks/announceProcess.ts';
import type { Config } from '../platform/config.ts';
import type { Context } from '../platform/context.ts';
import { QUEUE_NAMES, type QueueName, type Queues } from '../platform/queues.ts';
import { createRedis, type RedisConnection } from '../platform/redis.ts';
import { createUnlessBusy, type UnlessBusy } from '../shared/createUnlessBusy.ts';
import { keepWorker } from './keepWorker.ts';
import { MAINTENANCE_TASKS } from './maintenance.ts';
import { OUTBOX_QUEUE_RULES } from './queues.ts';
import { isOutboxQueue, runOutboxJob } from './runOutboxJob.ts';
import { runChainScan, SCAN_PARTS } from './runChainScan.ts';
import { countMaintenanceParts, runMaintenance } from './runMaintenance.ts';
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
      await ensureSchedules(ctx, queues, names);
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
      concurrency: concurrencyOf(ctx.config, name),
      lockDuration: LOCK_MS,
      stalledInterval: STALLED_CHECK_MS,
      maxStalledCount: 5,
    },
  );
}

/**
 * BullMQ makes the next job of a schedule when the present one begins, however long that takes. So
 * what is under way is not begun again (`unlessBusy`), and there is a place for everything that may
 * be under way: what does not come back has its own place, in each process, and no other.
 */
function concurrencyOf(config: Config, name: QueueName): number {
  if (isOutboxQueue(name)) return OUTBOX_QUEUE_RULES[name].concurrency(config);
  return (
    1 + (name === 'maintenance' ? countMaintenanceParts(config) : SCAN_PARTS * config.chains.length)
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
  if (name === 'maintenance') return runMaintenance(ctx, job.name, unlessBusy);
  const chainId: unknown = (job.data as { chainId?: unknown }).chainId;
  if (typeof chainId !== 'number') throw new Error('a chain-scan job names no chain');
  return runChainScan(ctx, chainId, unlessBusy);
}

async function ensureSchedules(
  ctx: Context,
  queues: Queues,
  names: readonly QueueName[],
): Promise<void> {
  if (names.includes('chain-scan')) {
    for (const { chainId, blockTimeMs } of ctx.config.chains) {
      // Twice a block, so that a direct payment is found well within two.
      const every = Math.min(5_000, Math.max(200, Math.floor(blockTimeMs / 2)));
      await ensureSchedule(queues, 'chain-scan', `chain-${chainId}`, every, {
        name: 'scan',
        data: { chainId },
      });
    }
  }
  if (names.includes('maintenance')) {
    for (const [task, { everyMs }] of Object.entries(MAINTENANCE_TASKS))
      await ensureSchedule(queues, 'maintenance', task, everyMs, { name: task, data: {} });
  }
}

/**
 * A schedule whose next job is this late has lost it; so has one whose next job is this early: who
 * made it had a clock that was ahead.
 */
const LOST_AFTER_MS = 10_000;

/** Leaves a schedule that runs alone: writing it anew would move its next job. */
async function ensureSchedule(
  queues: Queues,
  queue: QueueName,
  id: string,
  every: number,
  template: { name: string; data: object },
): Promise<void> {
  const existing = await queues.get(queue).getJobScheduler(id);
  const dueInMs = (existing?.next ?? -Infinity) - Date.now();
  if (existing?.every === every && Math.abs(dueInMs) < LOST_AFTER_MS + every) return;
  // Written anew, it would go on from its next job's date.
  if (dueInMs > 0) await queues.get(queue).removeJobScheduler(id);
  await queues.get(queue).upsertJobScheduler(
    id,
    { every },
    {
      ...template,
      opts: {
        attempts: 1,
        removeOnComplete: { count: 10 },
        removeOnFail: { age: 24 * 3_600, count: 100 },
      },
    },
  );
}
