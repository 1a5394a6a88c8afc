import { setTimeout as sleep } from 'node:timers/promises';

import { findCursor } from '../../../domain/chain/store.ts';
import type { Database } from '../../../platform/db.ts';
import type { ChaosChain } from '../chains/startChaosChains.ts';

/** How a chain was scanned meanwhile. */
export interface ScanFigures {
  /** The longest time in which no block was scanned that had not been before. */
  readonly stoodSeconds: number;
  /** How often the scan was moved back. */
  readonly movedBack: number;
}

export interface CursorWatch {
  /** By the chain's name. */
  figures(): Readonly<Record<string, ScanFigures>>;
  close(): Promise<void>;
}

const LOOK_MS = 500;

/** For the report: waiting for the end tells whether one stands in the end. */
export function watchCursors(db: Database, chains: readonly ChaosChain[]): CursorWatch {
  const seen = new Map(
    chains.map(({ chainId }) => [
      chainId,
      { highest: 0n, since: Date.now(), stoodMs: 0, movedBack: 0 },
    ]),
  );
  const over = new AbortController();
  const watching = (async () => {
    while (!over.signal.aborted) {
      for (const [chainId, state] of seen) {
        // The database is among what is killed meanwhile.
        const cursor = await findCursor(db, chainId).catch(() => undefined);
        if (cursor === undefined) continue;
        state.stoodMs = Math.max(state.stoodMs, Date.now() - state.since);
        state.movedBack = cursor.generation;
        if (cursor.nextBlock <= state.highest) continue;
        state.highest = cursor.nextBlock;
        state.since = Date.now();
      }
      await sleep(LOOK_MS);
    }
  })();
  return {
    figures: () =>
      Object.fromEntries(
        chains.flatMap(({ chainId, name }) => {
          const state = seen.get(chainId);
          return state === undefined
            ? []
            : [
                [
                  name,
                  { stoodSeconds: Math.round(state.stoodMs / 1000), movedBack: state.movedBack },
                ],
              ];
        }),
      ),
    async close() {
      over.abort();
      await watching;
    },
  };
}
