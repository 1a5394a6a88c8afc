import type { Context } from '../../platform/context.ts';
import { countLoopFailures } from '../outbox/service.ts';
import { wake } from './bringForward.ts';
import { noteAbsence, notePresence } from './places.ts';

/** How often a process says that it is there, and wakes whom nobody else has told. */
const ANNOUNCE_EVERY_MS = 1_000;
/** Longer than a process may be busy with other things. */
const ANNOUNCED_MS = 20_000;
/** When Redis did not answer, as at the start, when the connection is being made. */
const ANNOUNCE_AGAIN_MS = 250;

/**
 * Says again and again that this process works on deliveries: all places are those of all such
 * processes. Each time it wakes who waits for places that nobody has told them of: those of a
 * process that died, or that have come with a new one.
 * @returns stop: says that it does not any more
 */
export function announceProcess(ctx: Context): { stop(): Promise<void> } {
  const processId = ctx.randomBytes(8).toString('hex');
  const failures = countLoopFailures(ctx, { queue: 'maintenance', subjectId: 'announce-places' });
  let isStopped = false;
  let endNap: () => void = () => undefined;

  /** @returns whether there may be more to be woken */
  async function announce(): Promise<boolean> {
    await ctx.whenClockCompared();
    const woken = await notePresence(ctx, processId, ANNOUNCED_MS);
    await wake(ctx, woken);
    return woken.length > 0;
  }
  function nap(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      endNap = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
  async function loop(): Promise<void> {
    while (!isStopped) {
      let pauseMs = ANNOUNCE_EVERY_MS;
      try {
        const mayBeMore = await announce();
        await failures.succeeded();
        if (mayBeMore) continue;
      } catch (error) {
        ctx.log.debug(
          { err: error },
          'Redis or the database did not answer the announcement of this process',
        );
        await failures.failed(error);
        pauseMs = ANNOUNCE_AGAIN_MS;
      }
      if (!isStopped) await nap(pauseMs);
    }
  }

  const done = loop();
  return {
    async stop() {
      isStopped = true;
      endNap();
      await done;
      await noteAbsence(ctx, processId).catch((error: unknown) =>
        ctx.log.debug({ err: error }, 'Redis counts this process for a moment more'),
      );
    },
  };
}
