import { Cluster, Command } from 'ioredis';

import type { RedisConnection } from './redis.ts';

/**
 * For what is left alone while it does not answer: a cluster's other nodes do.
 * @returns which server the key is on, `host:port`; always the same when there is only one, or none
 *   is known
 */
export function serverOf(redis: RedisConnection, key: string): string {
  if (!(redis instanceof Cluster)) return '';
  return redis.slots[new Command('get', [key]).getSlot()]?.[0] ?? '';
}
