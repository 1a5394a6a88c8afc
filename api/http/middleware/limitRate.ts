import { rateLimit } from 'express-rate-limit';

import type { Context } from '../../../platform/context.ts';
import { AppError } from '../../../shared/errors.ts';
import { HTTP_ERRORS } from '../errors.ts';
import type { RequestHandler } from '../request.ts';
import { quietRateLimitLogger } from './quietRateLimitLogger.ts';
import { soonCeiling, type RedisRateLimitStore } from './redisRateLimitStore.ts';

const WINDOW_MS = 60_000;
export const RATE_LIMIT_NAME = 'api-key';

/**
 * So many requests a minute for one API key, in all processes together. Far below the limit nobody
 * waits for Redis. Without Redis there is no limit: being away must not take the API down.
 */
export function limitRate(ctx: Context, store: RedisRateLimitStore): RequestHandler {
  const ceiling = soonCeiling(ctx.config.rateLimitPerMinute);
  return rateLimit({
    windowMs: WINDOW_MS,
    limit: ctx.config.rateLimitPerMinute,
    identifier: RATE_LIMIT_NAME,
    standardHeaders: 'draft-8',
    legacyHeaders: false,
    passOnStoreError: true,
    store: {
      ...store,
      increment(key) {
        const soon = store.countSoon(key, ceiling);
        return soon === undefined
          ? store.increment(key)
          : { totalHits: soon.totalHits, resetTime: new Date(Date.now() + soon.leftMs) };
      },
    },
    logger: quietRateLimitLogger(ctx.log),
    keyGenerator: (req) => req.identity?.apiKeyId ?? 'nobody',
    // Advice for developers, given at run time.
    validate: false,
    handler: (_req, _res, next) => next(new AppError(HTTP_ERRORS.tooManyRequests)),
  });
}
