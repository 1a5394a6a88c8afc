import { setTimeout as sleep } from 'node:timers/promises';
import { Worker, type Job, type Processor, type WorkerOptions } from 'bullmq';

export interface QueueWorkerOptions extends WorkerOptions {
  /** After a refusal, in ms. */
  readonly pauseMs: number;
  /** Redis, or what leads to it, refused to hand out a job, or to say when there is one. */
  readonly onRefusal: (error: unknown) => void;
  /** It handed one out, or said that there is none. */
  readonly onAnswer: () => void;
}

/**
 * BullMQ's worker, which asks again at once where Redis is there and refuses to hand out a job: out
 * of memory, no rights, too few replicas. Each worker of each process would keep it and the event
 * loop busy with that. Here every refusal is followed by a pause, also of the wait for a job
 * (BZPOPMIN) while there is none. A wait that succeeds is no answer yet: a fetch follows it.
 */
export class QueueWorker extends Worker {
  readonly #options: QueueWorkerOptions;
  readonly #asking = new Set<Promise<unknown>>();

  constructor(name: string, work: Processor, options: QueueWorkerOptions) {
    super(name, work, options);
    this.#options = options;
    // Its own method of that name calls this one, and is private.
    const waitForJob = this.backend.waitForJob.bind(this.backend);
    this.backend.waitForJob = (blockSeconds) =>
      this.#pausingAfterRefusal(() => waitForJob(blockSeconds));
    // Whoever closes a worker ends this connection first. Where that fails, since its host is being
    // looked up in vain at that moment, BullMQ would not wait for the jobs.
    const disconnectBlocking = this.backend.disconnectBlocking.bind(this.backend);
    this.backend.disconnectBlocking = (wait) =>
      disconnectBlocking(wait).catch((error: unknown) => {
        this.emit('error', error instanceof Error ? error : new Error(String(error)));
      });
  }

  /** Until the questions for a job that are under way have been answered, or have failed. */
  async whenAnswered(): Promise<void> {
    await Promise.allSettled(this.#asking);
  }

  protected override async moveToActive(token: string, name?: string): Promise<Job> {
    // BullMQ asks after each wait for a job, also when it was stopped meanwhile.
    if (this.closing !== undefined || this.isPaused())
      throw new Error('a worker that stops takes no more jobs');
    const job = await this.#pausingAfterRefusal(() =>
      this.#noting(super.moveToActive(token, name)),
    );
    this.#options.onAnswer();
    return job;
  }

  async #noting<T>(asking: Promise<T>): Promise<T> {
    this.#asking.add(asking);
    try {
      return await asking;
    } finally {
      this.#asking.delete(asking);
    }
  }

  async #pausingAfterRefusal<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (error) {
      if (this.closing === undefined) {
        this.#options.onRefusal(error);
        await sleep(this.#options.pauseMs);
      }
      throw error;
    }
  }
}
