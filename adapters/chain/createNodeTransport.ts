import {
  BaseError,
  createTransport,
  http,
  isHex,
  RpcRequestError,
  TimeoutError,
  type EIP1193RequestFn,
  type HttpTransportConfig,
  type Transport,
} from 'viem';

import { readNodeAnswer } from './nodeAnswers.ts';
import { NodeAnswerError } from './NodeAnswerError.ts';

/** @property timeout milliseconds for the whole answer */
type Options = Pick<HttpTransportConfig, 'batch' | 'maxResponseBodySize'> & {
  readonly timeout: number;
};

/**
 * One RPC URL: the only place where we speak to a node, and where its answers are read. An answer
 * that is none is an error of this URL, like silence: who asks goes on to the next one.
 *
 * viem's own retries are off: they wait for as long as a provider's Retry-After says, be it an
 * hour.
 */
export function createNodeTransport(url: string, options: Options): Transport {
  const node = http(url, { ...options, fetchFn: createTimedFetch(options.timeout), retryCount: 0 });
  return (parameters) => {
    const inner = node(parameters);
    return createTransport({
      key: 'node',
      name: 'an RPC URL whose answers are read',
      type: 'node',
      retryCount: 0,
      request: (async (args: { method: string; params?: unknown }, requestOptions) => {
        const { method } = args;
        let answer: unknown;
        try {
          answer = await inner.request(args, requestOptions);
        } catch (error) {
          if (isWordless(error)) throw new NodeAnswerError(method, 'an error without words');
          throw error;
        }
        const read = readNodeAnswer(method, answer);
        if ('problem' in read) throw new NodeAnswerError(method, read.problem);
        return read.value;
      }) as EIP1193RequestFn,
    });
  };
}

/**
 * viem's own time limit ends when the headers have come. The body of an answer may never come, and
 * who waits for it waits for ever.
 */
function createTimedFetch(timeoutMs: number): typeof fetch {
  return (target, init) => {
    const ending = new AbortController();
    init?.signal?.addEventListener('abort', () => ending.abort(init.signal?.reason), {
      once: true,
    });
    // The error that viem throws itself, since wide ranges of logs are judged by it. The URL may be
    // a secret.
    const timer = setTimeout(
      () => ending.abort(new TimeoutError({ body: {}, url: '' })),
      timeoutMs,
    );
    timer.unref();
    return fetch(target, { ...init, signal: ending.signal });
  };
}

/**
 * An error that says nothing, in words or as the data of a revert, is no more than an answer that
 * cannot be read.
 */
function isWordless(error: unknown): boolean {
  const answer =
    error instanceof BaseError ? error.walk((cause) => cause instanceof RpcRequestError) : null;
  if (!(answer instanceof RpcRequestError)) return false;
  const words: unknown = answer.details;
  return typeof words !== 'string' && !isHex(answer.data);
}
