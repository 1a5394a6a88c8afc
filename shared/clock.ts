/** Time comes from the context so that rules can be tested at any moment. */
export interface Clock {
  now(): Date;
}

export const systemClock: Clock = { now: () => new Date() };

export function addMs(date: Date, ms: number): Date {
  return new Date(date.getTime() + ms);
}

/** Unix seconds as the chain counts them, rounded down. */
export function toUnixSeconds(date: Date): number {
  return Math.floor(date.getTime() / 1000);
}

export function fromUnixSeconds(seconds: number): Date {
  return new Date(seconds * 1000);
}

/**
 * Blocks' clocks run ahead of or behind ours by seconds; a signature counts as dead only this long
 * after its deadline.
 */
export const BLOCK_CLOCK_MARGIN_MS = 30_000;
