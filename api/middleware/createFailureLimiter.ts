import { ipKeyGenerator, rateLimit } from 'express-rate-limit';

import type { Context } from '../../platform/context.ts';
import { AppError } from '../../shared/errors.ts';
import { HTTP_ERRORS } from '../errors.ts';
import type { Request, Response } from '../request.ts';
import { createRedisRateLimitStore } from './redisRateLimitStore.ts';
import { quietRateLimitLogger } from './quietRateLimitLogger.ts';

/** Counts what went wrong from one address, and only that: callers who log in properly are never counted. */
export interface FailureLimiter {
  /** @throws AppError `HTTP_ERRORS.tooManyRequests` once the address has failed too often in this window */
  refuseWhenTooMany(req: Request): Promise<void>;
  /** @throws AppError `HTTP_ERRORS.tooManyRequests` when this failure was one too many */
  count(req: Request, res: Response): Promise<void>;
}

const WINDOW_MS = 60_000;

/**
 * @param name tells the counters of different logins apart
 * @param limit failures an address may have in a minute; while Redis is away there is no limit
 */
export function createFailureLimiter(ctx: Context, name: string, limit: number): FailureLimiter {
  const keyOf = (req: Request) => ipKeyGenerator(req.ip ?? '0.0.0.0');
  const limiter = rateLimit({
    windowMs: WINDOW_MS,
    limit,
    identifier: name,
    standardHeaders: 'draft-8',
    legacyHeaders: false,
    passOnStoreError: true,
    store: createRedisRateLimitStore(ctx, `${name}:`),
    logger: quietRateLimitLogger(ctx.log),
    keyGenerator: keyOf,
    // Advice for developers, given at run time. What it would say about proxies is settled by MSQPAY_TRUSTED_PROXIES.
    validate: false,
    handler: (_req, _res, next) => next(new AppError(HTTP_ERRORS.tooManyRequests)),
  });

  return {
    async refuseWhenTooMany(req) {
      const info = await Promise.resolve(limiter.getKey(keyOf(req))).catch(() => undefined);
      if (info !== undefined && info.totalHits >= limit) {
        const waitMs = (info.resetTime?.getTime() ?? Date.now() + WINDOW_MS) - Date.now();
        throw new AppError(HTTP_ERRORS.tooManyRequests, { retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1000)) });
      }
    },
    count: (req, res) =>
      new Promise((resolve, reject) => {
        void limiter(req, res, (error?: unknown) => {
          if (error instanceof Error) reject(error);
          else resolve();
        });
      }),
  };
}
