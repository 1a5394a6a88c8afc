import { STORE_ERRORS } from '../../../domain/stores/errors.ts';
import type { Context } from '../../../platform/context.ts';
import { createJudgeLogin, LOGIN_CHALLENGE } from '../../../platform/createJudgeLogin.ts';
import { AppError } from '../../../shared/errors.ts';
import { clientAddressOf } from '../clientAddress.ts';
import type { RequestHandler } from '../request.ts';
import type { FailureLimiter } from './createFailureLimiter.ts';

/**
 * HTTP Basic login for the operators' pages. A browser asks its user when it sees the 401, so a
 * request without any login is not a failure. The right one is let in whatever others did; after
 * failures of its address it waits as a wrong one does.
 */
export function requireAdminLogin(ctx: Context, failures: FailureLimiter): RequestHandler {
  const judgeLogin = createJudgeLogin(ctx.config.admin);
  return async (req, res, next) => {
    const verdict = judgeLogin(req.headers.authorization);
    if (verdict !== 'none') {
      await failures.slowDown(req, verdict === 'right');
      if (verdict === 'right') {
        next();
        return;
      }
      ctx.log.warn(
        { requestId: req.requestId, address: clientAddressOf(req) },
        'a wrong login to the operators’ pages',
      );
      await failures.count(req, res);
    }
    res.setHeader('WWW-Authenticate', LOGIN_CHALLENGE);
    throw new AppError(STORE_ERRORS.unauthenticated, {
      detail: 'User name and password are needed here.',
    });
  };
}
