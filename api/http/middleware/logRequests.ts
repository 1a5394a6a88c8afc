import type { Context } from '../../../platform/context.ts';
import type { Logger } from '../../../platform/logger.ts';
import type { Request, RequestHandler, Response } from '../request.ts';

/**
 * One line a request, once it is over: at `info`, but at `debug` for reads that went well (they are
 * asked for all the time) and not at all for health checks that did.
 *
 * The line holds only the fields below and none of them can be a secret, so it does without
 * redaction, which costs more than the line. For the same reason it is not pino-http that writes
 * it: that one serializes and redacts every request, logged or not (measured: 40 µs each).
 */
export function logRequests(ctx: Context): RequestHandler {
  const log = ctx.log.child({}, { redact: [] });
  return (req, res, next) => {
    const startedAt = performance.now();
    res.on('close', () => {
      const level = levelFor(req, res);
      if (level === undefined || !log.isLevelEnabled(level)) return;
      log[level](
        describe(req, res, startedAt),
        res.writableFinished ? 'request' : 'request aborted',
      );
    });
    next();
  };
}

function levelFor(req: Request, res: Response): 'debug' | 'info' | undefined {
  if (res.statusCode >= 400 || !res.writableFinished) return 'info';
  if (req.operationId === 'getHealth' || req.operationId === 'getReadiness') return undefined;
  return req.method === 'GET' || req.method === 'HEAD' ? 'debug' : 'info';
}

function describe(req: Request, res: Response, startedAt: number): Parameters<Logger['info']>[0] {
  return {
    requestId: req.requestId,
    method: req.method,
    // The path without the query: it may carry a customer's address.
    path: req.originalUrl.split('?', 1)[0],
    operationId: req.operationId,
    storeId: req.identity?.storeId,
    apiKeyId: req.identity?.apiKeyId,
    status: res.statusCode,
    code: res.errorCode,
    durationMs: Math.round((performance.now() - startedAt) * 10) / 10,
  };
}
