import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { Processor, WorkerOptions } from 'bullmq';

import type { Context } from '../platform/context.ts';
import { QueueWorker } from './QueueWorker.ts';

/**
 * Until Redis is asked again for a job, or told again what became of one, after it was lost or
 * refused.
 */
const RETRY_MS = 1_000;
/**
 * An answer that is under way when a worker stops may bring a job, which is waited for. While Redis
 * is away there is none.
 */
const ANSWER_MS = 1_000;

/**
 * Keeps a worker on a queue. BullMQ's asks Redis for its version when it begins, on each of its two
 * connections: one for which that failed never works, and another takes its place.
 * @returns close: takes no more jobs and waits for those being worked on, however long that takes
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
  const closing = new Set<Promise<void>>();
  let beginningAgain: NodeJS.Timeout | undefined;

  function noteRefusal(error: unknown): void {
    if (!isRefused)
      log.warn(
        { err: error, queue },
        'Redis refuses to hand out jobs; it is asked again and again',
      );
    isRefused = true;
  }
  function noteAnswer(): void {
    if (isRefused) log.info({ queue }, 'Redis hands out jobs again');
    isRefused = false;
  }

  function begin(): void {
    const underWay = new Set<Promise<unknown>>();
    const countedWork: Processor = async (job, token) => {
      const working = Promise.resolve(work(job, token));
      underWay.add(working);
      try {
        return (await working) as unknown;
      } finally {
        underWay.delete(working);
      }
    };
    const worker = new QueueWorker(queue, countedWork, {
      ...options,
      runRetryDelay: RETRY_MS,
      pauseMs: RETRY_MS,
      onRefusal: noteRefusal,
      onAnswer: noteAnswer,
    });
    worker.on('failed', (job, error) =>
      log.error(
        { err: error, queue, jobId: job?.id, subjectId: subjectOf(job?.data) },
        'a job failed',
      ),
    );
    worker.on('error', (error) =>
      log.debug({ err: error, queue }, 'a worker could not talk to Redis'),
    );
    let hasBegun = false;
    worker.waitUntilReady().then(
      () => {
        hasBegun = true;
      },
      (error: unknown) => {
        if (isClosed) return;
        noteRefusal(error);
        beginningAgain = setTimeout(begin, RETRY_MS);
        const replaced = closeUnbegun(worker, underWay).finally(() => closing.delete(replaced));
        closing.add(replaced);
      },
    );
    closeCurrent = async () => {
      if (!hasBegun) return closeUnbegun(worker, underWay);
      await worker.close();
      await waitForAll(underWay);
    };
  }

  begin();
  return {
    async close() {
      isClosed = true;
      clearTimeout(beginningAgain);
      await Promise.all([...closing, closeCurrent()]);
    },
  };
}

/**
 * Of a worker that lacks one of its two connections. BullMQ would wait for both before it ends
 * them, so it is closed by force, which waits for no job. But jobs are handed out over the one
 * alone.
 */
async function closeUnbegun(
  worker: QueueWorker,
  underWay: ReadonlySet<Promise<unknown>>,
): Promise<void> {
  const DO_NOT_WAIT = true;
  await worker.pause(DO_NOT_WAIT);
  const waiting = new AbortController();
  await Promise.race([
    worker.whenAnswered(),
    sleep(ANSWER_MS, undefined, { signal: waiting.signal }).catch(() => undefined),
  ]);
  waiting.abort();
  // What was handed out begins before that.
  await nextTurn();
  await waitForAll(underWay);
  await worker.close(true);
  // One may have been handed out later than that.
  await waitForAll(underWay);
}

async function waitForAll(underWay: ReadonlySet<Promise<unknown>>): Promise<void> {
  while (underWay.size > 0) await Promise.allSettled(underWay);
}

function subjectOf(data: unknown): unknown {
  return typeof data === 'object' && data !== null && 'subjectId' in data
    ? data.subjectId
    : undefined;
}
