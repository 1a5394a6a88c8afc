import { STORE_ERRORS } from '../../../domain/stores/errors.ts';
import type { ApiKeyIdentity, ApiKeyRole } from '../../../domain/stores/model.ts';
import { findIdentity, recallIdentity } from '../../../domain/stores/service.ts';
import type { Context } from '../../../platform/context.ts';
import { AppError } from '../../../shared/errors.ts';
import type { Request, RequestHandler, Response } from '../request.ts';
import type { FailureLimiter } from './createFailureLimiter.ts';

/**
 * Who is asking? A key that was valid a moment ago passes at once. Any other is looked up, with the
 * others of that moment in one question, so that a flood of made-up keys stays cheap. Wrong ones
 * are counted by address; a valid one is never refused for them. Keys are too long to be guessed
 * (190 bits): the limit is there to be seen, and to keep the log readable.
 */
export function authenticate(
  ctx: Context,
  options: {
    readonly roles: readonly ApiKeyRole[];
    readonly failures: Pick<FailureLimiter, 'count'>;
  },
): RequestHandler {
  const { roles, failures } = options;

  async function askDatabase(
    req: Request,
    res: Response,
    apiKey: string | undefined,
  ): Promise<ApiKeyIdentity> {
    const identity = apiKey === undefined ? undefined : await findIdentity(ctx, apiKey);
    if (identity !== undefined) return identity;
    await failures.count(req, res);
    throw new AppError(STORE_ERRORS.unauthenticated);
  }

  function admit(req: Request, identity: ApiKeyIdentity): void {
    if (!roles.includes(identity.role)) throw new AppError(STORE_ERRORS.forbidden);
    req.identity = identity;
  }

  return (req, res, next) => {
    const header = req.headers['x-api-key'];
    const apiKey = typeof header === 'string' ? header : undefined;
    const known = apiKey === undefined ? undefined : recallIdentity(ctx, apiKey);
    if (known !== undefined) {
      admit(req, known);
      next();
      return;
    }
    return askDatabase(req, res, apiKey).then((identity) => {
      admit(req, identity);
      next();
    });
  };
}
