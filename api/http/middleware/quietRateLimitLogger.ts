import type { Logger as RateLimitLogger } from 'express-rate-limit';

import type { Logger } from '../../../platform/logger.ts';

const EVERY_MS = 10_000;

/** While Redis is away every request would be a line: one now and then says the same. */
export function quietRateLimitLogger(log: Logger): RateLimitLogger {
  let lastAt = -Infinity;
  return {
    warn: (first: unknown) => log.warn({ err: toError(first) }, 'the rate limiter complains'),
    error(first: unknown) {
      const now = performance.now();
      if (now - lastAt < EVERY_MS) return;
      lastAt = now;
      log.warn({ err: toError(first) }, 'requests are not being limited');
    },
  };
}

function toError(value: unknown): Error {
  return value instanceof Error ? value : new Error(String(value));
}
