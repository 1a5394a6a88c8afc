import { setTimeout as sleep } from 'node:timers/promises';
import { BaseError, createTransport, http, type EIP1193RequestFn, type Transport } from 'viem';

const PAUSE_MS = 20;
/** A block that is asked for by its number, and is not there, is not there later either. */
const MOST_TRIES = 100;

/**
 * To a chain of ours, past the server's own clients. While a reorganisation takes blocks away,
 * anvil refuses whatever is asked as of `latest`, with the number of a block that is gone: that is
 * asked again.
 */
export function anvilTransport(rpcUrl: string): Transport {
  const node = http(rpcUrl);
  return (parameters) => {
    const inner = node(parameters);
    return createTransport({
      key: 'anvil',
      name: 'a chain of the tests',
      type: 'anvil',
      retryCount: 0,
      request: (async (args: { method: string; params?: unknown }, options) => {
        for (let tries = 1; ; tries++) {
          try {
            return await inner.request(args, options);
          } catch (error) {
            const isBlockGone =
              error instanceof BaseError && error.details.startsWith('BlockOutOfRangeError');
            if (!isBlockGone || tries >= MOST_TRIES) throw error;
            await sleep(PAUSE_MS);
          }
        }
      }) as EIP1193RequestFn,
    });
  };
}
