import { createServer, IncomingMessage, ServerResponse, type Server } from 'node:http';
import { Server as NetServer, type Socket } from 'node:net';
import type { Express } from 'express';

import type { Context } from '../platform/context.ts';
import type { App } from './app.ts';
import { toUnreadableReply, writeRawReply } from './unreadableRequests.ts';

/** Longer than the idle time-outs of usual load balancers (60 s), so that it is they who close: the other way round a request can get lost. */
const KEEP_ALIVE_TIMEOUT_MS = 65_000;
/** For a request's headers, and for all of it, to arrive: who sends a byte now and then does not keep a connection for long. */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
/** How often connections are looked at for these; Node's own default of 30 s makes them three times as long. */
const CONNECTIONS_CHECK_MS = 5_000;

export interface HttpServerOptions {
  /** Milliseconds that a request, headers and all, may take to arrive. */
  readonly requestTimeoutMs?: number;
}

export interface AppServer {
  readonly server: Server;
  /**
   * Takes no new connection, and says `Connection: close` with every answer from now on. Connections stay as they are:
   * a request may be on its way on each.
   */
  stopTakingConnections(): Promise<void>;
}

/**
 * Express replaces the prototype of every request and response. V8 then treats both as strangers, which makes all of Node's own work on them slow:
 * 108 µs of CPU a request instead of 41, measured. Created with Express's prototypes in the first place, they stay as they are.
 */
export function createHttpServer(
  ctx: Pick<Context, 'newId' | 'log'>,
  { express: app, handle }: App,
  options: HttpServerOptions = {},
): AppServer {
  class AppRequest extends IncomingMessage {}
  class AppResponse extends ServerResponse<AppRequest> {}
  Object.setPrototypeOf(AppRequest.prototype, app.request);
  Object.setPrototypeOf(AppResponse.prototype, app.response);
  app.request = AppRequest.prototype as unknown as Express['request'];
  app.response = AppResponse.prototype as unknown as Express['response'];

  const requestTimeout = options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS;
  /** By connection: a connection has one request at a time that is being answered. */
  const open = new Map<Socket, ServerResponse>();
  let isStopping = false;

  const refuse = (socket: Socket, error: NodeJS.ErrnoException): void => {
    const reply = toUnreadableReply(error, ctx.newId('req'));
    ctx.log.info({ requestId: reply.body.requestId, code: reply.body.code, cause: error.code }, 'a request could not be read');
    writeRawReply(socket, reply);
  };
  const listen = (request: IncomingMessage, response: ServerResponse): void => {
    const { socket } = request;
    open.set(socket, response);
    response.once('close', () => {
      if (open.get(socket) === response) open.delete(socket);
    });
    if (isStopping) response.shouldKeepAlive = false;
    // RFC 9112, section 3.2. Node would refuse it as well, without a word.
    if (request.headers.host === undefined && request.httpVersion === '1.1') {
      refuse(socket, new Error('no Host header'));
      return;
    }
    handle(request, response);
  };

  const server = createServer(
    {
      IncomingMessage: AppRequest,
      ServerResponse: AppResponse,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      headersTimeout: Math.min(HEADERS_TIMEOUT_MS, requestTimeout),
      requestTimeout,
      requireHostHeader: false,
      connectionsCheckingInterval: Math.min(CONNECTIONS_CHECK_MS, requestTimeout),
    },
    listen,
  );
  // Whoever expects something else than `100-continue` gets an ordinary answer.
  server.on('checkExpectation', listen);
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    // In the middle of an answer nothing can be said any more.
    if (!socket.writable || open.get(socket)?.headersSent === true) {
      socket.destroy();
      return;
    }
    refuse(socket, error);
  });

  return {
    server,
    stopTakingConnections() {
      isStopping = true;
      for (const response of open.values()) if (!response.headersSent) response.shouldKeepAlive = false;
      return new Promise((resolve, reject) => {
        // Not HttpServer's own close(): it also ends the connections that are idle, under the requests that are on their way to us.
        NetServer.prototype.close.call(server, (error) => (error === undefined ? resolve() : reject(error)));
      });
    },
  };
}
