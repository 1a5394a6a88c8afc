export interface PassingTime {
  pass(ms: number): void;
  /** Time is what it is again. */
  end(): void;
}

/**
 * What this process measures with `performance.now()` takes as much longer as is passed. Nothing
 * waits less for it.
 */
export function passTime(): PassingTime {
  const real = performance.now;
  let passedMs = 0;
  performance.now = () => real.call(performance) + passedMs;
  return {
    pass(ms) {
      passedMs += ms;
    },
    end() {
      performance.now = real;
    },
  };
}
