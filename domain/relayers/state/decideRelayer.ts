import { RATE_WINDOW_MS, type RelayerLoad, type RelayerRecord } from '../model.ts';

/** A relayer as it is chosen from: what it may do, how it stands, what it does. */
export interface RelayerCandidate {
  readonly limits: {
    readonly id: string;
    readonly transactionsPerMinute: number;
    readonly maxInFlight: number;
    readonly draining: boolean;
  };
  /** undefined: never used nor checked yet. */
  readonly record: Pick<RelayerRecord, 'standing' | 'restingUntil'> | undefined;
  readonly load: Pick<
    RelayerLoad,
    'sent' | 'oldestSentAt' | 'latestSentAt' | 'inFlight' | 'abandoned' | 'oldestInFlightAt'
  >;
}

const IN_FLIGHT_WAIT_MS = 500;

/** When no relayer can be used: one may be back, or topped up, at the next check. */
const NONE_USABLE_WAIT_MS = 3_000;

/**
 * Which relayer takes the next transaction: the least loaded one of those that may take one now.
 * @param stuckAfterMs a relayer with a transaction that waits for longer is chosen last
 * @returns its id, or how long until one may
 */
export function decideRelayer(
  candidates: readonly RelayerCandidate[],
  now: Date,
  stuckAfterMs: number,
): { readonly relayerId: string } | { readonly waitMs: number } {
  const usable = candidates.filter(
    ({ limits, record }) =>
      !limits.draining && record?.standing !== 'paused' && record?.standing !== 'poor',
  );
  const turns = usable.map((candidate) => ({
    candidate,
    waitMs: Math.max(restMs(candidate, now), turnMs(candidate, now)),
  }));
  const ready = turns.filter(({ waitMs }) => waitMs === 0).map(({ candidate }) => candidate);
  const [least] = ready.sort(
    (a, b) =>
      stuckOf(a) - stuckOf(b) ||
      loadOf(a) - loadOf(b) ||
      a.load.sent - b.load.sent ||
      (a.limits.id < b.limits.id ? -1 : 1),
  );
  if (least !== undefined) return { relayerId: least.limits.id };
  return { waitMs: Math.min(NONE_USABLE_WAIT_MS, ...turns.map(({ waitMs }) => waitMs)) };

  /**
   * Behind a transaction that is not mined, the later ones of its account are not either: such a
   * relayer comes last.
   */
  function stuckOf({ load }: RelayerCandidate): number {
    return load.oldestInFlightAt !== null &&
      now.getTime() - load.oldestInFlightAt.getTime() > stuckAfterMs
      ? 1
      : 0;
  }
}

function loadOf({ load, limits }: RelayerCandidate): number {
  return (load.inFlight + load.abandoned) / limits.maxInFlight;
}

function restMs({ record }: RelayerCandidate, now: Date): number {
  return Math.max(0, (record?.restingUntil?.getTime() ?? 0) - now.getTime());
}

/**
 * The first half of a minute's transactions may go at once; the rest is spread over the time that
 * is left of the window. Otherwise a burst would use it all up in small transactions, and what
 * comes after would wait for the best part of a minute instead of filling larger ones.
 */
function turnMs({ load, limits }: RelayerCandidate, now: Date): number {
  if (load.inFlight >= limits.maxInFlight) return IN_FLIGHT_WAIT_MS;
  const left = limits.transactionsPerMinute - load.sent;
  if (
    load.sent === 0 ||
    load.oldestSentAt === null ||
    load.latestSentAt === null ||
    left > limits.transactionsPerMinute / 2
  )
    return 0;
  const windowLeftMs = Math.max(1, load.oldestSentAt.getTime() + RATE_WINDOW_MS - now.getTime());
  if (left <= 0) return windowLeftMs;
  return Math.max(0, load.latestSentAt.getTime() + windowLeftMs / left - now.getTime());
}
