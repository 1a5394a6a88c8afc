import { judgeLogRefusal } from './judgeLogRefusal.ts';

/** A URL that refused so many blocks is not asked for as many before this: refusals cost calls. Plans and busy blocks change. */
const REMEMBERED_MS = 10 * 60_000;
/** A limit that was found grows by a quarter in this time, as long as the URL takes what it is asked for. */
const GROWTH_MS = 60_000;
const GROWTH_DIVISOR = 4n;
/** Words that we do not know may be about something else, and then the next URL is what helps. So many in a row speak against the number of blocks. */
const UNCLEAR_IN_A_ROW = 3;

interface UrlRange {
  /** undefined: as many as anybody wants. */
  limit: bigint | undefined;
  /** The most that it took since it refused some. */
  taken: bigint;
  /** What it refused last. */
  refused: bigint;
  refusedAt: number;
  changedAt: number;
  unclear: number;
}

/** How many blocks' logs each RPC URL gives at once: found by halving, and grown again slowly. */
export interface LogRanges {
  /** The most to ask for. undefined: no limit is known. */
  limitOf(urlIndex: number): bigint | undefined;
  noteTaken(urlIndex: number, blocks: bigint): void;
  /** @returns whether fewer blocks should be asked for at once; otherwise the error stands, and another URL is to be asked */
  noteFailed(urlIndex: number, blocks: bigint, error: unknown): boolean;
}

/** @param now milliseconds */
export function createLogRanges(now: () => number): LogRanges {
  const ranges = new Map<number, UrlRange>();

  function rangeOf(urlIndex: number): UrlRange {
    const known = ranges.get(urlIndex);
    if (known !== undefined) return known;
    const fresh = { limit: undefined, taken: 0n, refused: 0n, refusedAt: 0, changedAt: 0, unclear: 0 };
    ranges.set(urlIndex, fresh);
    return fresh;
  }

  function shrink(range: UrlRange, blocks: bigint): void {
    const half = blocks > 1n ? blocks / 2n : 1n;
    // What it took a moment ago it takes again; unless it is this that it refuses now.
    range.limit = range.taken < blocks && range.taken > half ? range.taken : half;
    Object.assign(range, { taken: 0n, refused: blocks, refusedAt: now(), changedAt: now(), unclear: 0 });
  }

  return {
    limitOf: (urlIndex) => ranges.get(urlIndex)?.limit,

    noteTaken(urlIndex, blocks) {
      const range = rangeOf(urlIndex);
      range.unclear = 0;
      if (blocks > range.taken) range.taken = blocks;
      const { limit } = range;
      // That it takes less than it may says nothing.
      if (limit === undefined || blocks < limit || now() - range.changedAt < GROWTH_MS) return;
      const grown = limit + (limit > GROWTH_DIVISOR ? limit / GROWTH_DIVISOR : 1n);
      const isRemembered = now() - range.refusedAt < REMEMBERED_MS;
      if (isRemembered && limit >= range.refused - 1n) return;
      range.limit = isRemembered && grown >= range.refused ? range.refused - 1n : grown;
      range.changedAt = now();
    },

    noteFailed(urlIndex, blocks, error) {
      const range = rangeOf(urlIndex);
      switch (judgeLogRefusal(error)) {
        case 'tooMuch':
          shrink(range, blocks);
          return blocks > 1n;
        case 'tooSlow':
          shrink(range, blocks);
          return false;
        case 'unclear':
          range.unclear += 1;
          if (range.unclear >= UNCLEAR_IN_A_ROW) shrink(range, blocks);
          return false;
        case 'other':
          return false;
      }
    },
  };
}
