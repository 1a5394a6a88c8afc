/** Remembers what was put in most recently, in a bounded space. */
export interface RecentMemory<Value> {
  get(key: string): Value | undefined;
  set(key: string, value: Value): void;
  clear(): void;
}

/**
 * Two generations of entries: when the younger one is full it becomes the older one, and that one
 * is forgotten. So nothing is sorted by age, and what is asked for again and again stays.
 * @param limit entries of one generation; at least so many of the last ones are remembered, at most
 *   twice as many
 */
export function createRecentMemory<Value>(limit: number): RecentMemory<Value> {
  let young = new Map<string, Value>();
  let old = new Map<string, Value>();

  function set(key: string, value: Value): void {
    if (young.size >= limit && !young.has(key)) {
      old = young;
      young = new Map();
    }
    young.set(key, value);
  }

  return {
    get(key) {
      const recent = young.get(key);
      if (recent !== undefined) return recent;
      const older = old.get(key);
      if (older !== undefined) set(key, older);
      return older;
    },
    set,
    clear() {
      young = new Map();
      old = new Map();
    },
  };
}
