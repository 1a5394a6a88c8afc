import { setTimeout as sleep } from 'node:timers/promises';
import { Worker, type Job, type Processor, type WorkerOptions } from 'bullmq';

export interface QueueWorkerOptions extends WorkerOptions {
  /** After a refusal, in ms. */
  readonly pauseMs: number;
  /** Redis, or what leads to it, refused to hand out a job. */
  readonly onRefusal: (error: unknown) => void;
  /** It handed one out, or said that there is none. */
  readonly onAnswer: () => void;
}

/**
 * BullMQ's worker, which asks again at once where Redis is there and refuses to hand out a job: out of memory, no rights, too few
 * replicas. Each worker of each process would keep it and the event loop busy with that. Here every refusal is followed by a pause.
 */
export class QueueWorker extends Worker {
  readonly #options: QueueWorkerOptions;

  constructor(name: string, work: Processor, options: QueueWorkerOptions) {
    super(name, work, options);
    this.#options = options;
  }

  protected override async moveToActive(token: string, name?: string): Promise<Job> {
    const { pauseMs, onRefusal, onAnswer } = this.#options;
    try {
      const job = await super.moveToActive(token, name);
      onAnswer();
      return job;
    } catch (error) {
      if (this.closing === undefined) {
        onRefusal(error);
        await sleep(pauseMs);
      }
      throw error;
    }
  }
}
