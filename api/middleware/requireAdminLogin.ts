import { hash, timingSafeEqual } from 'node:crypto';

import { STORE_ERRORS } from '../../domain/stores/errors.ts';
import type { Context } from '../../platform/context.ts';
import { AppError } from '../../shared/errors.ts';
import { clientAddressOf } from '../clientAddress.ts';
import type { RequestHandler } from '../request.ts';
import type { FailureLimiter } from './createFailureLimiter.ts';

/** HTTP Basic login for the operators' pages. A browser asks its user when it sees the 401, so a request without any login is not a failure. */
export function requireAdminLogin(ctx: Context, failures: FailureLimiter): RequestHandler {
  const { user, password } = ctx.config.admin;
  // Hashes have one length, which timingSafeEqual needs, and do not tell the right one.
  const expected = hash('sha256', `${user}:${password}`, 'buffer');
  return async (req, res, next) => {
    const [scheme, credentials] = req.headers.authorization?.split(' ') ?? [];
    if (scheme?.toLowerCase() === 'basic' && credentials !== undefined) {
      await failures.slowDown(req);
      if (timingSafeEqual(hash('sha256', Buffer.from(credentials, 'base64'), 'buffer'), expected)) {
        next();
        return;
      }
      ctx.log.warn({ requestId: req.requestId, address: clientAddressOf(req) }, 'a wrong login to the operators’ pages');
      await failures.count(req, res);
    }
    res.setHeader('WWW-Authenticate', 'Basic realm="MSQPay operators", charset="UTF-8"');
    throw new AppError(STORE_ERRORS.unauthenticated, { detail: 'User name and password are needed here.' });
  };
}
