import { createServer, IncomingMessage, ServerResponse, type Server } from 'node:http';
import { Server as NetServer, type Socket } from 'node:net';
import type { Express } from 'express';

import type { Context } from '../../platform/context.ts';
import type { App } from './app.ts';
import { sendUnreadableReply, toUnreadableReply, writeRawReply } from './unreadableRequests.ts';

/**
 * Longer than the idle time-outs of usual load balancers (60 s), so that it is they who close: the
 * other way round a request can get lost.
 */
const KEEP_ALIVE_TIMEOUT_MS = 65_000;
/**
 * For a request's headers, and for all of it, to arrive: who sends a byte now and then does not
 * keep a connection for long.
 */
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
/**
 * How often connections are looked at for these; Node's own default of 30 s makes them three times
 * as long.
 */
const CONNECTIONS_CHECK_MS = 5_000;

export interface HttpServerOptions {
  /** Milliseconds that a request, headers and all, may take to arrive. */
  readonly requestTimeoutMs?: number;
}

export interface AppServer {
  readonly server: Server;
  /**
   * Takes no new connection, and says `Connection: close` with every answer from now on.
   * Connections stay as they are: a request may be on its way on each.
   */
  stopTakingConnections(): Promise<void>;
  /**
   * Ends the connections on which nothing has arrived since their last answer, and on which that
   * answer has been sent.
   */
  closeIdleConnections(): void;
}

/** A connection, and what is under way on it. */
interface Connection {
  /**
   * Answers that have not ended, in the order of their requests: a client may send several before
   * the first answer.
   */
  readonly open: Set<ServerResponse>;
  /** Bytes that had arrived when the last answer ended: more are a part of the next request. */
  readAtLastAnswer: number;
}

/**
 * Express replaces the prototype of every request and response. V8 then treats both as strangers,
 * which makes all of Node's own work on them slow: 108 µs of CPU a request instead of 41, measured.
 * Created with Express's prototypes in the first place, they stay as they are.
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
  const connections = new Map<Socket, Connection>();
  let isStopping = false;

  function explain(error: NodeJS.ErrnoException) {
    const reply = toUnreadableReply(error, ctx.newId('req'));
    ctx.log.info(
      { requestId: reply.body.requestId, code: reply.body.code, cause: error.code },
      'a request could not be read',
    );
    return reply;
  }

  function listen(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    const connection = connections.get(socket);
    connection?.open.add(response);
    // Of answers that wait behind another one when the connection breaks, Node says nothing more:
    // they go with the connection.
    response.once('close', () => {
      connection?.open.delete(response);
      if (connection !== undefined) connection.readAtLastAnswer = socket.bytesRead;
    });
    if (isStopping) response.shouldKeepAlive = false;
    // RFC 9112, section 3.2. Node would refuse it as well, without a word.
    if (request.headers.host === undefined && request.httpVersion === '1.1')
      sendUnreadableReply(response, explain(new Error('no Host header')));
    else handle(request, response);
  }

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
  server.on('connection', (socket: Socket) => {
    connections.set(socket, { open: new Set(), readAtLastAnswer: 0 });
    socket.once('close', () => connections.delete(socket));
  });
  // Whoever expects something else than `100-continue` gets an ordinary answer.
  server.on('checkExpectation', listen);
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    const open = [...(connections.get(socket)?.open ?? [])];
    // Behind or within another answer it would be taken for a part of that one. The request itself
    // may be half read: that one can be answered.
    const isAlone =
      open.length === 0 ||
      (open.length === 1 && open[0]?.headersSent === false && open[0].req.complete === false);
    if (socket.writable && isAlone) writeRawReply(socket, explain(error));
    else socket.destroy();
  });

  return {
    server,
    stopTakingConnections() {
      isStopping = true;
      for (const { open } of connections.values())
        for (const response of open) if (!response.headersSent) response.shouldKeepAlive = false;
      return new Promise((resolve, reject) => {
        // Not HttpServer's own close(): it also ends the connections that are idle, under the
        // requests that are on their way to us.
        NetServer.prototype.close.call(server, (error) =>
          error === undefined ? resolve() : reject(error),
        );
      });
    },
    closeIdleConnections() {
      for (const [socket, { open, readAtLastAnswer }] of connections) {
        if (open.size === 0 && socket.writableLength === 0 && socket.bytesRead <= readAtLastAnswer)
          socket.destroy();
      }
    },
  };
}
