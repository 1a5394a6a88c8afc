/**
 * Answers of the database that may be a few seconds old. Keeps the promise, not the value: requests
 * that arrive together ask once. Bounded: the oldest entry makes room, so nobody can fill the
 * memory with made-up keys.
 */
export interface ExpiringCache<Value> {
  /** The kept answer, or that of `load`. A failed load is not kept. */
  get(key: string, now: number, load: () => Promise<Value>): Promise<Value>;
  /** The kept answer if it is here already; undefined as well while it loads. */
  peek(key: string, now: number): Value | undefined;
  clear(): void;
}

export function createExpiringCache<Value>(options: {
  maxEntries: number;
  lifetimeMs: (value: Value) => number;
}): ExpiringCache<Value> {
  interface Entry {
    readonly answer: Promise<Value>;
    value?: Value;
    /** Unix ms; Infinity while it loads. */
    expiresAt: number;
  }
  const entries = new Map<string, Entry>();

  return {
    async get(key, now, load) {
      const known = entries.get(key);
      if (known !== undefined && now < known.expiresAt) return known.answer;
      const entry: Entry = { answer: load(), expiresAt: Infinity };
      // Deleted first, so that the order of the map is the order of loading.
      entries.delete(key);
      entries.set(key, entry);
      if (entries.size > options.maxEntries) {
        const [oldest] = entries.keys();
        if (oldest !== undefined) entries.delete(oldest);
      }
      try {
        const value = await entry.answer;
        // Counted from the moment of asking: the answer may be as old as that.
        entry.expiresAt = now + options.lifetimeMs(value);
        entry.value = value;
        return value;
      } catch (error) {
        if (entries.get(key) === entry) entries.delete(key);
        throw error;
      }
    },
    peek(key, now) {
      const known = entries.get(key);
      return known !== undefined && now < known.expiresAt ? known.value : undefined;
    },
    clear: () => entries.clear(),
  };
}
