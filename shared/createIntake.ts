/** Takes in what is to be worked on, from somebody who has more of it again and again. */
export interface Intake<Item> {
  add(items: readonly Item[]): void;
  /** Waits until all of it is done. @throws the first failure; nothing was begun after it */
  end(): Promise<void>;
}

/**
 * Works in batches on what comes in, while more is on its way: what comes at one moment goes
 * together.
 * @param options.atOnce batches
 */
export function createIntake<Item>(options: {
  readonly batchSize: number;
  readonly atOnce: number;
  readonly work: (batch: readonly Item[]) => Promise<void>;
}): Intake<Item> {
  const { batchSize, atOnce, work } = options;
  const waiting: Item[] = [];
  const turns = new Set<Promise<void>>();
  const failures: unknown[] = [];
  let taken = 0;

  async function takeTurns(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    while (waiting.length > 0 && failures.length === 0) {
      try {
        await work(waiting.splice(0, batchSize));
      } catch (error) {
        failures.push(error);
      }
    }
    // At the moment at which nothing waits: what comes later has a turn of its own.
    taken--;
  }

  return {
    add(items) {
      waiting.push(...items);
      if (items.length === 0 || taken >= atOnce) return;
      taken++;
      const turn = takeTurns().finally(() => turns.delete(turn));
      turns.add(turn);
    },
    async end() {
      while (turns.size > 0) await Promise.all(turns);
      if (failures.length > 0) throw failures[0];
    },
  };
}
