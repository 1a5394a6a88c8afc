import { setTimeout as sleep } from 'node:timers/promises';
import { ipKeyGenerator, rateLimit } from 'express-rate-limit';

import type { Context } from '../../platform/context.ts';
import { AppError } from '../../shared/errors.ts';
import { createLanes } from '../../shared/lanes.ts';
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
   * Waits a second once the address has failed too often in this window: before a login is compared, right or wrong, and one
   * after the other, so that guessing stays slow.
   * @throws AppError `HTTP_ERRORS.tooManyRequests` when several of that address wait already
   */
  slowDown(req: Request): Promise<void>;
  /** @throws AppError `HTTP_ERRORS.tooManyRequests` when this failure was one too many */
  count(req: Request, res: Response): Promise<void>;
}

const WINDOW_MS = 60_000;
const SLOW_MS = 1_000;
/** Logins of one address that may wait, each for those before it. More are not compared at all. */
const MAX_WAITING = 5;

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
  const lanes = createLanes();
  const waiting = new Map<string, number>();

  return {
    async slowDown(req) {
      const address = keyOf(req);
      const info = await Promise.resolve(limiter.getKey(address)).catch(() => undefined);
      if (info === undefined || info.totalHits < limit) return;
      const before = waiting.get(address) ?? 0;
      if (before >= MAX_WAITING) throw new AppError(HTTP_ERRORS.tooManyRequests, { retryAfterSeconds: MAX_WAITING });
      waiting.set(address, before + 1);
      await lanes.run(address, () => sleep(SLOW_MS));
      const left = (waiting.get(address) ?? 1) - 1;
      if (left === 0) waiting.delete(address);
      else waiting.set(address, left);
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
