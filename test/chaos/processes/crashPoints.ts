/**
 * The moments at which a workers process can be made to die, as one payment meets them. Each lies
 * between two effects of which the second must not depend on the first one's process being alive.
 */
export const CRASH_POINTS = [
  /** The batch is chosen, its transaction not saved. */
  'beforeSave',
  /** The intent is saved, the provider was not asked. */
  'afterSaveBeforeSend',
  /** The provider has answered, the answer is not saved: before marking. */
  'afterSendBeforeMark',
  /**
   * A commit after an answer: most often the one that saved it, before the worker has ended its
   * job.
   */
  'afterMark',
  /** Outbox rows are locked, no job is on a queue. */
  'beforePublish',
  /** Jobs are on their queues, the rows are not marked. */
  'afterPublish',
  /** The chain was read, nothing of it is written. */
  'beforeScanIsSaved',
  /** The webhook is signed, not sent. */
  'beforeWebhook',
  /** The store has the webhook, which is not written down. */
  'afterWebhook',
] as const;
export type CrashPoint = (typeof CRASH_POINTS)[number];

/**
 * Environment of a workers process of this test: `<point>:<n>`, die when that point is passed for
 * the n-th time. Absent: do not.
 */
export const CRASH_VARIABLE = 'CHAOS_CRASH_AT';
