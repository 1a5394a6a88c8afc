import {
  BaseError,
  createTransport,
  http,
  isHex,
  RpcRequestError,
  type EIP1193RequestFn,
  type HttpTransportConfig,
  type Transport,
} from 'viem';

import { readNodeAnswer } from './nodeAnswers.ts';
import { NodeAnswerError } from './NodeAnswerError.ts';

type Options = Pick<HttpTransportConfig, 'timeout' | 'batch' | 'maxResponseBodySize'>;

/**
 * One RPC URL: the only place where we speak to a node, and where its answers are read. An answer that is none is an error of this URL, like silence: who
 * asks goes on to the next one.
 *
 * viem's own retries are off: they wait for as long as a provider's Retry-After says, be it an hour.
 */
export function createNodeTransport(url: string, options: Options): Transport {
  const node = http(url, { ...options, retryCount: 0 });
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

/** An error that says nothing, in words or as the data of a revert, is no more than an answer that cannot be read. */
function isWordless(error: unknown): boolean {
  const answer = error instanceof BaseError ? error.walk((cause) => cause instanceof RpcRequestError) : null;
  if (!(answer instanceof RpcRequestError)) return false;
  const words: unknown = answer.details;
  return typeof words !== 'string' && !isHex(answer.data);
}
