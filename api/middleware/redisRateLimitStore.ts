import { hash } from 'node:crypto';
import type { ClientRateLimitInfo, Store } from 'express-rate-limit';

import type { Context } from '../../platform/context.ts';

/**
 * Counts requests in Redis, for all processes together, in windows that begin with a key's first request.
 *
 * The requests that arrive in one turn of the event loop are counted by one command a key: each still gets its own, exact place in the row. Redis is
 * waited for only so long, and after a failure is left alone for a moment: limits must not slow the API down more than they protect it.
 */
const ANSWER_TIMEOUT_MS = 250;
const LEFT_ALONE_MS = 1_000;

/** KEYS[1] counter; ARGV[1] how many requests, ARGV[2] window in ms. Returns the count after them and the ms left. */
const COUNT_SCRIPT = `
local total = redis.call('INCRBY', KEYS[1], ARGV[1])
local left = redis.call('PTTL', KEYS[1])
if left < 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  left = tonumber(ARGV[2])
end
return { total, left }`;
const COUNT_SCRIPT_SHA = hash('sha1', COUNT_SCRIPT, 'hex');

interface Waiter {
  readonly resolve: (info: ClientRateLimitInfo) => void;
  readonly reject: (error: unknown) => void;
}

/** @param name goes into the keys, so that limiters do not share counters */
export function createRedisRateLimitStore(ctx: Pick<Context, 'redis' | 'config'>, name: string): Store {
  // Without the braces: counters need not share a slot of a Redis Cluster, on the contrary.
  const prefix = `${ctx.config.queuePrefix.replace(/[{}]/g, '')}:rate:${name}`;
  let windowMs = 60_000;
  let waiting = new Map<string, Waiter[]>();
  let leftAloneUntil = -Infinity;

  async function ask<T>(question: () => Promise<T>): Promise<T> {
    if (performance.now() < leftAloneUntil) throw new Error('Redis is left alone after a failure');
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error('Redis did not answer in time')), ANSWER_TIMEOUT_MS);
    });
    try {
      return await Promise.race([question(), timeout]);
    } catch (error) {
      leftAloneUntil = performance.now() + LEFT_ALONE_MS;
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  async function runCountScript(key: string, count: number): Promise<[number, number]> {
    try {
      return (await ctx.redis.evalsha(COUNT_SCRIPT_SHA, 1, key, count, windowMs)) as [number, number];
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
      return (await ctx.redis.eval(COUNT_SCRIPT, 1, key, count, windowMs)) as [number, number];
    }
  }

  function flush(): void {
    const batch = waiting;
    waiting = new Map();
    for (const [key, waiters] of batch) {
      ask(() => runCountScript(prefix + key, waiters.length)).then(
        ([total, leftMs]) => {
          const resetTime = new Date(Date.now() + leftMs);
          waiters.forEach((waiter, index) => waiter.resolve({ totalHits: total - waiters.length + index + 1, resetTime }));
        },
        (error: unknown) => waiters.forEach((waiter) => waiter.reject(error)),
      );
    }
  }

  return {
    prefix,
    localKeys: false,
    init: (options) => {
      windowMs = options.windowMs;
    },
    increment: (key) =>
      new Promise((resolve, reject) => {
        if (waiting.size === 0) setImmediate(flush);
        const waiters = waiting.get(key);
        if (waiters === undefined) waiting.set(key, [{ resolve, reject }]);
        else waiters.push({ resolve, reject });
      }),
    async get(key) {
      const [count, leftMs] = await ask(() => Promise.all([ctx.redis.get(prefix + key), ctx.redis.pttl(prefix + key)]));
      return count === null ? undefined : { totalHits: Number(count), resetTime: new Date(Date.now() + Math.max(0, leftMs)) };
    },
    async decrement(key) {
      await ctx.redis.decr(prefix + key);
    },
    async resetKey(key) {
      await ctx.redis.del(prefix + key);
    },
  };
}
