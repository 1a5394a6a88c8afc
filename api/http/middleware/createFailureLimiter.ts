import { setTimeout as sleep } from 'node:timers/promises';
import { ipKeyGenerator, rateLimit } from 'express-rate-limit';

import type { Context } from '../../../platform/context.ts';
import { AppError } from '../../../shared/errors.ts';
import { clientAddressOf } from '../clientAddress.ts';
import { HTTP_ERRORS } from '../errors.ts';
import type { Request, Response } from '../request.ts';
import { createRedisRateLimitStore } from './redisRateLimitStore.ts';
import { quietRateLimitLogger } from './quietRateLimitLogger.ts';

/**
 * Counts what went wrong from one address, and only that. Many callers may share an address:
 * whoever logs in properly is neither counted nor refused for what others did.
 */
export interface FailureLimiter {
  /**
   * Waits once the address has failed too often in this window: a second by itself, and its turn
   * behind the logins of that address that wait already, five seconds at most. Right and wrong ones
   * alike, so that none is told from the other any sooner.
   * @param isRight it is never refused
   * @throws AppError `HTTP_ERRORS.tooManyRequests` when very many wait already
   */
  slowDown(req: Request, isRight: boolean): Promise<void>;
  /** @throws AppError `HTTP_ERRORS.tooManyRequests` when this failure was one too many */
  count(req: Request, res: Response): Promise<void>;
}

const WINDOW_MS = 60_000;
const SLOW_MS = 1_000;
/**
 * The right login waits no longer than this, behind whatever others send: half of what Prometheus
 * waits for a page. So nor does a wrong one, and who guesses on many connections at once is slowed
 * on each of them; what keeps all of them out is a long password.
 */
const MAX_SLOW_MS = 5_000;
/**
 * Waiting costs memory, some kilobytes each. Who sends more wrong ones is told so sooner, as fast
 * as this process can answer at all.
 */
const MAX_WAITING = 10_000;

/**
 * @param name tells the counters of different logins apart
 * @param limit failures an address may have in a minute; while Redis is away there is no limit
 * @param maxWaiting logins, of all addresses; further wrong ones are refused at once
 */
export function createFailureLimiter(
  ctx: Context,
  name: string,
  limit: number,
  maxWaiting = MAX_WAITING,
): FailureLimiter {
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
    // Advice for developers, given at run time. What it would say about proxies is settled by
    // MSQPAY_TRUSTED_PROXIES.
    validate: false,
    handler: (_req, _res, next) => next(new AppError(HTTP_ERRORS.tooManyRequests)),
  });
  /** By address: when the last of those that wait has waited, by the monotonic clock. */
  const freeAts = new Map<string, number>();
  let waiting = 0;

  return {
    async slowDown(req, isRight) {
      const address = keyOf(req);
      const info = await Promise.resolve(limiter.getKey(address)).catch(() => undefined);
      if (info === undefined || info.totalHits < limit) return;
      if (waiting >= maxWaiting && !isRight)
        throw new AppError(HTTP_ERRORS.tooManyRequests, { retryAfterSeconds: MAX_SLOW_MS / 1000 });
      const now = performance.now();
      const freeAt = Math.min(
        Math.max(freeAts.get(address) ?? 0, now) + SLOW_MS,
        now + MAX_SLOW_MS,
      );
      freeAts.set(address, freeAt);
      waiting += 1;
      await sleep(freeAt - now);
      waiting -= 1;
      if (freeAts.get(address) === freeAt) freeAts.delete(address);
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
