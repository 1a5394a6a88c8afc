import { BrokenCircuitError, circuitBreaker, CircuitState, ConsecutiveBreaker, handleType } from 'cockatiel';

import { RELAY_ERRORS } from '../../domain/relay/errors.ts';
import type { ProviderTransaction, RelayerPort, SendOutcome } from '../../domain/relay/ports.ts';
import type { RelayerConfig } from '../../platform/config.ts';
import type { Logger } from '../../platform/logger.ts';
import { AppError } from '../../shared/errors.ts';
import { createDefenderClient, type DefenderSigner } from './createDefenderClient.ts';
import { carriesCall, parsePage, parseRelayerStatus, parseTransaction } from './defenderAnswers.ts';
import { DefenderCallError } from './DefenderCallError.ts';

export interface DefenderRelayerOptions {
  readonly relayer: Pick<RelayerConfig, 'id' | 'apiKey' | 'apiSecret'>;
  /** For one call, login included. */
  readonly timeoutMs: number;
  readonly log: Logger;
  /** When to stop asking a provider that does not work, and for how long. */
  readonly breaker?: { readonly failures: number; readonly openMs: number };
}

const DEFAULT_BREAKER = { failures: 5, openMs: 10_000 };
/** The provider's clock and ours may differ by this; also the time between our noting the intent and its taking the request. */
const CLOCK_SKEW_MS = 60_000;
const PAGE_SIZE = 100;
/** Some 5,000 transactions: at the advised 50 a minute, more than an hour. */
const MAX_PAGES = 50;
/** A 429 without Retry-After. */
const RATE_LIMIT_RETRY_MS = 2_000;
const MAX_RETRY_AFTER_MS = 10 * 60_000;
/** Login refused, relayer paused or out of funds: somebody has to do something, but it may well be done soon. */
const OPERATOR_RETRY_MS = 30_000;
const UNREACHABLE_RETRY_MS = 5_000;

/** 4xx that say "not like this, ever". 408 and 409 are not among them: the request may have been taken. */
const REJECTED_STATUSES: ReadonlySet<number> = new Set([400, 413, 414, 415, 422]);
/** 4xx that say "not you, not here, not now". */
const REFUSED_STATUSES: ReadonlySet<number> = new Set([401, 402, 403, 404, 405, 406]);
/** Providers answer 400 to these too, though the same request will do once an operator or a minute has passed. */
const PASSING_CONDITION = /paused|insufficient (funds|balance)|quota|rate limit|too many|try again|temporar/i;

/** A relayer at a Defender-compatible server. The server's address is the environment variable DEFENDER_API_URL, which the SDK reads itself. */
export function createDefenderRelayer(options: DefenderRelayerOptions): RelayerPort {
  const { id, apiKey, apiSecret } = options.relayer;
  const { failures, openMs } = options.breaker ?? DEFAULT_BREAKER;
  const log = options.log.child({ relayerId: id });
  const client = createDefenderClient({ apiKey, apiSecret, timeoutMs: options.timeoutMs });
  const breaker = circuitBreaker(handleType(DefenderCallError, isOutage), {
    halfOpenAfter: openMs,
    breaker: new ConsecutiveBreaker(failures),
  });
  let openedAt = 0;
  breaker.onBreak(() => {
    openedAt = Date.now();
    log.warn({ openMs }, 'the relayer does not work: leaving it alone for a while');
  });
  breaker.onReset(() => log.info('the relayer works again'));

  /** @throws DefenderCallError or BrokenCircuitError */
  function call<T>(operation: (signer: DefenderSigner) => Promise<unknown>, parse: (answer: unknown) => T | undefined): Promise<T> {
    return breaker.execute(async () => {
      const parsed = parse(await client.call(operation));
      if (parsed === undefined) throw new DefenderCallError({ kind: 'noAnswer' }, 'the provider’s answer cannot be read');
      return parsed;
    });
  }

  /** Turns what `call` throws into the port's error. */
  async function ask<T>(question: Promise<T>): Promise<T> {
    try {
      return await question;
    } catch (error) {
      if (error instanceof BrokenCircuitError) throw unavailable('it did not work lately', retryAfterBreak());
      if (error instanceof DefenderCallError) throw unavailable(error.message);
      throw error;
    }
  }

  function unavailable(reason: string, retryAfterMs?: number): AppError {
    return new AppError(RELAY_ERRORS.relayerUnavailable, {
      internal: { relayerId: id, reason },
      ...(retryAfterMs === undefined ? {} : { retryAfterSeconds: Math.ceil(retryAfterMs / 1000) }),
    });
  }

  function retryAfterBreak(): number {
    return Math.max(1, openedAt + openMs - Date.now());
  }

  return {
    id,

    async send(input): Promise<SendOutcome> {
      const request = {
        to: input.to,
        data: input.data,
        gasLimit: Number(input.gasLimit),
        speed: 'fast' as const,
        validUntil: input.validUntil.toISOString(),
      };
      let sending = false;
      try {
        // After an outage a question goes first: if that one hangs nothing is lost, while a transaction would be in doubt.
        if (breaker.state !== CircuitState.Closed)
          await call(
            (signer) => signer.getRelayerStatus(),
            () => true,
          );
        sending = true;
        const transaction = await call((signer) => signer.sendTransaction(request), parseTransaction);
        return { kind: 'accepted', transaction };
      } catch (error) {
        const outcome = outcomeOf(error, sending);
        log.warn({ outcome: outcome.kind, reason: outcome.reason }, 'a transaction was not taken by the relayer');
        return outcome;
      }
    },

    async findSent({ to, data, since }) {
      const from = new Date(since.getTime() - CLOCK_SKEW_MS);
      let ended: ProviderTransaction | undefined;
      let next: string | undefined;
      for (let pages = 0; pages < MAX_PAGES; pages++) {
        const criteria = { since: from, limit: PAGE_SIZE, sort: 'desc' as const, ...(next === undefined ? {} : { next }) };
        const page = await ask(call((signer) => signer.listTransactions(criteria), parsePage));
        for (const item of page.items) {
          const carries = carriesCall(item, { to, data });
          const transaction = carries === false ? undefined : parseTransaction(item);
          // Passing over what cannot be read could pass over what is looked for, and have it sent twice.
          if (carries === undefined || (carries && transaction === undefined)) throw unavailable('a listed transaction cannot be read');
          if (transaction === undefined) continue;
          // An earlier try with the same call may have ended; the one that still lives is the one that matters.
          if (transaction.state !== 'ended') return transaction;
          ended ??= transaction;
        }
        if (page.next === undefined) return ended;
        next = page.next;
      }
      throw unavailable(`the list of transactions has more than ${MAX_PAGES} pages`);
    },

    async findTransaction(providerTransactionId) {
      try {
        return await call((signer) => signer.getTransaction(encodeURIComponent(providerTransactionId)), parseTransaction);
      } catch (error) {
        if (error instanceof DefenderCallError && error.failure.kind === 'answered' && error.failure.status === 404) return undefined;
        return ask(Promise.reject(error instanceof Error ? error : new Error('the provider could not be asked')));
      }
    },

    getStatus: () => ask(call((signer) => signer.getRelayerStatus(), parseRelayerStatus)),
  };

  function outcomeOf(error: unknown, sending: boolean): Exclude<SendOutcome, { kind: 'accepted' }> {
    if (error instanceof BrokenCircuitError) {
      return { kind: 'refused', reason: 'the relayer did not work lately and is left alone for a while', retryAfterMs: retryAfterBreak() };
    }
    // Not expected, and from where it came cannot be told.
    if (!(error instanceof DefenderCallError)) return { kind: 'ambiguous', reason: 'an unexpected error in the relayer’s client' };
    const reason = error.message;
    if (!sending)
      return {
        kind: 'refused',
        reason: `the relayer is not back yet: ${reason}`,
        retryAfterMs: Math.max(retryAfterBreak(), UNREACHABLE_RETRY_MS),
      };
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
        const after = (fallback: number): number => Math.min(retryAfterMs ?? fallback, MAX_RETRY_AFTER_MS);
        if (status === 429) return { kind: 'refused', reason, retryAfterMs: after(RATE_LIMIT_RETRY_MS) };
        if (REFUSED_STATUSES.has(status)) return { kind: 'refused', reason, retryAfterMs: after(OPERATOR_RETRY_MS) };
        if (!REJECTED_STATUSES.has(status)) return { kind: 'ambiguous', reason };
        return PASSING_CONDITION.test(reason)
          ? { kind: 'refused', reason, retryAfterMs: after(OPERATOR_RETRY_MS) }
          : { kind: 'rejected', reason };
      }
    }
  }
}

/** Whether it speaks against the provider as a whole, rather than against one request or our pace. */
function isOutage({ failure }: DefenderCallError): boolean {
  switch (failure.kind) {
    case 'invalid':
      return false;
    case 'answered':
      return failure.status >= 500 || failure.status === 401 || failure.status === 403;
    default:
      return true;
  }
}
