import type { Clock } from '../../shared/clock.ts';
import { RelayerCallError } from './RelayerCallError.ts';

const MAX_REASON_LENGTH = 200;

/** Makes what may be told of a failed call: neither credentials nor pages of text. */
export interface CallErrors {
  /** An error's message. */
  describe(error: unknown): string;
  /** @param answer.retryAfter seconds, or a date */
  answered(answer: {
    readonly status: number;
    readonly body: unknown;
    readonly retryAfter: string | undefined;
  }): RelayerCallError;
}

/** @param clock what a date that the provider names is compared with */
export function createCallErrors(secrets: readonly string[], clock: Clock): CallErrors {
  const describe = (error: unknown): string =>
    withoutSecrets(error instanceof Error ? error.message : String(error), secrets);
  return {
    describe,
    answered({ status, body, retryAfter }) {
      const reason = reasonOf(body);
      const message =
        reason === undefined
          ? `the provider answered ${status}`
          : `the provider answered ${status}: ${describe(reason)}`;
      return new RelayerCallError(
        { kind: 'answered', status, retryAfterMs: parseRetryAfter(retryAfter, clock.now()) },
        message,
      );
    },
  };
}

/** The provider's own words, where there are any. */
function reasonOf(body: unknown): string | undefined {
  if (typeof body !== 'object' || body === null) return undefined;
  const { message, error: title } = body as { message?: unknown; error?: unknown };
  if (typeof message === 'string') return message;
  return typeof title === 'string' ? title : undefined;
}

function withoutSecrets(text: string, secrets: readonly string[]): string {
  const clean = secrets.reduce((rest, secret) => rest.replaceAll(secret, '[redacted]'), text);
  return clean.length > MAX_REASON_LENGTH ? `${clean.slice(0, MAX_REASON_LENGTH)}…` : clean;
}

function parseRetryAfter(text: string | undefined, now: Date): number | undefined {
  if (text === undefined) return undefined;
  const delayMs = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now.getTime();
  return Number.isFinite(delayMs) && delayMs >= 0 ? delayMs : undefined;
}
