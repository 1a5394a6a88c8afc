import { judgeLogRefusal } from './judgeLogRefusal.ts';

/** A URL that refused so many blocks is not asked for as many before this: refusals cost calls. Plans and busy blocks change. */
const REMEMBERED_MS = 10 * 60_000;
/** A limit that was found grows by a quarter in this time, as long as the URL takes what it is asked for. */
const GROWTH_MS = 60_000;
const GROWTH_DIVISOR = 4n;
/** Words that we do not know may be about something else, and then the next URL is what helps. So many in a row speak against the number of blocks. */
const UNCLEAR_IN_A_ROW = 3;
/**
 * A URL that refuses a single block, too, has another cause for it. For so long no refusal of it is
 * followed to fewer blocks: each such way down is a dozen requests.
 */
const OTHER_CAUSE_MS = 60_000;

interface UrlRange {
  /** undefined: as many as anybody wants. */
  limit: bigint | undefined;
  /** The most that it took since it refused some. */
  taken: bigint;
  /** What it refused last. */
  refused: bigint;
  refusedAt: number;
  changedAt: number;
}

interface UrlState {
  range: UrlRange;
  /** Before the refusals that no taken range has confirmed yet. */
  unconfirmed: UrlRange | undefined;
  unclear: number;
  /** See OTHER_CAUSE_MS. */
  otherCauseUntil: number;
}

/** How many blocks' logs each RPC URL gives at once: found by halving, and grown again slowly. */
export interface LogRanges {
  /** The most to ask for. undefined: no limit is known. */
  limitOf(urlIndex: number): bigint | undefined;
  noteTaken(urlIndex: number, blocks: bigint): void;
  /** @returns whether fewer blocks should be asked for at once; otherwise the error stands, and another URL is to be asked */
  noteFailed(urlIndex: number, blocks: bigint, error: unknown): boolean;
}

/**
 * A refusal is one of the number of blocks once fewer are taken. When a single block is refused as
 * well, what was known before counts again.
 * @param now milliseconds
 */
export function createLogRanges(now: () => number): LogRanges {
  const states = new Map<number, UrlState>();

  function stateOf(urlIndex: number): UrlState {
    const known = states.get(urlIndex);
    if (known !== undefined) return known;
    const range = { limit: undefined, taken: 0n, refused: 0n, refusedAt: 0, changedAt: 0 };
    const fresh = { range, unconfirmed: undefined, unclear: 0, otherCauseUntil: -Infinity };
    states.set(urlIndex, fresh);
    return fresh;
  }

  /** @returns whether fewer blocks are left to ask for */
  function shrink(state: UrlState, blocks: bigint): boolean {
    state.unclear = 0;
    if (now() < state.otherCauseUntil) return false;
    if (blocks === 1n) {
      if (state.unconfirmed !== undefined) state.range = state.unconfirmed;
      state.unconfirmed = undefined;
      state.otherCauseUntil = now() + OTHER_CAUSE_MS;
      return false;
    }
    const { range } = state;
    // Another read has found out more meanwhile.
    if (range.limit !== undefined && range.limit < blocks) return true;
    state.unconfirmed ??= range;
    const half = blocks / 2n;
    // What it took a moment ago it takes again; unless it is this that it refuses now.
    const limit = range.taken < blocks && range.taken > half ? range.taken : half;
    state.range = { limit, taken: 0n, refused: blocks, refusedAt: now(), changedAt: now() };
    return true;
  }

  return {
    limitOf: (urlIndex) => states.get(urlIndex)?.range.limit,

    noteTaken(urlIndex, blocks) {
      const state = stateOf(urlIndex);
      state.unclear = 0;
      state.unconfirmed = undefined;
      const { range } = state;
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
      const state = stateOf(urlIndex);
      switch (judgeLogRefusal(error)) {
        case 'tooMuch':
          return shrink(state, blocks);
        case 'tooSlow':
          shrink(state, blocks);
          return false;
        case 'unclear':
          state.unclear += 1;
          if (state.unclear >= UNCLEAR_IN_A_ROW) shrink(state, blocks);
          return false;
        case 'other':
          return false;
      }
    },
  };
}
