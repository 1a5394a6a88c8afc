import type { Context } from '../../platform/context.ts';
import { AppError } from '../../shared/errors.ts';
import { IDEMPOTENCY_ERRORS } from './errors.ts';
import type { IdempotencyClaim } from './model.ts';

/** As long as a lock wait, which is how long a twin in another process waits. */
const MAX_WAIT_MS = 8_000;

/**
 * What became of the request that is on its way under a key: nothing failed, or what it failed
 * with.
 */
interface Flight {
  readonly requestHash: string;
  readonly landing: Promise<{ readonly error?: unknown }>;
}

/** A process may hold several contexts (a test run, above all), each with a database of its own. */
const flightsByDatabase = new WeakMap<Context['db'], Map<string, Flight>>();

/**
 * Lets one request at a time go ahead under each key in this process: a twin waits for the first
 * rather than do all the work in vain and be rolled back, with whatever was to be committed beside
 * it.
 * @param lead does the request
 * @param follow answers with what was stored by a request that has succeeded; undefined when there
 *   is nothing (any more)
 * @throws what the first fails with, when the twin is the very same request: it would fail alike
 * @throws AppError `IDEMPOTENCY_ERRORS.inFlight` when the first takes too long
 */
export async function inSingleFlight<R>(
  ctx: Context,
  claim: IdempotencyClaim,
  lead: () => Promise<R>,
  follow: () => Promise<R | undefined>,
): Promise<R> {
  let flights = flightsByDatabase.get(ctx.db);
  if (flights === undefined) {
    flights = new Map();
    flightsByDatabase.set(ctx.db, flights);
  }
  const key = `${claim.storeId} ${claim.key}`;
  for (let flight = flights.get(key); flight !== undefined; flight = flights.get(key)) {
    const landed = await withinTime(flight.landing);
    if (landed === undefined)
      throw new AppError(IDEMPOTENCY_ERRORS.inFlight, { retryAfterSeconds: 1 });
    if (!('error' in landed)) {
      const stored = await follow();
      if (stored !== undefined) return stored;
    } else if (flight.requestHash === claim.requestHash) throw landed.error;
  }
  const leading = lead();
  const land = (outcome: { readonly error?: unknown }) => {
    flights.delete(key);
    return outcome;
  };
  const landing = leading.then(
    () => land({}),
    (error: unknown) => land({ error }),
  );
  flights.set(key, { requestHash: claim.requestHash, landing });
  return leading;
}

/** undefined: it is not there in time. */
async function withinTime<T>(promise: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, MAX_WAIT_MS, undefined);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
