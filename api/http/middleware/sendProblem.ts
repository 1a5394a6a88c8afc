import type { ErrorRequestHandler } from 'express';

import type { Context } from '../../../platform/context.ts';
import type { Metrics } from '../metrics.ts';
import { toProblemReply } from '../problem.ts';

/** The last middleware: whatever was thrown becomes a problem+json answer, and is counted. */
export function sendProblem(
  ctx: Context,
  countProblem: Metrics['countProblem'],
): ErrorRequestHandler {
  return (error, req, res, next) => {
    const { status, headers, body } = toProblemReply(error, req.requestId);
    countProblem(body.code, body.reason);
    if (status >= 500)
      ctx.log.error(
        {
          err: error as unknown,
          requestId: req.requestId,
          operationId: req.operationId,
          code: body.code,
        },
        'a request failed',
      );
    else
      ctx.log.debug(
        { err: error as unknown, requestId: req.requestId, code: body.code },
        'a request was refused',
      );
    if (res.headersSent) {
      // Too late for an answer: Express breaks the connection off, so that the caller does not take
      // half of one for whole.
      next(error);
      return;
    }
    res.errorCode = body.code;
    res.statusCode = status;
    res.setHeader('Cache-Control', 'no-store');
    res.setHeader('Content-Type', 'application/problem+json');
    for (const [name, value] of Object.entries(headers)) {
      // What somebody knew better stays: a page's own way to log in, a limit's own time to wait.
      if (!res.hasHeader(name)) res.setHeader(name, value);
    }
    res.json(body);
  };
}
