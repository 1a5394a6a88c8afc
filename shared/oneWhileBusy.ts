import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Lets pieces of work begin in the order in which they come: while this process is busy one after
 * the other, otherwise all at once.
 *
 * On a processor that is busy, ten pieces of work at once are all done at the end. One after the
 * other, the first is done after a tenth of that time; and work of other kinds, which is not asked
 * to wait, has less beside it.
 */
export interface OneWhileBusy {
  run<T>(work: () => Promise<T>): Promise<T>;
}

/** Between two looks at whether the next may begin beside the one that has begun. */
const LOOK_MS = 100;
/** The others wait no longer than this for one: it may wait for somebody who does not answer. */
const LONGEST_WAIT_MS = 1_000;
/** The part of its time in which a busy process does something. */
const BUSY = 0.6;

/**
 * @param beginToMeasure begins to measure; what it returns tells which part of the time since then,
 *   from 0 to 1, the process has been doing something
 */
export function createOneWhileBusy(
  beginToMeasure: () => () => number = measureEventLoop,
): OneWhileBusy {
  let nextMayBegin: Promise<void> = Promise.resolve();

  async function waitFor(work: Promise<unknown>): Promise<void> {
    const measure = beginToMeasure();
    const ended = new AbortController();
    const end = () => ended.abort();
    // Its failure is told to whoever asked for it.
    void work.then(end, end);
    for (let waitedMs = 0; waitedMs < LONGEST_WAIT_MS; waitedMs += LOOK_MS) {
      await sleep(LOOK_MS, undefined, { signal: ended.signal }).catch(() => undefined);
      if (ended.signal.aborted || measure() < BUSY) return;
    }
  }

  return {
    async run(work) {
      const mayBegin = nextMayBegin;
      let letNextBegin = (): void => undefined;
      nextMayBegin = new Promise((resolve) => {
        letNextBegin = resolve;
      });
      await mayBegin;
      const running = begin(work);
      void waitFor(running).then(letNextBegin);
      return running;
    },
  };
}

/** What throws at once fails like what fails later: the next may begin all the same. */
async function begin<T>(work: () => Promise<T>): Promise<T> {
  return work();
}

function measureEventLoop(): () => number {
  const since = performance.eventLoopUtilization();
  return () => performance.eventLoopUtilization(since).utilization;
}
