import { Queue } from 'bullmq';

import { OUTBOX_QUEUES } from '../domain/outbox/model.ts';
import type { JobQueuePort } from '../domain/outbox/ports.ts';
import type { Config } from './config.ts';
import { createRedis, type RedisConnection } from './redis.ts';

/** Queues that outbox rows go to, and those whose jobs come from a schedule. */
const SCHEDULED_QUEUES = ['chain-scan', 'maintenance'] as const;
export const QUEUE_NAMES = [...OUTBOX_QUEUES, ...SCHEDULED_QUEUES] as const;
export type ScheduledQueue = (typeof SCHEDULED_QUEUES)[number];
export type QueueName = (typeof QUEUE_NAMES)[number];

export interface Queues extends JobQueuePort {
  readonly all: readonly Queue[];
  get(name: QueueName): Queue;
  close(): Promise<void>;
}

/**
 * An unexpected error (not a "later") is tried again by BullMQ a few times; after that the job
 * stays among the failed ones for people to see, and the outbox row behind it brings the next
 * generation.
 */
const DEFAULT_JOB_OPTIONS = {
  attempts: 3,
  backoff: { type: 'exponential', delay: 1_000, jitter: 0.5 },
  removeOnComplete: { age: 3_600, count: 1_000 },
  removeOnFail: { age: 7 * 24 * 3_600, count: 5_000 },
};

/**
 * What BullMQ would wait for and ask before a queue's first command: without limit while Redis is
 * away, and with one failure it would never ask again, so that the queue fails until the process
 * ends. A producer goes by Redis's version only to choose between two ways of looking up a job's
 * state, and what it would write down of itself BullMQ's scripts take as given.
 */
const WITHOUT_ASKING_FIRST = {
  skipWaitingForReady: true,
  skipVersionCheck: true,
  skipMetasUpdate: true,
};

/** Whoever begins is patient for so long, as with a command; Redis may be away. */
const CONNECT_AT_START_MS = 2_000;

/**
 * The producers' side of the queues, on a connection that fails at once while Redis is away.
 * @returns when it is connected, or could not be at the first try: it goes on trying
 */
export async function createQueues(
  config: Pick<Config, 'redisUrl' | 'queuePrefix'>,
): Promise<Queues> {
  const connection = createRedis(config.redisUrl, 'command');
  // Every operation reports its failure to its caller; this only keeps the emitter from throwing.
  connection.on('error', () => undefined);
  const queues = new Map(
    QUEUE_NAMES.map((name) => {
      const queue = new Queue(name, {
        connection,
        prefix: config.queuePrefix,
        defaultJobOptions: DEFAULT_JOB_OPTIONS,
        ...WITHOUT_ASKING_FIRST,
      });
      queue.on('error', () => undefined);
      return [name, queue] as const;
    }),
  );
  function get(name: QueueName): Queue {
    const queue = queues.get(name);
    if (queue === undefined) throw new Error(`there is no queue ${name}`);
    return queue;
  }

  await waitForFirstTry(connection);
  return {
    all: [...queues.values()],
    get,
    async addAll(jobs) {
      await Promise.all(
        OUTBOX_QUEUES.map(async (name) => {
          const own = jobs.filter((job) => job.queue === name);
          if (own.length === 0) return;
          await get(name).addBulk(
            own.map((job) => ({
              name,
              data: job.payload,
              opts: { jobId: job.jobId, delay: job.delayMs },
            })),
          );
        }),
      );
    },
    async close() {
      await Promise.all([...queues.values()].map((queue) => queue.close()));
      connection.disconnect();
    },
  };
}

async function waitForFirstTry(connection: RedisConnection): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = () => {
      clearTimeout(timer);
      connection.off('ready', done).off('close', done);
      resolve();
    };
    const timer = setTimeout(done, CONNECT_AT_START_MS);
    connection.on('ready', done).on('close', done);
  });
}
