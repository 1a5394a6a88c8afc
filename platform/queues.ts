import { Queue } from 'bullmq';

import { OUTBOX_QUEUES } from '../domain/outbox/model.ts';
import type { JobQueuePort } from '../domain/outbox/ports.ts';
import type { Config } from './config.ts';
import { createRedis } from './redis.ts';

/** Queues that outbox rows go to, and those whose jobs come from a schedule. */
export const SCHEDULED_QUEUES = ['chain-scan', 'maintenance'] as const;
export const QUEUE_NAMES = [...OUTBOX_QUEUES, ...SCHEDULED_QUEUES] as const;
export type QueueName = (typeof QUEUE_NAMES)[number];

export interface Queues extends JobQueuePort {
  readonly all: readonly Queue[];
  get(name: QueueName): Queue;
  close(): Promise<void>;
}

/**
 * An unexpected error (not a "later") is tried again by BullMQ a few times; after that the job stays among the failed ones for people to see, and the
 * outbox row behind it brings the next generation.
 */
const DEFAULT_JOB_OPTIONS = {
  attempts: 3,
  backoff: { type: 'exponential', delay: 1_000, jitter: 0.5 },
  removeOnComplete: { age: 3_600, count: 1_000 },
  removeOnFail: { age: 7 * 24 * 3_600, count: 5_000 },
};

/** The producers' side of the queues, on a connection that fails at once while Redis is away. */
export function createQueues(config: Pick<Config, 'redisUrl' | 'queuePrefix'>): Queues {
  const connection = createRedis(config.redisUrl, 'command');
  // Every operation reports its failure to its caller; this only keeps the emitter from throwing.
  connection.on('error', () => undefined);
  const queues = new Map(
    QUEUE_NAMES.map((name) => {
      const queue = new Queue(name, { connection, prefix: config.queuePrefix, defaultJobOptions: DEFAULT_JOB_OPTIONS });
      queue.on('error', () => undefined);
      return [name, queue] as const;
    }),
  );
  function get(name: QueueName): Queue {
    const queue = queues.get(name);
    if (queue === undefined) throw new Error(`there is no queue ${name}`);
    return queue;
  }

  return {
    all: [...queues.values()],
    get,
    async addAll(jobs) {
      await Promise.all(
        OUTBOX_QUEUES.map(async (name) => {
          const own = jobs.filter((job) => job.queue === name);
          if (own.length === 0) return;
          await get(name).addBulk(own.map((job) => ({ name, data: job.payload, opts: { jobId: job.jobId, delay: job.delayMs } })));
        }),
      );
    },
    async close() {
      await Promise.all([...queues.values()].map((queue) => queue.close()));
      connection.disconnect();
    },
  };
}
