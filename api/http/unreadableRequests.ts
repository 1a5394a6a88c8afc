import { STATUS_CODES, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

import { AppError, COMMON_ERRORS } from '../../shared/errors.ts';
import { HTTP_ERRORS } from './errors.ts';
import { toProblemReply, type ProblemReply } from './problem.ts';

/** Node's HTTP parser names what it could not read by these. */
const KIND_OF_CODE = {
  HPE_HEADER_OVERFLOW: HTTP_ERRORS.headersTooLarge,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: HTTP_ERRORS.bodyTooLarge,
  ERR_HTTP_REQUEST_TIMEOUT: HTTP_ERRORS.requestTimeout,
} as const;

/**
 * What is said to a request that Node could not read, so that no part of the application ever saw
 * it.
 */
export function toUnreadableReply(error: NodeJS.ErrnoException, requestId: string): ProblemReply {
  const known = Object.entries(KIND_OF_CODE).find(([code]) => code === error.code)?.[1];
  const told =
    known === undefined
      ? new AppError(COMMON_ERRORS.validation, { detail: 'This is not an HTTP request.' })
      : new AppError(known);
  return toProblemReply(told, requestId);
}

/** How long a client is given to close the connection after it was told. */
const LINGER_MS = 1_000;

/** Says it through a response that Node made all the same, and closes the connection. */
export function sendUnreadableReply(response: ServerResponse, reply: ProblemReply): void {
  response.shouldKeepAlive = false;
  const text = JSON.stringify(reply.body);
  response.writeHead(reply.status, headersOf(reply, text)).end(text);
}

/**
 * Writes it where there is no response to write to, and closes the connection, whether or not the
 * client does.
 */
export function writeRawReply(socket: Socket, reply: ProblemReply): void {
  const text = JSON.stringify(reply.body);
  const lines = Object.entries({ ...headersOf(reply, text), Connection: 'close' }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  socket.end(
    `HTTP/1.1 ${reply.status} ${STATUS_CODES[reply.status] ?? ''}\r\n${lines.join('')}\r\n${text}`,
  );
  setTimeout(() => socket.destroy(), LINGER_MS).unref();
}

function headersOf({ headers, body }: ProblemReply, text: string): Record<string, string> {
  return {
    'Content-Type': 'application/problem+json',
    'Content-Length': String(Buffer.byteLength(text)),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    'X-Request-Id': body.requestId,
    ...headers,
  };
}
