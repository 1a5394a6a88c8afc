import { Agent, request, type Dispatcher } from 'undici';
import { z } from 'zod';

import type { Clock } from '../../../shared/clock.ts';
import { createCallErrors } from '../createCallErrors.ts';
import { RelayerCallError } from '../RelayerCallError.ts';

/**
 * HTTP to an OpenZeppelin Relayer, such that each failure can be told apart: time and size are
 * bounded, redirects are not followed (they would take the key, and a transaction, somewhere else),
 * and nothing is ever sent twice.
 */
export interface OzRelayerClient {
  /**
   * @param path below the relayer's own address, with its query
   * @returns the provider's answer, not validated
   * @throws RelayerCallError, and nothing else
   */
  get(path: string): Promise<unknown>;
  post(path: string, body: object): Promise<unknown>;
}

export interface OzRelayerClientOptions {
  /** The server, without `/api/v1`. */
  readonly url: string;
  readonly relayerId: string;
  readonly apiKey: string;
  readonly timeoutMs: number;
  readonly clock: Clock;
}

/**
 * More is not an answer to anything we ask: a page has 50 transactions of at most 100 requests,
 * some 170 kB each.
 */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;
/**
 * A connection that is not there after this part of the time limit will not be: that no byte got
 * out is certain then, and after the rest it is not.
 */
const CONNECT_SHARE = 0.75;

const rateLimitSchema = z.object({ after: z.number().int().min(0) });

export function createOzRelayerClient(options: OzRelayerClientOptions): OzRelayerClient {
  const { timeoutMs, apiKey } = options;
  const errors = createCallErrors([apiKey], options.clock);
  const base = `${options.url.replace(/\/+$/, '')}/api/v1/relayers/${encodeURIComponent(options.relayerId)}`;
  const headers = { authorization: `Bearer ${apiKey}`, accept: 'application/json' };
  const limits: Agent.Options = {
    connect: { timeout: Math.ceil(timeoutMs * CONNECT_SHARE) },
    maxResponseSize: MAX_ANSWER_BYTES,
    // One deadline for the whole call is kept below; these are coarse and each start anew.
    headersTimeout: 0,
    bodyTimeout: 0,
  };
  const asking = new Agent(limits);
  // A connection of its own for each POST. On one that was kept open the other side may just be
  // hanging up, and that reset looks the same as one that came after the request was read: a
  // transaction that was never sent would be in doubt for a minute.
  const sending = new Agent({ ...limits, pipelining: 0 });

  async function exchange(
    path: string,
    init: Pick<Dispatcher.RequestOptions, 'method' | 'body'>,
    dispatcher: Agent,
  ): Promise<unknown> {
    const signal = AbortSignal.timeout(timeoutMs);
    let answer: {
      readonly status: number;
      readonly retryAfter: string | undefined;
      readonly text: string;
    };
    try {
      const response = await request(base + path, {
        ...init,
        dispatcher,
        signal,
        headers: init.body == null ? headers : { ...headers, 'content-type': 'application/json' },
      });
      const retryAfter = response.headers['retry-after'];
      answer = {
        status: response.statusCode,
        retryAfter: typeof retryAfter === 'string' ? retryAfter : undefined,
        text: await response.body.text(),
      };
    } catch (error) {
      throw toCallError(error, signal.aborted);
    }
    const body = parseJson(answer.text);
    if (answer.status >= 200 && answer.status < 300) {
      if (body === undefined)
        throw new RelayerCallError({ kind: 'noAnswer' }, 'the provider’s answer is not JSON');
      return body;
    }
    const { retryAfter = rateLimitSchema.safeParse(body).data?.after.toString() } = answer;
    throw errors.answered({ status: answer.status, body, retryAfter });
  }

  function toCallError(error: unknown, isLate: boolean): RelayerCallError {
    if (isConnectFailure(error)) {
      return new RelayerCallError(
        { kind: 'unreachable' },
        `the provider cannot be reached: ${codeOf(error) ?? errors.describe(error)}`,
      );
    }
    if (isLate)
      return new RelayerCallError(
        { kind: 'noAnswer' },
        `the provider gave no answer within ${timeoutMs} ms`,
      );
    return new RelayerCallError(
      { kind: 'noAnswer' },
      `the provider gave no answer: ${errors.describe(error)}`,
    );
  }

  return {
    get: (path) => exchange(path, { method: 'GET' }, asking),
    post: (path, body) => exchange(path, { method: 'POST', body: JSON.stringify(body) }, sending),
  };
}

const NEVER_CONNECTED = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** Failures before there was a connection: not a byte of the request got out. */
function isConnectFailure(error: unknown): boolean {
  const code = codeOf(error);
  if (code === undefined) return false;
  if (NEVER_CONNECTED.has(code)) return true;
  // Also the name of a failure on a connection that stood.
  return (
    code === 'ETIMEDOUT' &&
    (error instanceof AggregateError || (error as NodeJS.ErrnoException).syscall === 'connect')
  );
}

function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Who needs it says what is wrong with it.
    return undefined;
  }
}
