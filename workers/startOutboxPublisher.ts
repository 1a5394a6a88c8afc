import { countLoopFailures, publishOutbox, type StoreTurns } from '../domain/outbox/service.ts';
import type { JobQueuePort } from '../domain/outbox/ports.ts';
import type { Context } from '../platform/context.ts';
import { OUTBOX_GATES } from './queues.ts';

/**
 * Of a queue's oldest rows, for one transaction: enough to keep up, few enough to leave some for
 * others.
 */
const BATCH = 200;
/** Without a hint, how long a row may lie. */
const POLL_MS = 250;
const FAILURE_PAUSE_MS = 1_000;

/**
 * Moves outbox rows to their queues: at every hint, and a few times a second in any case. A loop of
 * its own and not a queue, since it is what fills the queues again after Redis lost them. Any
 * number of processes may run one. What fails in a row is counted like any work (workFailures.ts).
 * @returns stop: resolves when the last batch is done
 */
export function startOutboxPublisher(
  ctx: Context,
  queues: JobQueuePort,
): { stop: () => Promise<void> } {
  const turns: StoreTurns = new Map();
  const failures = countLoopFailures(ctx, { queue: 'maintenance', subjectId: 'publish-outbox' });
  let stopping = false;
  let hinted = false;
  let wake: () => void = () => undefined;
  const unsubscribe = ctx.signals.onOutboxFilled(() => {
    hinted = true;
    wake();
  });

  function nap(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async function loop(): Promise<void> {
    while (!stopping) {
      hinted = false;
      let pauseMs = POLL_MS;
      try {
        await ctx.whenClockCompared();
        const published = await publishOutbox(ctx, queues, BATCH, OUTBOX_GATES, turns);
        await failures.succeeded();
        if (published >= BATCH) continue;
      } catch (error) {
        ctx.log.warn({ err: error }, 'the outbox could not be published, it will be tried again');
        await failures.failed(error);
        pauseMs = FAILURE_PAUSE_MS;
      }
      if (!hinted && !stopping) await nap(pauseMs);
    }
  }

  const done = loop();
  return {
    async stop() {
      stopping = true;
      unsubscribe();
      wake();
      await done;
    },
  };
}
