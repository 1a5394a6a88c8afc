import type { Clock } from '../shared/clock.ts';
import { selectRows, type Database } from './db.ts';
import type { Logger } from './logger.ts';

/**
 * The time that every process goes by: the database's. Dates are written by one process and
 * compared by another (when work is due, when a claim ends, when a payment expires), so a machine
 * whose clock is wrong must not have its own opinion of them.
 *
 * Read as own time plus a difference, which is measured every few seconds. While own time may be
 * right, it counts as it is: two clocks can only be compared within the time that the question
 * takes, and a difference of milliseconds matters to nobody.
 */
export interface DatabaseClock extends Clock {
  /**
   * How far this process's own clock is ahead of the database's, in ms; negative when it is behind,
   * undefined until they were compared.
   */
  readAheadMs(): number | undefined;
  /** One at a time. Rejects when the database does not answer: the difference stays as it was. */
  compare(): Promise<void>;
  /**
   * At once when the database has ever said what time it is; else asks it. Rejects when it does not
   * answer.
   */
  whenCompared(): Promise<void>;
  /** Compares again and again until `stop`. A failure is logged. */
  start(): void;
  stop(): void;
}

const COMPARE_EVERY_MS = 5_000;
/** Until it is known: the database may have been away when the process started. */
const FIRST_COMPARE_EVERY_MS = 250;
/** The quickest answer says most. */
const SAMPLES = 3;
/** Differences up to this are not followed. */
const TOLERANCE_MS = 100;
/**
 * An answer that took longer, since the database or this process had much to do, says too little to
 * go by, but for what it rules out.
 */
const MOST_UNCERTAIN_MS = 1_000;
/** From here on people are told. */
const WARN_MS = 2_000;
const WARN_AGAIN_MS = 10 * 60_000;

/** The difference `database − own` lies between these, in ms. */
export interface MeasuredDifference {
  readonly low: number;
  readonly high: number;
}

/**
 * @param presentMs what was added until now: it stays for as long as it may be right, so that time
 *   does not go back and forth
 * @returns what to add to own time from now on, in ms: nothing when own time may be right
 */
export function decideDifference(presentMs: number, { low, high }: MeasuredDifference): number {
  const mayBe = (ms: number) => low - TOLERANCE_MS <= ms && ms <= high + TOLERANCE_MS;
  if (mayBe(presentMs)) return presentMs;
  // No further than is certain: the middle may be further from the truth than what was.
  if (high - low > MOST_UNCERTAIN_MS) return Math.round(presentMs < low ? low : high);
  return mayBe(0) ? 0 : Math.round((low + high) / 2);
}

/** The system's clock, and one that only ever goes forward at the same pace. */
export interface OwnClocks {
  readonly wallMs: () => number;
  readonly monotonicMs: () => number;
}

const OWN_CLOCKS: OwnClocks = { wallMs: () => Date.now(), monotonicMs: () => performance.now() };

export function createDatabaseClock(
  db: Database,
  log: Logger,
  { wallMs, monotonicMs }: OwnClocks = OWN_CLOCKS,
): DatabaseClock {
  let differenceMs = 0;
  let aheadMs: number | undefined;
  let hasCompared = false;
  /**
   * How far wall time was from monotonic time when the clocks were compared: when that changes,
   * somebody has set the wall clock.
   */
  let wallOffsetMs = wallMs() - monotonicMs();
  let timer: NodeJS.Timeout | undefined;
  let warnedAt = -Infinity;

  function readOwnMs(): number {
    const wall = wallMs();
    const expected = monotonicMs() + wallOffsetMs;
    return Math.abs(wall - expected) > TOLERANCE_MS ? expected : wall;
  }

  async function measure(): Promise<MeasuredDifference> {
    const askedAt = wallMs();
    const startedAt = monotonicMs();
    const [row] = await selectRows<{ now: Date }>(db, 'SELECT UTC_TIMESTAMP(3) AS now');
    const tookMs = monotonicMs() - startedAt;
    if (row === undefined) throw new Error('the database does not say what time it is');
    const high = row.now.getTime() - askedAt;
    return { low: high - tookMs, high };
  }

  let comparing: Promise<void> | undefined;

  function compare(): Promise<void> {
    comparing ??= compareOnce().finally(() => {
      comparing = undefined;
    });
    return comparing;
  }

  async function compareOnce(): Promise<void> {
    let best: MeasuredDifference | undefined;
    for (let sample = 0; sample < SAMPLES; sample++) {
      const measured = await measure();
      if (best === undefined || measured.high - measured.low < best.high - best.low)
        best = measured;
    }
    if (best === undefined) return;
    const ownMs = readOwnMs();
    wallOffsetMs = wallMs() - monotonicMs();
    // The present difference belonged to the wall clock as it was; a step of it since then is part
    // of what was measured.
    differenceMs = decideDifference(Math.round(ownMs + differenceMs - wallMs()), best);
    hasCompared = true;
    if (best.high - best.low > MOST_UNCERTAIN_MS) return;
    aheadMs = -Math.round((best.low + best.high) / 2);
    tellPeople(aheadMs);
  }

  function tellPeople(ms: number): void {
    const isWrong = Math.abs(ms) > WARN_MS;
    if (!isWrong && warnedAt !== -Infinity) {
      log.info({ aheadMs: ms }, 'this machine’s clock agrees with the database’s again');
      warnedAt = -Infinity;
    }
    if (!isWrong || monotonicMs() - warnedAt < WARN_AGAIN_MS) return;
    warnedAt = monotonicMs();
    log.warn(
      { aheadMs: ms },
      'this machine’s clock differs from the database’s: the database’s is gone by; set one of them right',
    );
  }

  function compareLater(): void {
    const own = setTimeout(
      () => {
        void compare()
          .catch((error: unknown) => log.debug({ err: error }, 'the clocks could not be compared'))
          .then(() => {
            // Nobody has stopped it meanwhile.
            if (timer === own) compareLater();
          });
      },
      aheadMs === undefined ? FIRST_COMPARE_EVERY_MS : COMPARE_EVERY_MS,
    ).unref();
    timer = own;
  }

  return {
    now: () => new Date(readOwnMs() + differenceMs),
    readAheadMs: () => aheadMs,
    compare,
    whenCompared: () => (hasCompared ? Promise.resolve() : compare()),
    start() {
      if (timer === undefined) compareLater();
    },
    stop() {
      clearTimeout(timer);
      timer = undefined;
    },
  };
}
