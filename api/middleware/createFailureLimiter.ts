import { setTimeout as sleep } from 'node:timers/promises';
import { ipKeyGenerator, rateLimit } from 'express-rate-limit';

import type { Context } from '../../platform/context.ts';
import { AppError } from '../../shared/errors.ts';
import { clientAddressOf } from '../clientAddress.ts';
import { HTTP_ERRORS } from '../errors.ts';
import type { Request, Response } from '../request.ts';
import { createRedisRateLimitStore } from './redisRateLimitStore.ts';
import { quietRateLimitLogger } from './quietRateLimitLogger.ts';

/**
 * Counts what went wrong from one address, and only that. Many callers may share an address: whoever logs in properly is
 * neither counted nor refused for what others did.
 */
export interface FailureLimiter {
  /**
   * Waits a second once the address has failed too often in this window: before a login is compared, right or wrong, so that
   * guessing stays slow.
   * @throws AppError `HTTP_ERRORS.tooManyRequests` when very many wait already
   */
  slowDown(req: Request): Promise<void>;
  /** @throws AppError `HTTP_ERRORS.tooManyRequests` when this failure was one too many */
  count(req: Request, res: Response): Promise<void>;
}

const WINDOW_MS = 60_000;
const SLOW_MS = 1_000;
/** With SLOW_MS, the most guesses a second that a process compares of addresses that have failed too often. */
const MAX_WAITING = 100;

/**
 * @param name tells the counters of different logins apart
 * @param limit failures an address may have in a minute; while Redis is away there is no limit
 */
export function createFailureLimiter(ctx: Context, name: string, limit: number): FailureLimiter {
  const keyOf = (req: Request) => ipKeyGenerator(clientAddressOf(req));
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
  let waiting = 0;

  return {
    async slowDown(req) {
      const info = await Promise.resolve(limiter.getKey(keyOf(req))).catch(() => undefined);
      if (info === undefined || info.totalHits < limit) return;
      if (waiting >= MAX_WAITING) throw new AppError(HTTP_ERRORS.tooManyRequests, { retryAfterSeconds: 1 });
      waiting++;
      await sleep(SLOW_MS);
      waiting--;
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
