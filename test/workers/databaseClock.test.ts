import { expect } from 'chai';
import { pino } from 'pino';

import {
  createDatabaseClock,
  decideDifference,
  type OwnClocks,
} from '../../platform/databaseClock.ts';
import { createDatabase } from '../../platform/db.ts';
import { createHarness, type Harness } from '../support/harness.ts';

/**
 * What two clocks may be apart that were compared over a connection, on a machine that has other
 * things to do: half of what the answer took. Those here that are wrong are so by three seconds and
 * more.
 */
const NEAR_MS = 1_000;

describe('the database’s clock', () => {
  let harness: Harness;
  before(async function () {
    this.timeout(120_000);
    harness = await createHarness();
  });
  after(() => harness.close());

  /** Own clocks whose wall time can be set. */
  function createOwnClocks(): OwnClocks & { aheadMs: number } {
    return {
      aheadMs: 0,
      wallMs() {
        return Date.now() + this.aheadMs;
      },
      monotonicMs: () => performance.now(),
    };
  }

  function createLog(): { log: pino.Logger; lines: () => { level: number; aheadMs: number }[] } {
    const written: string[] = [];
    const log = pino({ level: 'info' }, { write: (line: string) => written.push(line) });
    return {
      log,
      lines: () => written.map((line) => JSON.parse(line) as { level: number; aheadMs: number }),
    };
  }

  function follow(own: OwnClocks & { aheadMs: number }) {
    const { log, lines } = createLog();
    const clocks: OwnClocks = { wallMs: () => own.wallMs(), monotonicMs: () => own.monotonicMs() };
    return { clock: createDatabaseClock(harness.ctx.db, log, clocks), lines };
  }
  const expectTrueTime = (date: Date) =>
    expect(Math.abs(date.getTime() - Date.now())).to.be.below(NEAR_MS);

  for (const aheadMs of [60_000, -20 * 60_000, 3_000]) {
    it(`is gone by on a machine whose clock is ${aheadMs} ms ahead, and people are told once`, async () => {
      const own = createOwnClocks();
      own.aheadMs = aheadMs;
      const { clock, lines } = follow(own);
      await clock.compare();
      await clock.compare();
      expectTrueTime(clock.now());
      expect(clock.readAheadMs()).to.be.closeTo(aheadMs, NEAR_MS);
      const told = lines();
      expect(told.map(({ level }) => level)).to.deep.equal([40]);
      expect(told[0]?.aheadMs).to.be.closeTo(aheadMs, NEAR_MS);
    });
  }

  it('is a machine’s own time while that may be right', async () => {
    const own = createOwnClocks();
    const { clock, lines } = follow(own);
    await clock.compare();
    const before = Date.now();
    const now = clock.now().getTime();
    expect(now).to.be.within(before, Date.now());
    expect(lines()).to.deep.equal([]);
  });

  it('does not follow a wall clock that is set, neither before it was compared again nor after that', async () => {
    const own = createOwnClocks();
    const { clock, lines } = follow(own);
    await clock.compare();
    own.aheadMs = 3_600_000;
    expectTrueTime(clock.now());
    await clock.compare();
    expectTrueTime(clock.now());
    own.aheadMs = 0;
    expectTrueTime(clock.now());
    await clock.compare();
    expectTrueTime(clock.now());
    expect(clock.readAheadMs()).to.be.closeTo(0, NEAR_MS);
    // Once that it is wrong, and once that it is right again.
    expect(lines().map(({ level }) => level)).to.deep.equal([40, 30]);
  });

  it('is not gone by, and nobody is told, when the answer took so long that it says nothing', async () => {
    const own = createOwnClocks();
    const { log, lines } = createLog();
    // The answer of a pool that is in use: seconds later, by the machine's clock.
    let ms = 0;
    const slow = { wallMs: () => own.wallMs() + ms, monotonicMs: () => (ms += 4_000) };
    const clock = createDatabaseClock(harness.ctx.db, log, slow);
    await Promise.all([clock.compare(), clock.compare()]);
    expect(clock.readAheadMs()).to.equal(undefined);
    expect(lines()).to.deep.equal([]);
  });

  it('goes on as it was while the database is away', async () => {
    const own = createOwnClocks();
    own.aheadMs = 60_000;
    const db = createDatabase(harness.databaseUrl, 1);
    const clock = createDatabaseClock(db, harness.ctx.log, {
      wallMs: () => own.wallMs(),
      monotonicMs: () => own.monotonicMs(),
    });
    await clock.compare();
    await db.destroy();
    const failure = await clock.compare().catch((error: unknown) => error);
    expect(failure).to.be.instanceOf(Error);
    expectTrueTime(clock.now());
  });

  describe('decides what to add to own time', () => {
    const cases: {
      name: string;
      present: number;
      measured: { low: number; high: number };
      expected: number;
    }[] = [
      {
        name: 'nothing, where own time may be right',
        present: 0,
        measured: { low: -5, high: 5 },
        expected: 0,
      },
      {
        name: 'nothing, for what a slow answer cannot tell',
        present: 0,
        measured: { low: -900, high: 20 },
        expected: 0,
      },
      {
        name: 'nothing, for milliseconds',
        present: 0,
        measured: { low: 40, high: 90 },
        expected: 0,
      },
      {
        name: 'the middle of what it may be',
        present: 0,
        measured: { low: 60_000, high: 60_010 },
        expected: 60_005,
      },
      {
        name: 'what it was, where that may be right still',
        present: 60_005,
        measured: { low: 59_950, high: 60_400 },
        expected: 60_005,
      },
      {
        name: 'something else, once it cannot be',
        present: 60_005,
        measured: { low: -20_000, high: -19_990 },
        expected: -19_995,
      },
      {
        name: 'what it was, for what a slow answer cannot tell',
        present: -3_000,
        measured: { low: -3_000, high: 1_000 },
        expected: -3_000,
      },
      {
        name: 'what is certain and no more, for an answer that took seconds',
        present: 0,
        measured: { low: 2_000, high: 9_000 },
        expected: 2_000,
      },
      {
        name: 'the same, of a clock that is ahead',
        present: 0,
        measured: { low: -900_000, high: -890_000 },
        expected: -890_000,
      },
      {
        name: 'nothing, where an answer that took seconds leaves it open',
        present: 0,
        measured: { low: -9_000, high: 50 },
        expected: 0,
      },
      {
        name: 'what it was, while that may be right as well as own time',
        present: -150,
        measured: { low: -160, high: 30 },
        expected: -150,
      },
      {
        name: 'nothing again, once own time may be right',
        present: 60_005,
        measured: { low: -3, high: 4 },
        expected: 0,
      },
    ];
    for (const { name, present, measured, expected } of cases) {
      it(name, () => {
        expect(decideDifference(present, measured)).to.equal(expected);
      });
    }
  });
});
