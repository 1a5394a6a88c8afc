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
 * BullMQ's worker, which asks again at once where Redis is there and refuses to hand out a job: out of memory, no rights, too few
 * replicas. Each worker of each process would keep it and the event loop busy with that. Here every refusal is followed by a pause,
 * also of the wait for a job (BZPOPMIN) while there is none. A wait that succeeds is no answer yet: a fetch follows it.
 */
export class QueueWorker extends Worker {
  readonly #options: QueueWorkerOptions;

  constructor(name: string, work: Processor, options: QueueWorkerOptions) {
    super(name, work, options);
    this.#options = options;
    // Its own method of that name calls this one, and is private.
    const waitForJob = this.backend.waitForJob.bind(this.backend);
    this.backend.waitForJob = (blockSeconds) => this.#pausingAfterRefusal(() => waitForJob(blockSeconds));
  }

  protected override async moveToActive(token: string, name?: string): Promise<Job> {
    const job = await this.#pausingAfterRefusal(() => super.moveToActive(token, name));
    this.#options.onAnswer();
    return job;
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
