import type { IncomingMessage } from 'node:http';

import type { Context } from '../../../platform/context.ts';
import type { RequestHandler } from '../request.ts';

/**
 * A caller's own id is taken when it can go into a header, a log line and a database column as it
 * is.
 */
const SANE_ID = /^[A-Za-z0-9._-]{1,64}$/;

/** The caller's own id, when it is a sane one. */
export function takeRequestId(request: IncomingMessage): string | undefined {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && SANE_ID.test(given) ? given : undefined;
}

export function assignRequestId(ctx: Context): RequestHandler {
  return (req, res, next) => {
    req.requestId = takeRequestId(req) ?? ctx.newId('req');
    res.setHeader('X-Request-Id', req.requestId);
    next();
  };
}
