import type { Config } from '../platform/config.ts';
import type { QueueName, Queues } from '../platform/queues.ts';
import { QUEUES, type Schedule } from './queues.ts';

/**
 * A schedule whose next job is this late has lost it; so has one whose next job is this early: who
 * made it had a clock that was ahead.
 */
const LOST_AFTER_MS = 10_000;

/** Puts the schedules of these queues in Redis where they are not there, or not as they should. */
export async function ensureSchedules(
  config: Config,
  queues: Queues,
  names: readonly QueueName[],
): Promise<void> {
  for (const name of names) {
    const rules = QUEUES[name];
    if (rules.source !== 'schedule') continue;
    for (const schedule of rules.schedules(config)) await ensureSchedule(queues, name, schedule);
  }
}

/** Leaves a schedule that runs alone: writing it anew would move its next job. */
async function ensureSchedule(
  queues: Queues,
  queue: QueueName,
  { id, everyMs: every, name, data }: Schedule,
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
      name,
      data,
      opts: {
        attempts: 1,
        removeOnComplete: { count: 10 },
        removeOnFail: { age: 24 * 3_600, count: 100 },
      },
    },
  );
}
