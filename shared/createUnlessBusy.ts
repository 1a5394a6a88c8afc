/** Does work, unless work of the same key is under way: then nothing is done. */
export type UnlessBusy = (key: string, work: () => Promise<unknown>) => Promise<void>;

/**
 * For what is done again and again, by a schedule, and may take longer than the time between two
 * runs: one of it is enough, and further ones would only take the places of other work.
 */
export function createUnlessBusy(): UnlessBusy {
  const busy = new Set<string>();
  return async (key, work) => {
    if (busy.has(key)) return;
    busy.add(key);
    try {
      await work();
    } finally {
      busy.delete(key);
    }
  };
}
