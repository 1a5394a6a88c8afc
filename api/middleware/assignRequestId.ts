import type { Context } from '../../platform/context.ts';
import type { RequestHandler } from '../request.ts';

/** A caller's own id is taken when it can go into a header, a log line and a database column as it is. */
const SANE_ID = /^[A-Za-z0-9._-]{1,64}$/;

export function assignRequestId(ctx: Context): RequestHandler {
  return (req, res, next) => {
    const given = req.headers['x-request-id'];
    req.requestId = typeof given === 'string' && SANE_ID.test(given) ? given : ctx.newId('req');
    res.setHeader('X-Request-Id', req.requestId);
    next();
  };
}
