import { createServer, IncomingMessage, ServerResponse, type Server } from 'node:http';
import type { Express } from 'express';

import type { App } from './app.ts';

/** Longer than the idle time-outs of usual load balancers (60 s), so that it is they who close: the other way round a request can get lost. */
const KEEP_ALIVE_TIMEOUT_MS = 65_000;
/** For a request's headers, and for all of it, to arrive: who sends a byte now and then does not keep a connection for long. */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;

/**
 * Express replaces the prototype of every request and response. V8 then treats both as strangers, which makes all of Node's own work on them slow:
 * 108 µs of CPU a request instead of 41, measured. Created with Express's prototypes in the first place, they stay as they are.
 */
export function createHttpServer({ express: app, handle }: App): Server {
  class AppRequest extends IncomingMessage {}
  class AppResponse extends ServerResponse<AppRequest> {}
  Object.setPrototypeOf(AppRequest.prototype, app.request);
  Object.setPrototypeOf(AppResponse.prototype, app.response);
  app.request = AppRequest.prototype as unknown as Express['request'];
  app.response = AppResponse.prototype as unknown as Express['response'];

  return createServer(
    {
      IncomingMessage: AppRequest,
      ServerResponse: AppResponse,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
    },
    handle,
  );
}
