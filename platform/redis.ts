import { Redis } from 'ioredis';

/**
 * Two kinds of connection, because they must fail differently.
 * - `command`: requests and producers. Fails at once while Redis is away, so that a caller can go on without it.
 * - `worker`: BullMQ's blocking consumers. Waits for Redis as long as it takes.
 */
const RECONNECT_AND_SEND_AGAIN = 2;

/**
 * Redis is there and does not work for us: a former primary after a failover (READONLY), one that is still reading its data (LOADING), or a replica without
 * its primary (MASTERDOWN). Nothing of the command was done. On a new connection the address may lead to another one.
 */
function reconnectOnError(error: Error): typeof RECONNECT_AND_SEND_AGAIN | false {
  return /\b(READONLY|LOADING|MASTERDOWN)\b/.test(error.message) ? RECONNECT_AND_SEND_AGAIN : false;
}

export function createRedis(url: string, kind: 'command' | 'worker' | 'subscriber'): Redis {
  const common = {
    lazyConnect: false,
    connectTimeout: 5_000,
    reconnectOnError,
    retryStrategy: (times: number) => Math.min(50 * times, 1_000),
  };
  if (kind === 'command') {
    return new Redis(url, {
      ...common,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 1,
      commandTimeout: 2_000,
      enableAutoPipelining: true,
    });
  }
  return new Redis(url, { ...common, maxRetriesPerRequest: null });
}
