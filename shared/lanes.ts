/**
 * Lets one piece of work at a time through for each key; the others wait in the order in which they
 * came.
 */
export interface Lanes {
  run<T>(key: string, work: () => Promise<T>): Promise<T>;
  /** How many wait behind the one that is let through. */
  countWaiting(key: string): number;
}

interface Lane {
  last: Promise<unknown>;
  /** With the one that is let through. */
  count: number;
}

export function createLanes(): Lanes {
  const lanes = new Map<string, Lane>();
  return {
    async run(key, work) {
      const lane = lanes.get(key) ?? { last: Promise.resolve(), count: 0 };
      lanes.set(key, lane);
      lane.count += 1;
      const before = lane.last;
      const turn = (async () => {
        // Its failure is told to whoever asked for it.
        await before.catch(() => undefined);
        return work();
      })();
      lane.last = turn;
      try {
        return await turn;
      } finally {
        lane.count -= 1;
        if (lane.count === 0) lanes.delete(key);
      }
    },
    countWaiting: (key) => Math.max(0, (lanes.get(key)?.count ?? 0) - 1),
  };
}
