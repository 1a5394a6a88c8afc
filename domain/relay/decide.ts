import {
  addMs,
  BLOCK_CLOCK_MARGIN_MS,
  fromUnixSeconds,
  toUnixSeconds,
} from '../../shared/clock.ts';
import { AppError, COMMON_ERRORS } from '../../shared/errors.ts';
import type { Hex } from '../../shared/hex.ts';
import { PAYMENT_ERRORS } from '../payments/errors.ts';
import type { RelayFailure } from '../payments/eventData.ts';
import type { Payment } from '../payments/model.ts';
import { RELAY_ERRORS } from './errors.ts';
import type {
  RelayAttempt,
  RelayerAlert,
  RelayerLoad,
  RelayerRecord,
  RelayerStanding,
  RelayRail,
} from './model.ts';
import type { SendOutcome } from '../relayers/ports.ts';
import type { ForwardRequest } from '../chain/contractModel.ts';

/**
 * Gas that the customer signs for the inner call: several times what `pay` and `payWithPermit`
 * need, even with a cold, proxied token, and far below what would let a hostile token drain the
 * relayer.
 */
export const FORWARD_GAS = 300_000n;
/** Below this the inner call would run out of gas with an ordinary token. */
export const MIN_FORWARD_GAS = 150_000n;

/**
 * Decimal strings may say more than the contracts' types hold; nothing can be hashed or encoded
 * then. @throws AppError validation
 */
export function assertNumbersFit(
  numbers: readonly (readonly [path: string, value: bigint, bits: bigint])[],
): void {
  const fields = numbers.flatMap(([path, value, bits]) =>
    value < 2n ** bits ? [] : [{ path, message: `must be less than 2^${bits}` }],
  );
  if (fields.length > 0) throw new AppError(COMMON_ERRORS.validation, { fields });
}

/**
 * What a forward request must say to be for this payment and nothing else. @throws AppError
 * termsMismatch, deadline
 */
export function assertRequestFits(input: {
  readonly payment: Payment;
  readonly request: ForwardRequest;
  readonly payCall: Hex;
  readonly now: Date;
  /** See decideLeastMs. */
  readonly leastSeconds: number;
}): void {
  const { payment, request } = input;
  const mismatch = (detail: string) => new AppError(RELAY_ERRORS.termsMismatch, { detail });
  if (request.to !== payment.gateway)
    throw mismatch(`forwardRequest.to must be the gateway ${payment.gateway}.`);
  if (request.value !== 0n) throw mismatch('forwardRequest.value must be 0.');
  if (request.gas < MIN_FORWARD_GAS || request.gas > FORWARD_GAS) {
    throw mismatch(`forwardRequest.gas must be from ${MIN_FORWARD_GAS} to ${FORWARD_GAS}.`);
  }
  if (request.data.toLowerCase() !== input.payCall.toLowerCase())
    throw mismatch('forwardRequest.data is not the call that pays this payment.');
  const earliest = toUnixSeconds(input.now) + input.leastSeconds;
  if (request.deadline < earliest) {
    throw new AppError(RELAY_ERRORS.deadline, {
      detail: `forwardRequest.deadline must be at least ${earliest}, ${input.leastSeconds} seconds from now.`,
    });
  }
  assertTimeLeft(input);
}

/**
 * Before a nonce, and the gas of a transaction that would arrive too late, are spent on it. @throws
 * AppError deadline
 */
export function assertTimeLeft(input: {
  readonly payment: Payment;
  readonly now: Date;
  readonly leastSeconds: number;
}): void {
  const { expiresAt } = input.payment.terms;
  if (toUnixSeconds(expiresAt) >= toUnixSeconds(input.now) + input.leastSeconds) return;
  const detail = `The payment expires at ${expiresAt.toISOString()}, too soon for a relay; it can still be paid directly.`;
  throw new AppError(RELAY_ERRORS.deadline, { detail });
}

/**
 * From this moment on no block can take the signed request: both the forwarder's deadline and the
 * payment's expiry are enforced on-chain.
 */
export function relayDeadline(
  payment: Pick<Payment, 'terms'>,
  request: { readonly deadline: number },
): Date {
  return fromUnixSeconds(Math.min(request.deadline, toUnixSeconds(payment.terms.expiresAt)));
}

/**
 * Whether no block can carry a signed request any more that was not told already.
 * @param settledTime see findSettledTime; undefined: not known
 */
export function isSignatureDead(
  attempt: Pick<RelayAttempt, 'deadline'>,
  settledTime: Date | undefined,
): boolean {
  return settledTime !== undefined && settledTime >= addMs(attempt.deadline, BLOCK_CLOCK_MARGIN_MS);
}

/** Why an attempt ends whose payment the chain shows as made, though not by it. */
export const PAID_ELSEWHERE: RelayFailure = {
  code: PAYMENT_ERRORS.alreadyProcessed.code,
  detail: 'The payment was made by another transaction.',
};

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

/** The window of `transactionsPerMinute`. */
export const RATE_WINDOW_MS = 60_000;
const IN_FLIGHT_WAIT_MS = 500;
/** When no relayer can be used: one may be back, or topped up, at the next check. */
const NONE_USABLE_WAIT_MS = 3_000;

/**
 * Which relayer takes the next transaction: the least loaded one of those that may take one now.
 * @param stuckAfterMs a relayer with a transaction that waits for longer is chosen last
 * @returns its id, or how long until one may
 */
export function chooseRelayer(
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

/**
 * A relayer that refuses says for how long; one that leaves sends in doubt is given this many
 * before it rests.
 */
const FAILURES_BEFORE_REST = 3;
const FIRST_REST_MS = 2_000;
const LONGEST_REST_MS = 60_000;

/** What a send's outcome means for the relayer's circuit breaker. */
export function decideCircuit(
  record: Pick<RelayerRecord, 'failures'>,
  outcome: SendOutcome,
  now: Date,
): Pick<RelayerRecord, 'failures' | 'restingUntil' | 'restingReason'> {
  switch (outcome.kind) {
    case 'accepted':
    case 'rejected':
      return { failures: 0, restingUntil: null, restingReason: null };
    case 'refused':
      return {
        failures: record.failures + 1,
        restingUntil: addMs(now, outcome.retryAfterMs),
        restingReason: outcome.reason,
      };
    case 'ambiguous': {
      const failures = record.failures + 1;
      if (failures < FAILURES_BEFORE_REST)
        return { failures, restingUntil: null, restingReason: null };
      const restMs = Math.min(
        LONGEST_REST_MS,
        FIRST_REST_MS * 2 ** Math.min(10, failures - FAILURES_BEFORE_REST),
      );
      return { failures, restingUntil: addMs(now, restMs), restingReason: outcome.reason };
    }
  }
}

/**
 * The first nonce from the chain's on that no live attempt of the payer holds. @param held lowest
 * first
 */
export function decideNextNonce(chainNonce: bigint, held: readonly bigint[]): bigint {
  return held.reduce((next, nonce) => (nonce === next ? next + 1n : next), chainNonce);
}

/**
 * What one request by itself uses at most with an ordinary token and a signer that is no contract,
 * permit included: contracts/gas.ts prints the table.
 */
const RESERVED_GAS: Readonly<Record<RelayRail, bigint>> = {
  forwarder: 150_000n,
  authorization: 135_000n,
  refund: 135_000n,
};

/**
 * What a request uses at most whose signer's account runs code of its own: all that the contracts
 * give it, and what is around it (see adapters/chain: ITEM_GAS and AROUND_ITEM_GAS). On the
 * forwarder rail only the permit can ask that account: 150,000 more.
 */
const RESERVED_FOREIGN_GAS: Readonly<Record<RelayRail, bigint>> = {
  forwarder: 300_000n,
  authorization: 460_000n,
  refund: 460_000n,
};

/** @param dataGas what the chain takes for the data of a request beside what it executes */
export function gasToReserve(rail: RelayRail, runsForeignCode: boolean, dataGas: bigint): bigint {
  return (runsForeignCode ? RESERVED_FOREIGN_GAS : RESERVED_GAS)[rail] + dataGas;
}

const DAY_MS = 24 * 3_600_000;

export function untilNextUtcDayMs(now: Date): number {
  return DAY_MS - (now.getTime() % DAY_MS);
}

/**
 * Where the operator set nothing: a relayer's account is low when it cannot pay for this many
 * requests at the present price, poor when for none.
 */
const LOW_REQUESTS = 100n;

/**
 * @param chain see gasToReserve; `gasPrice` is undefined when the chain did not say
 * @returns wei; `low` is null when it is not configured and the chain did not say what gas costs
 */
export function decideBalances(
  config: {
    readonly minBalanceWei?: bigint | undefined;
    readonly alertBelowWei?: bigint | undefined;
  },
  chain: { readonly gasPrice: bigint | undefined; readonly dataGas: bigint },
): { readonly least: bigint; readonly low: bigint | null } {
  const { gasPrice, dataGas } = chain;
  const request =
    gasPrice === undefined ? undefined : gasPrice * gasToReserve('forwarder', false, dataGas);
  return {
    least: config.minBalanceWei ?? request ?? 0n,
    low: config.alertBelowWei ?? (request === undefined ? null : request * LOW_REQUESTS),
  };
}

/** @param input.balance undefined when the chain did not say */
export function decideStanding(input: {
  readonly paused: boolean;
  readonly balance: bigint | undefined;
  readonly minBalance: bigint;
}): RelayerStanding {
  if (input.paused) return 'paused';
  // Without anything no gas can be paid, whatever the configuration says.
  return input.balance !== undefined && (input.balance === 0n || input.balance < input.minBalance)
    ? 'poor'
    : 'ready';
}

export function decideAlerts(input: {
  readonly standing: RelayerStanding;
  readonly balance: bigint | null;
  readonly lowBelow: bigint | null;
  readonly hasStuckNonce: boolean;
  readonly oldestInFlightMs: number | null;
  readonly stuckAfterMs: number;
}): RelayerAlert[] {
  const { standing, balance, oldestInFlightMs } = input;
  const alerts: RelayerAlert[] = [];
  if (
    standing === 'poor' ||
    (balance !== null && input.lowBelow !== null && balance < input.lowBelow)
  )
    alerts.push('relayer_balance_low');
  if (standing === 'paused') alerts.push('relayer_paused');
  if (standing === 'silent') alerts.push('relayer_silent');
  if (oldestInFlightMs !== null && oldestInFlightMs > input.stuckAfterMs)
    alerts.push('relayer_stuck');
  if (input.hasStuckNonce) alerts.push('relayer_stuck_nonce');
  return alerts;
}

/** After this many transactions that came to nothing, an attempt is given up. */
export const MAX_SENDS = 8;

/**
 * Requests whose batch came back as a whole go on in smaller ones, down to one by itself: one of
 * them may be at fault, or the size. What is sent again because it was not mined in time keeps its
 * size: a slow chain is the last place for more and smaller transactions.
 */
export function decideBatchSize(maxBatchSize: number, batchFailures: number): number {
  return Math.max(1, Math.floor(maxBatchSize / 2 ** batchFailures));
}

/**
 * However deep a transaction still has to be: a reorganisation that took it away is to be noticed
 * within this time.
 */
const LONGEST_DEPTH_WAIT_MS = 30_000;

/**
 * When a mined transaction is looked at again: about when it is deep enough. @param missingBlocks
 * until then
 */
export function decideDepthLook(now: Date, blockTimeMs: number, missingBlocks: number): Date {
  const nextLook = decideNextLook(now, blockTimeMs);
  const isDeep = addMs(now, Math.min(LONGEST_DEPTH_WAIT_MS, missingBlocks * blockTimeMs));
  return isDeep > nextLook ? isDeep : nextLook;
}

/** How often an unfinished transaction is looked at: about once a block, within reason. */
export function decideNextLook(now: Date, blockTimeMs: number): Date {
  return addMs(now, Math.min(5_000, Math.max(200, blockTimeMs)));
}
