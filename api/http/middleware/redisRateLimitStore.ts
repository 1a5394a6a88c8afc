import { hash } from 'node:crypto';
import type { ClientRateLimitInfo, Store } from 'express-rate-limit';

import type { Context } from '../../../platform/context.ts';
import { serverOf } from '../../../platform/serverOf.ts';

/**
 * Counts requests in Redis, for all processes together, in windows that begin with a key's first
 * request.
 *
 * The requests that arrive in one turn of the event loop are counted by one command a key: each
 * still gets its own, exact place in the row. Redis is waited for only so long, and after a failure
 * is left alone for a moment (of a cluster, the node that failed): limits must not slow the API
 * down more than they protect it.
 *
 * Far below its limit a key may be counted without waiting for Redis (`countSoon`): by what is
 * known of it from a moment ago, told to Redis a moment later. What other processes count in those
 * moments is what such a count may be behind by; near the limit every request waits for its exact
 * place.
 */
const ANSWER_TIMEOUT_MS = 250;
const LEFT_ALONE_MS = 1_000;

/**
 * KEYS[1] counter; ARGV[1] how many requests, ARGV[2] window in ms. Returns the count after them
 * and the ms left.
 */
const COUNT_SCRIPT = `
local total = redis.call('INCRBY', KEYS[1], ARGV[1])
local left = redis.call('PTTL', KEYS[1])
if left < 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  left = tonumber(ARGV[2])
end
return { total, left }`;
const COUNT_SCRIPT_SHA = hash('sha1', COUNT_SCRIPT, 'hex');

/** What is counted without waiting is told to Redis after this time. */
const TOLD_AFTER_MS = 5;
/**
 * This near to its limit a key's requests wait for their exact place in the row. More than all
 * processes together count while one of them does not hear of it.
 */
const EXACT_WITHIN = 200;
/** Of which something is remembered. */
const MAX_KNOWN_KEYS = 10_000;
/** How long what Redis said about a key is good enough to count by. */
const KNOWN_FOR_MS = 1_000;

/** What this process knows of a key. */
interface KnownCount {
  total: number;
  resetAt: number;
  knownAt: number;
  /** Counted, and not told to Redis. */
  untold: number;
  /** Told to Redis, which has not answered. */
  unanswered: number;
}

/** Up to which count of a limit requests need not wait for Redis (`countSoon`). */
export function soonCeiling(limit: number): number {
  return limit - EXACT_WITHIN;
}

export interface RedisRateLimitStore extends Store {
  /**
   * Counts one request at once, if the key is known to be below `below`.
   * @returns undefined when it was not counted: then `increment` has to be waited for
   */
  countSoon(
    key: string,
    below: number,
  ): { readonly totalHits: number; readonly leftMs: number } | undefined;
}

interface Waiter {
  readonly resolve: (info: ClientRateLimitInfo) => void;
  readonly reject: (error: unknown) => void;
}

/** @param name goes into the keys, so that limiters do not share counters */
export function createRedisRateLimitStore(
  ctx: Pick<Context, 'redis' | 'config'>,
  name: string,
): RedisRateLimitStore {
  // Without the braces: counters need not share a slot of a Redis Cluster, on the contrary.
  const prefix = `${ctx.config.queuePrefix.replace(/[{}]/g, '')}:rate:${name}`;
  let windowMs = 60_000;
  let waiting = new Map<string, Waiter[]>();
  const leftAloneUntil = new Map<string, number>();
  const known = new Map<string, KnownCount>();
  let telling: NodeJS.Timeout | undefined;

  async function ask<T>(key: string, question: () => Promise<T>): Promise<T> {
    const server = serverOf(ctx.redis, prefix + key);
    if (performance.now() < (leftAloneUntil.get(server) ?? -Infinity))
      throw new Error('Redis is left alone after a failure');
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<never>((_resolve, reject) => {
      // When this process itself was busy for so long, the answer may have come and not been read:
      // reading comes before setImmediate.
      timer = setTimeout(
        () => setImmediate(() => reject(new Error('Redis did not answer in time'))),
        ANSWER_TIMEOUT_MS,
      );
    });
    try {
      return await Promise.race([question(), timeout]);
    } catch (error) {
      leftAloneUntil.set(server, performance.now() + LEFT_ALONE_MS);
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  async function runCountScript(key: string, count: number): Promise<[number, number]> {
    try {
      return (await ctx.redis.evalsha(COUNT_SCRIPT_SHA, 1, key, count, windowMs)) as [
        number,
        number,
      ];
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
      return (await ctx.redis.eval(COUNT_SCRIPT, 1, key, count, windowMs)) as [number, number];
    }
  }

  function flush(): void {
    const batch = waiting;
    waiting = new Map();
    for (const [key, waiters] of batch) {
      count(key, waiters.length).then(
        ([total, leftMs]) => {
          const resetTime = new Date(Date.now() + leftMs);
          waiters.forEach((waiter, index) =>
            waiter.resolve({ totalHits: total - waiters.length + index + 1, resetTime }),
          );
        },
        (error: unknown) => waiters.forEach((waiter) => waiter.reject(error)),
      );
    }
  }

  /** Adds to a key's count, and with it what Redis was not told yet. */
  async function count(key: string, requests: number): Promise<[total: number, leftMs: number]> {
    const state = known.get(key) ?? remember(key);
    const told = requests + state.untold;
    state.untold = 0;
    state.unanswered += told;
    try {
      const [total, leftMs] = await ask(key, () => runCountScript(prefix + key, told));
      const now = performance.now();
      // Redis answers in order: whatever it was told before this is in the total.
      Object.assign(state, { total, resetAt: now + leftMs, knownAt: now });
      return [total, leftMs];
    } finally {
      state.unanswered -= told;
    }
  }

  function remember(key: string): KnownCount {
    const state: KnownCount = { total: 0, resetAt: 0, knownAt: 0, untold: 0, unanswered: 0 };
    known.set(key, state);
    // Insertion order makes the first key the oldest.
    for (const oldest of known.keys()) {
      if (known.size <= MAX_KNOWN_KEYS) break;
      known.delete(oldest);
    }
    return state;
  }

  /**
   * A failure is nothing to report: without Redis there is no limit, and the next request waits for
   * its answer and finds out.
   */
  function tell(): void {
    telling = undefined;
    for (const [key, { untold }] of known) {
      if (untold > 0) count(key, 0).catch(() => known.delete(key));
    }
  }

  function countSoon(
    key: string,
    below: number,
  ): { readonly totalHits: number; readonly leftMs: number } | undefined {
    const state = known.get(key);
    const now = performance.now();
    if (state === undefined || now >= state.resetAt || now - state.knownAt > KNOWN_FOR_MS)
      return undefined;
    const totalHits = state.total + state.unanswered + state.untold + 1;
    if (totalHits > below) return undefined;
    state.untold += 1;
    telling ??= setTimeout(tell, TOLD_AFTER_MS).unref();
    return { totalHits, leftMs: state.resetAt - now };
  }

  return {
    countSoon,
    prefix,
    localKeys: false,
    init: (options) => {
      windowMs = options.windowMs;
    },
    increment(key) {
      return new Promise((resolve, reject) => {
        if (waiting.size === 0) setImmediate(flush);
        const waiters = waiting.get(key);
        if (waiters === undefined) waiting.set(key, [{ resolve, reject }]);
        else waiters.push({ resolve, reject });
      });
    },
    async get(key) {
      const [count, leftMs] = await ask(key, () =>
        Promise.all([ctx.redis.get(prefix + key), ctx.redis.pttl(prefix + key)]),
      );
      return count === null
        ? undefined
        : { totalHits: Number(count), resetTime: new Date(Date.now() + Math.max(0, leftMs)) };
    },
    async decrement(key) {
      await ctx.redis.decr(prefix + key);
    },
    async resetKey(key) {
      await ctx.redis.del(prefix + key);
    },
  };
}
