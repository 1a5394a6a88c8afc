import { setTimeout as sleep } from 'node:timers/promises';

import { listForgottenAttempts } from '../../domain/relay/attempts/attemptStore.ts';
import type { Harness } from './harness.ts';

/**
 * Looks all the time for live attempts that no promised work would ever come back to. State and
 * promise change in one transaction, so there must be none at any moment: maintenance would take
 * them up again after a minute, and a test that only looks at the end would never know.
 */
export interface PromiseWatch {
  /** @returns what was found, in words. @throws Error when it could never look */
  stop(): Promise<readonly string[]>;
  close(): Promise<void>;
}

export function watchPromises({ ctx }: Pick<Harness, 'ctx'>): PromiseWatch {
  const found = new Map<string, string>();
  const over = new AbortController();
  let looks = 0;
  const watching = (async () => {
    while (!over.signal.aborted) {
      // The database is among what these tests kill.
      const forgotten = await listForgottenAttempts(ctx.db, ctx.clock.now(), 100).catch(
        () => undefined,
      );
      if (forgotten !== undefined) looks++;
      for (const { id, status } of forgotten ?? []) {
        if (!found.has(id))
          found.set(id, `relay attempt ${id} was ${status} without promised work`);
      }
      await sleep(100);
    }
  })();
  async function close(): Promise<void> {
    over.abort();
    await watching;
  }
  return {
    close,
    async stop() {
      await close();
      if (looks === 0) throw new Error('nobody could look for forgotten attempts');
      return [...found.values()];
    },
  };
}
