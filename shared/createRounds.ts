/**
 * For what anybody may ask: one round of work at a time, whose result is good for `keptMs` after it
 * has ended. Whoever asks meanwhile is given that one.
 * @returns does the work, unless there is a round to share
 */
export function createRounds<T>(keptMs: number): (work: () => Promise<T>) => Promise<T> {
  /** `endedAt` undefined: it is under way. */
  let last: { readonly result: Promise<T>; endedAt: number | undefined } | undefined;
  return (work) => {
    if (
      last !== undefined &&
      (last.endedAt === undefined || performance.now() - last.endedAt < keptMs)
    )
      return last.result;
    const round: NonNullable<typeof last> = { result: work(), endedAt: undefined };
    last = round;
    const end = () => {
      round.endedAt = performance.now();
    };
    round.result.then(end, end);
    return round.result;
  };
}
