/**
 * Preloaded into a process (`--import`): its wall clock is ahead by `TEST_CLOCK_AHEAD_MS`, as on a
 * machine whose clock nobody sets.
 */
const aheadMs = Number(process.env['TEST_CLOCK_AHEAD_MS']);
if (!Number.isSafeInteger(aheadMs)) throw new Error('TEST_CLOCK_AHEAD_MS is no whole number');

const RealDate = Date;

class ShiftedDate extends RealDate {
  constructor(...args) {
    if (args.length === 0) super(RealDate.now() + aheadMs);
    else super(...args);
  }

  static now() {
    return RealDate.now() + aheadMs;
  }
}

globalThis.Date = ShiftedDate;
