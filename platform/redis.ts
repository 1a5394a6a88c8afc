import { Redis } from 'ioredis';

/**
 * Two kinds of connection, because they must fail differently.
 * - `command`: requests and producers. Fails at once while Redis is away, so that a caller can go on without it.
 * - `worker`: BullMQ's blocking consumers. Waits for Redis as long as it takes.
 */
export function createRedis(url: string, kind: 'command' | 'worker' | 'subscriber'): Redis {
  const common = { lazyConnect: false, connectTimeout: 5_000, retryStrategy: (times: number) => Math.min(50 * times, 1_000) };
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
