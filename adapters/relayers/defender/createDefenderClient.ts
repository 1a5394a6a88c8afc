import { AsyncLocalStorage } from 'node:async_hooks';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type * as Sdk from '@openzeppelin/defender-sdk';
import { TaskCancelledError, timeout, TimeoutStrategy } from 'cockatiel';

import type { Clock } from '../../../shared/clock.ts';
import { createCallErrors, type CallErrors } from '../createCallErrors.ts';
import { RelayerCallError } from '../RelayerCallError.ts';

/**
 * The Defender SDK 2.7.1, made safe to send money with. What it does by itself, and what is done
 * about it here:
 *
 *   it sends a request again after a 429, a 400 or a reset    no retries (retryConfig), and at most
 *                                                             one more request, after a 401
 *   it renews its token and tries again for as long as
 *     it gets a 401                                           the second 401 ends the call
 *   it waits for an answer for ever                           every call, login included, has one
 *                                                             time limit; then its connection is
 *                                                             closed
 *   it goes on after its caller has given up, and sends
 *     what was reported as not sent                           a call that is over sends nothing any
 *                                                             more
 *   it logs in again for each relaySigner, and once for
 *     each concurrent call                                    one signer is kept, one login at a
 *                                                             time
 *   a login that hangs would be waited for by all others      after a failed or slow login the
 *                                                             signer is thrown away
 *   it sends on connections that were kept open               each send has its own
 *   its errors carry the API key, and lose Retry-After        they are replaced by RelayerCallError
 *
 * What is left as it is: a failed login is tried four times within 7 to 14 seconds, which may be
 * longer than our time limit, and a login that gets no answer keeps its socket.
 *
 * All of an SDK call goes through its `apiCall`, which is given a function that makes one HTTP
 * request and may call it repeatedly. It is not part of the SDK's public types; it is the only
 * place where repetition can be stopped from outside. The version is pinned, and a signer without
 * it is refused.
 */
export interface DefenderClient {
  /**
   * Runs one operation of the SDK's signer.
   * @returns the provider's answer, not validated
   * @throws RelayerCallError, and nothing else
   */
  call(operation: (signer: DefenderSigner) => Promise<unknown>): Promise<unknown>;
}

export type DefenderSigner = Sdk.Defender['relaySigner'];

export interface DefenderClientOptions {
  readonly apiKey: string;
  readonly apiSecret: string;
  readonly timeoutMs: number;
  readonly clock: Clock;
}

/**
 * More is not an answer to anything we ask: a page has 50 transactions of at most 100 requests,
 * some 170 kB each.
 */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;
/** The first one, and one after the token was renewed. */
const MAX_REQUESTS_PER_CALL = 2;

/**
 * A connection of its own for each POST. On one that was kept open the other side may just be
 * hanging up, and that reset looks the same as one that came after the request was read: a
 * transaction that was never sent would be in doubt for a minute.
 */
const FRESH_CONNECTION = {
  httpAgent: new HttpAgent({ keepAlive: false }),
  httpsAgent: new HttpsAgent({ keepAlive: false }),
};

/**
 * By the first call, and before its time begins: it takes as long to load as half of all other
 * packages together, and many a process never calls.
 */
function loadSdk(): Promise<typeof Sdk> {
  return import('@openzeppelin/defender-sdk');
}

/** The state of one call, found again from inside the SDK. */
interface Call {
  readonly signal: AbortSignal;
  /** The SDK accepted the input. */
  started: boolean;
  requests: number;
  /** A request went out and its answer is not there yet. */
  inFlight: boolean;
  retryAfter: string | undefined;
}

/** The part of axios that the SDK uses. */
interface HttpApi {
  get(url: string, config?: object): Promise<unknown>;
  post(url: string, body?: unknown, config?: object): Promise<unknown>;
}

type SdkRequest = (api: HttpApi) => Promise<unknown>;

interface SdkInternals {
  apiCall(request: SdkRequest): Promise<unknown>;
  init(): Promise<unknown>;
  refresh(overrides?: object): Promise<unknown>;
}

/**
 * One for all clients: each storage that was ever used makes every promise of the process dearer,
 * and none of them is inside a call of another.
 */
const calls = new AsyncLocalStorage<Call>();

export function createDefenderClient(options: DefenderClientOptions): DefenderClient {
  const { timeoutMs } = options;
  const limit = timeout(timeoutMs, TimeoutStrategy.Aggressive);
  const errors = createCallErrors([options.apiKey, options.apiSecret], options.clock);
  let signer: DefenderSigner | undefined;

  function makeSigner(sdkModule: typeof Sdk): DefenderSigner {
    const made = new sdkModule.Defender({
      relayerApiKey: options.apiKey,
      relayerApiSecret: options.apiSecret,
      retryConfig: { retries: 0, retryDelay: () => 0 },
    }).relaySigner;
    const sdk = internalsOf(made);
    const { apiCall } = sdk;
    sdk.init = oneAtATime(sdk.init.bind(sdk));
    sdk.refresh = oneAtATime(sdk.refresh.bind(sdk));
    sdk.apiCall = (request) => {
      const call = calls.getStore();
      if (call === undefined) throw new Error('a call of the SDK outside of DefenderClient.call');
      call.started = true;
      return apiCall.call(sdk, (api) =>
        requestOnce(call, () => request(withCallConfig(api, call)), errors),
      );
    };
    return made;
  }

  return {
    async call(operation) {
      const sdk = await loadSdk();
      const used = (signer ??= makeSigner(sdk));
      const call: Omit<Call, 'signal'> = {
        started: false,
        requests: 0,
        inFlight: false,
        retryAfter: undefined,
      };
      try {
        return await limit.execute(({ signal }) =>
          calls.run(Object.assign(call, { signal }), () => operation(used)),
        );
      } catch (error) {
        const problem = toCallError(error, call, timeoutMs, errors);
        const { failure } = problem;
        if (failure.kind === 'login' || (failure.kind === 'answered' && failure.status === 401)) {
          // Others may have replaced it already.
          if (signer === used) signer = undefined;
        }
        throw problem;
      }
    },
  };
}

/**
 * One HTTP request of a call. Only the first 401 is passed on to the SDK, which then renews its
 * token and comes here again.
 */
async function requestOnce(
  call: Call,
  send: () => Promise<unknown>,
  errors: CallErrors,
): Promise<unknown> {
  if (call.signal.aborted) throw new Error('the call is over');
  if (call.requests === MAX_REQUESTS_PER_CALL)
    throw new Error('the SDK wants to send once more than it may');
  call.requests += 1;
  call.inFlight = true;
  try {
    return await send();
  } catch (error) {
    if (statusOf(error) === 401 && call.requests < MAX_REQUESTS_PER_CALL)
      throw new UnauthorizedForSdk();
    throw toRequestError(error, call, errors);
  } finally {
    call.inFlight = false;
  }
}

/**
 * What the SDK recognises as an expired token; it looks at the reason phrase too, which HTTP/2 does
 * not have.
 */
class UnauthorizedForSdk extends Error {
  readonly response = { status: 401, statusText: 'Unauthorized' };
}

function withCallConfig(api: HttpApi, call: Call): HttpApi {
  const config = {
    signal: call.signal,
    // A redirect would take the credentials, and a transaction, somewhere else.
    maxRedirects: 0,
    maxContentLength: MAX_ANSWER_BYTES,
    transformResponse: (body: unknown, headers: { get(name: string): unknown }) => {
      const retryAfter = headers.get('retry-after');
      call.retryAfter = typeof retryAfter === 'string' ? retryAfter : undefined;
      return parseJson(body);
    },
  };
  return {
    get: (url, given) => api.get(url, { ...given, ...config }),
    post: (url, body, given) => api.post(url, body, { ...given, ...config, ...FRESH_CONNECTION }),
  };
}

function toRequestError(error: unknown, call: Call, errors: CallErrors): RelayerCallError {
  const status = statusOf(error);
  if (status !== undefined) {
    const { data: body } = (error as { response: { data?: unknown } }).response;
    return errors.answered({ status, body, retryAfter: call.retryAfter });
  }
  const message = errors.describe(error);
  return isConnectFailure(message)
    ? new RelayerCallError({ kind: 'unreachable' }, `the provider cannot be reached: ${message}`)
    : new RelayerCallError({ kind: 'noAnswer' }, `the provider gave no answer: ${message}`);
}

function toCallError(
  error: unknown,
  call: Omit<Call, 'signal'>,
  timeoutMs: number,
  { describe }: CallErrors,
): RelayerCallError {
  if (error instanceof RelayerCallError) return error;
  if (error instanceof TaskCancelledError) {
    return call.inFlight
      ? new RelayerCallError(
          { kind: 'noAnswer' },
          `the provider gave no answer within ${timeoutMs} ms`,
        )
      : new RelayerCallError(
          { kind: 'login' },
          `the login took longer than ${timeoutMs} ms (the SDK tries four times: wrong key, or no provider)`,
        );
  }
  if (!call.started) return new RelayerCallError({ kind: 'invalid' }, describe(error));
  return new RelayerCallError({ kind: 'login' }, `the login failed: ${describe(error)}`);
}

/**
 * Failures before there was a connection. The SDK drops the error's code and keeps the message, as
 * libuv and getaddrinfo word it. Anything else may have happened after the request went out.
 * Redirects are off, so it is always the first and only connection that is meant.
 */
function isConnectFailure(message: string): boolean {
  return /^(connect (ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT)|getaddrinfo (ENOTFOUND|EAI_AGAIN))\b/.test(
    message,
  );
}

function internalsOf(signer: DefenderSigner): SdkInternals {
  const { relayer } = signer as unknown as { relayer?: Partial<SdkInternals> };
  if (
    typeof relayer?.apiCall !== 'function' ||
    typeof relayer.init !== 'function' ||
    typeof relayer.refresh !== 'function'
  ) {
    throw new Error(
      'this version of the Defender SDK cannot be used safely: its inner client has changed',
    );
  }
  return relayer as SdkInternals;
}

function oneAtATime<A extends readonly unknown[]>(
  work: (...args: A) => Promise<unknown>,
): (...args: A) => Promise<unknown> {
  let running: Promise<unknown> | undefined;
  return (...args) => {
    running ??= work(...args).finally(() => {
      running = undefined;
    });
    return running;
  };
}

function statusOf(error: unknown): number | undefined {
  const status = (error as { response?: { status?: unknown } } | null)?.response?.status;
  return typeof status === 'number' ? status : undefined;
}

function parseJson(body: unknown): unknown {
  if (typeof body !== 'string' || body === '') return body;
  try {
    return JSON.parse(body);
  } catch {
    // Whoever validates the answer says what is wrong with it.
    return body;
  }
}
