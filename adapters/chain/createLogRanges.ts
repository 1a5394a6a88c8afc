import { judgeLogRefusal } from './judgeLogRefusal.ts';

/**
 * A URL that refused so many blocks is not asked for as many before this: refusals cost calls.
 * Plans and busy blocks change. What it did not say in clear words is a guess, and is tried again
 * sooner.
 */
const REMEMBERED_MS = { refusal: 10 * 60_000, guess: 60_000 } as const;
/**
 * A limit that was found grows in this time, as long as the URL takes what it is asked for: by a
 * quarter, or a guess by as much again.
 */
const GROWTH_MS = 60_000;
const GROWTH_DIVISOR = { refusal: 4n, guess: 1n } as const;
/** What a URL took so recently, and fewer, it does not refuse for their number. */
const TAKEN_LATELY_MS = 2 * 60_000;
/**
 * A node that does not answer for the logs of fewer blocks has another cause: that many take no
 * seconds.
 */
const FEWEST_SLOW = 16n;
/**
 * Words that we do not know may be about something else, and then the next URL is what helps. So
 * many in a row speak against the number of blocks.
 */
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
  /** As a guess: it was silent, or spoke in words that we do not know. */
  how: 'refusal' | 'guess';
  refusedAt: number;
  changedAt: number;
}

interface UrlState {
  range: UrlRange;
  /** Before the refusals that no taken range has confirmed yet. */
  unconfirmed: UrlRange | undefined;
  /** The most that it took lately. A refusal in clear words is believed all the same. */
  lately: { readonly blocks: bigint; readonly at: number };
  unclear: number;
  /** See OTHER_CAUSE_MS. */
  otherCauseUntil: number;
}

/** How many blocks' logs each RPC URL gives at once: found by halving, and grown again slowly. */
export interface LogRanges {
  /** The most to ask for. undefined: no limit is known. */
  limitOf(urlIndex: number): bigint | undefined;
  noteTaken(urlIndex: number, blocks: bigint): void;
  /**
   * @returns whether fewer blocks should be asked for at once; otherwise the error stands, and
   *   another URL is to be asked
   */
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
    const range: UrlRange = {
      limit: undefined,
      taken: 0n,
      refused: 0n,
      how: 'guess',
      refusedAt: -Infinity,
      changedAt: -Infinity,
    };
    const lately = { blocks: 0n, at: -Infinity };
    const fresh = { range, unconfirmed: undefined, lately, unclear: 0, otherCauseUntil: -Infinity };
    states.set(urlIndex, fresh);
    return fresh;
  }

  const tookLately = ({ lately }: UrlState, blocks: bigint) =>
    blocks <= lately.blocks && now() - lately.at < TAKEN_LATELY_MS;

  /** @returns whether fewer blocks are left to ask for */
  function shrink(state: UrlState, blocks: bigint, how: UrlRange['how']): boolean {
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
    state.range = { limit, taken: 0n, refused: blocks, how, refusedAt: now(), changedAt: now() };
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
      if (!tookLately(state, blocks + 1n)) state.lately = { blocks, at: now() };
      const { limit } = range;
      // That it takes less than it may says nothing.
      if (limit === undefined || blocks < limit || now() - range.changedAt < GROWTH_MS) return;
      const divisor = GROWTH_DIVISOR[range.how];
      const grown = limit + (limit > divisor ? limit / divisor : 1n);
      const isRemembered = now() - range.refusedAt < REMEMBERED_MS[range.how];
      if (isRemembered && limit >= range.refused - 1n) return;
      range.limit = isRemembered && grown >= range.refused ? range.refused - 1n : grown;
      range.changedAt = now();
    },

    noteFailed(urlIndex, blocks, error) {
      const state = stateOf(urlIndex);
      switch (judgeLogRefusal(error)) {
        case 'tooMuch':
          return shrink(state, blocks, 'refusal');
        case 'tooSlow':
          if (blocks >= FEWEST_SLOW && !tookLately(state, blocks)) shrink(state, blocks, 'guess');
          return false;
        case 'unclear':
          if (tookLately(state, blocks)) return false;
          state.unclear += 1;
          if (state.unclear >= UNCLEAR_IN_A_ROW) shrink(state, blocks, 'guess');
          return false;
        case 'other':
          return false;
      }
    },
  };
}
