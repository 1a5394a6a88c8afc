/**
 * Works on all items, a few at once and in their order. What fails for one keeps nobody else's work
 * from being done; the first failure is thrown when all have ended, so that whoever counts failures
 * hears of it.
 * @param options.atOnce absent: all of them
 * @param options.onFailure told of each failure, with what it was about
 */
export async function tryAll<T>(
  items: readonly T[],
  work: (item: T) => Promise<unknown>,
  options: {
    readonly atOnce?: number;
    readonly onFailure?: (error: unknown, item: T) => void;
  } = {},
): Promise<void> {
  const queue = items.values();
  const failures: unknown[] = [];
  async function takeTurns(): Promise<void> {
    for (const item of queue) {
      try {
        await work(item);
      } catch (error) {
        failures.push(error);
        options.onFailure?.(error, item);
      }
    }
  }
  await Promise.all(
    Array.from({ length: Math.min(options.atOnce ?? items.length, items.length) }, takeTurns),
  );
  if (failures.length > 0) throw failures[0];
}
