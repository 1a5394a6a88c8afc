import type { OutboxQueue } from './model.ts';

/** What a job carries: ids only, since jobs lie in Redis as plain text. */
export interface JobPayload {
  readonly outboxId: string;
  readonly generation: number;
  readonly subjectId: string;
  readonly requestId: string | null;
}

export interface QueuedJob {
  readonly queue: OutboxQueue;
  readonly jobId: string;
  readonly payload: JobPayload;
  readonly delayMs: number;
}

export interface JobQueuePort {
  /**
   * Adds all of them; a job with an id that is already there is left alone. Throws when Redis is
   * away.
   */
  addAll(jobs: readonly QueuedJob[]): Promise<void>;
}
