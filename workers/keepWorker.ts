import type { Processor, WorkerOptions } from 'bullmq';

import type { Context } from '../platform/context.ts';
import { QueueWorker } from './QueueWorker.ts';

/** Until Redis is asked again for a job, or told again what became of one, after it was lost or refused. */
const RETRY_MS = 1_000;

/**
 * Keeps a worker on a queue. BullMQ's asks Redis for its version when it begins, on each of its two connections: one for which that
 * failed never works, and another takes its place.
 * @returns close: takes no more jobs and waits for those being worked on; one that has not begun, while Redis is away, has none
 */
export function keepWorker(
  { log }: Pick<Context, 'log'>,
  queue: string,
  work: Processor,
  options: WorkerOptions,
): { close(): Promise<void> } {
  let isClosed = false;
  let isRefused = false;
  let closeCurrent: () => Promise<void>;
  let beginningAgain: NodeJS.Timeout | undefined;

  function noteRefusal(error: unknown): void {
    if (!isRefused) log.warn({ err: error, queue }, 'Redis refuses to hand out jobs; it is asked again and again');
    isRefused = true;
  }
  function noteAnswer(): void {
    if (isRefused) log.info({ queue }, 'Redis hands out jobs again');
    isRefused = false;
  }

  function begin(): void {
    const worker = new QueueWorker(queue, work, {
      ...options,
      runRetryDelay: RETRY_MS,
      pauseMs: RETRY_MS,
      onRefusal: noteRefusal,
      onAnswer: noteAnswer,
    });
    worker.on('failed', (job, error) => log.error({ err: error, queue, jobId: job?.id, subjectId: subjectOf(job?.data) }, 'a job failed'));
    worker.on('error', (error) => log.debug({ err: error, queue }, 'a worker could not talk to Redis'));
    let hasBegun = false;
    worker.waitUntilReady().then(
      () => {
        hasBegun = true;
      },
      (error: unknown) => {
        if (isClosed) return;
        noteRefusal(error);
        beginningAgain = setTimeout(begin, RETRY_MS);
        void worker.close(true);
      },
    );
    // BullMQ would wait for both connections before it ends them.
    closeCurrent = () => worker.close(!hasBegun);
  }

  begin();
  return {
    close() {
      isClosed = true;
      clearTimeout(beginningAgain);
      return closeCurrent();
    },
  };
}

function subjectOf(data: unknown): unknown {
  return typeof data === 'object' && data !== null && 'subjectId' in data ? data.subjectId : undefined;
}
