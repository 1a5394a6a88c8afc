import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';

import { AppError, COMMON_ERRORS } from '../shared/errors.ts';
import { HTTP_ERRORS } from './errors.ts';
import { toProblemReply, type ProblemReply } from './problem.ts';

/** Node's HTTP parser names what it could not read by these. */
const KIND_OF_CODE = {
  HPE_HEADER_OVERFLOW: HTTP_ERRORS.headersTooLarge,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: HTTP_ERRORS.bodyTooLarge,
  ERR_HTTP_REQUEST_TIMEOUT: HTTP_ERRORS.requestTimeout,
} as const;

/** What is said to a request that Node could not read, so that no part of the application ever saw it. */
export function toUnreadableReply(error: NodeJS.ErrnoException, requestId: string): ProblemReply {
  const known = Object.entries(KIND_OF_CODE).find(([code]) => code === error.code)?.[1];
  const told =
    known === undefined ? new AppError(COMMON_ERRORS.validation, { detail: 'This is not an HTTP request.' }) : new AppError(known);
  return toProblemReply(told, requestId);
}

/** Writes the reply where there is no response to write it to, and closes the connection. */
export function writeRawReply(socket: Socket, { status, headers, body }: ProblemReply): void {
  const text = JSON.stringify(body);
  const lines = Object.entries({
    'Content-Type': 'application/problem+json',
    'Content-Length': String(Buffer.byteLength(text)),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    'X-Request-Id': body.requestId,
    ...headers,
    Connection: 'close',
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n${text}`);
}
