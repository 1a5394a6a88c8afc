import {
  BrokenCircuitError,
  circuitBreaker,
  CircuitState,
  ConsecutiveBreaker,
  handleType,
} from 'cockatiel';

import { RELAY_ERRORS } from '../../domain/relay/errors.ts';
import type { ProviderTransaction, SendOutcome } from '../../domain/relayers/ports.ts';
import type { Logger } from '../../platform/logger.ts';
import { AppError } from '../../shared/errors.ts';
import { RelayerCallError } from './RelayerCallError.ts';

/** When to stop asking a provider that does not work, and for how long. */
export interface BreakerOptions {
  readonly failures: number;
  readonly openMs: number;
}

/**
 * One call to the provider: makes the request, and reads the answer, which is undefined when it is
 * none.
 */
export interface ProviderCall<T> {
  /** @throws RelayerCallError */
  request(): Promise<unknown>;
  parse(answer: unknown): T | undefined;
}

/**
 * Calls to a provider over a network: leaves it alone while it does not work, and tells what a
 * failure means.
 */
export interface ProviderCalls {
  /** @throws AppError relayerUnavailable */
  ask<T>(call: ProviderCall<T>): Promise<T>;
  /**
   * @param isUnknown whether this failure says that there is no such thing. @throws AppError
   *   relayerUnavailable
   */
  find<T>(
    call: ProviderCall<T>,
    isUnknown: (error: RelayerCallError) => boolean,
  ): Promise<T | undefined>;
  /** @param question a harmless one, asked first after an outage */
  send(
    call: ProviderCall<ProviderTransaction>,
    question: () => Promise<unknown>,
  ): Promise<SendOutcome>;
  /** The error that the port promises. */
  unavailable(reason: string): AppError;
}

const DEFAULT_BREAKER: BreakerOptions = { failures: 5, openMs: 10_000 };
/** A 429 without Retry-After. */
const RATE_LIMIT_RETRY_MS = 2_000;
const MAX_RETRY_AFTER_MS = 10 * 60_000;
/**
 * A provider is asked again after this, whatever it says: the answers are what unmined transactions
 * wait for.
 */
const LONGEST_SILENCE_MS = 30_000;
/**
 * Login refused, relayer paused or out of funds: somebody has to do something, but it may well be
 * done soon.
 */
const OPERATOR_RETRY_MS = 30_000;
const UNREACHABLE_RETRY_MS = 5_000;

/**
 * 4xx that say "not like this, ever". 408 and 409 are not among them: the request may have been
 * taken.
 */
const REJECTED_STATUSES: ReadonlySet<number> = new Set([400, 413, 414, 415, 422]);
/** 4xx that say "not you, not here, not now". */
const REFUSED_STATUSES: ReadonlySet<number> = new Set([401, 402, 403, 404, 405, 406]);
/**
 * Providers answer 400 to these too, though the same request will do once an operator or a minute
 * has passed.
 */
const PASSING_CONDITION =
  /paused|insufficient (funds|balance)|quota|rate limit|too many|try again|temporar/i;

export function createProviderCalls(options: {
  readonly relayerId: string;
  readonly log: Logger;
  readonly breaker?: BreakerOptions | undefined;
}): ProviderCalls {
  const { relayerId } = options;
  const { failures, openMs } = options.breaker ?? DEFAULT_BREAKER;
  const log = options.log.child({ relayerId });
  const breaker = circuitBreaker(handleType(RelayerCallError, isOutage), {
    halfOpenAfter: openMs,
    breaker: new ConsecutiveBreaker(failures),
  });
  let openedAt = 0;
  /** After a 429: questions that are asked meanwhile would only keep sends from being taken. */
  let noQuestionsUntil = -Infinity;
  breaker.onBreak(() => {
    openedAt = performance.now();
    log.warn({ openMs }, 'the relayer does not work: leaving it alone for a while');
  });
  breaker.onReset(() => log.info('the relayer works again'));

  /** @throws RelayerCallError or BrokenCircuitError */
  function run<T>({ request, parse }: ProviderCall<T>): Promise<T> {
    return breaker.execute(async () => {
      const parsed = parse(await request());
      if (parsed === undefined)
        throw new RelayerCallError({ kind: 'noAnswer' }, 'the provider’s answer cannot be read');
      return parsed;
    });
  }

  function unavailable(reason: string, retryAfterMs?: number): AppError {
    return new AppError(RELAY_ERRORS.relayerUnavailable, {
      internal: { relayerId, reason },
      ...(retryAfterMs === undefined ? {} : { retryAfterSeconds: Math.ceil(retryAfterMs / 1000) }),
    });
  }

  async function runQuestion<T>(call: ProviderCall<T>): Promise<T> {
    const waitMs = noQuestionsUntil - performance.now();
    if (waitMs > 0) throw unavailable('it is asked too much', waitMs);
    try {
      return await run(call);
    } catch (error) {
      if (
        error instanceof RelayerCallError &&
        error.failure.kind === 'answered' &&
        error.failure.status === 429
      ) {
        const restMs = Math.min(
          error.failure.retryAfterMs ?? RATE_LIMIT_RETRY_MS,
          LONGEST_SILENCE_MS,
        );
        noQuestionsUntil = performance.now() + restMs;
        throw unavailable(error.message, restMs);
      }
      throw error;
    }
  }

  function toUnavailable(error: unknown): unknown {
    if (error instanceof BrokenCircuitError)
      return unavailable('it did not work lately', retryAfterBreak());
    return error instanceof RelayerCallError ? unavailable(error.message) : error;
  }

  function retryAfterBreak(): number {
    return Math.max(1, openedAt + openMs - performance.now());
  }

  function outcomeOf(error: unknown, sending: boolean): Exclude<SendOutcome, { kind: 'accepted' }> {
    if (error instanceof BrokenCircuitError) {
      return {
        kind: 'refused',
        reason: 'the relayer did not work lately and is left alone for a while',
        retryAfterMs: retryAfterBreak(),
      };
    }
    // Not expected, and from where it came cannot be told.
    if (!(error instanceof RelayerCallError))
      return { kind: 'ambiguous', reason: 'an unexpected error in the relayer’s client' };
    const reason = error.message;
    if (!sending) {
      const retryAfterMs = Math.max(retryAfterBreak(), UNREACHABLE_RETRY_MS);
      return { kind: 'refused', reason: `the relayer is not back yet: ${reason}`, retryAfterMs };
    }
    const { failure } = error;
    switch (failure.kind) {
      case 'invalid':
        return { kind: 'rejected', reason };
      case 'login':
        return { kind: 'refused', reason, retryAfterMs: OPERATOR_RETRY_MS };
      case 'unreachable':
        return { kind: 'refused', reason, retryAfterMs: UNREACHABLE_RETRY_MS };
      case 'noAnswer':
        return { kind: 'ambiguous', reason };
      case 'answered': {
        const { status, retryAfterMs } = failure;
        const after = (fallback: number): number =>
          Math.min(retryAfterMs ?? fallback, MAX_RETRY_AFTER_MS);
        if (status === 429)
          return { kind: 'refused', reason, retryAfterMs: after(RATE_LIMIT_RETRY_MS) };
        if (REFUSED_STATUSES.has(status))
          return { kind: 'refused', reason, retryAfterMs: after(OPERATOR_RETRY_MS) };
        if (!REJECTED_STATUSES.has(status)) return { kind: 'ambiguous', reason };
        return PASSING_CONDITION.test(reason)
          ? { kind: 'refused', reason, retryAfterMs: after(OPERATOR_RETRY_MS) }
          : { kind: 'rejected', reason };
      }
    }
  }

  return {
    async ask(call) {
      try {
        return await runQuestion(call);
      } catch (error) {
        throw toUnavailable(error);
      }
    },

    async find(call, isUnknown) {
      try {
        return await runQuestion(call);
      } catch (error) {
        if (error instanceof RelayerCallError && isUnknown(error)) return undefined;
        throw toUnavailable(error);
      }
    },

    async send(call, question) {
      let sending = false;
      try {
        // After an outage a question goes first: if that one hangs nothing is lost, while a
        // transaction would be in doubt.
        if (breaker.state !== CircuitState.Closed)
          await run({ request: question, parse: () => true });
        sending = true;
        return { kind: 'accepted', transaction: await run(call) };
      } catch (error) {
        const outcome = outcomeOf(error, sending);
        log.warn(
          { outcome: outcome.kind, reason: outcome.reason },
          'a transaction was not taken by the relayer',
        );
        return outcome;
      }
    },

    unavailable: (reason) => unavailable(reason),
  };
}

/**
 * Whether it speaks against the provider as a whole, rather than against one request or our pace.
 */
function isOutage({ failure }: RelayerCallError): boolean {
  switch (failure.kind) {
    case 'invalid':
      return false;
    case 'answered':
      return failure.status >= 500 || failure.status === 401 || failure.status === 403;
    default:
      return true;
  }
}
