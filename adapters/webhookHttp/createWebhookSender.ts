import { lookup as resolveHostName, type LookupAddress } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { performance } from 'node:perf_hooks';
import { Agent, buildConnector, errors, request, type Dispatcher } from 'undici';

import type { WebhookPostOutcome, WebhookSenderPort } from '../../domain/webhooks/ports.ts';
import { isPublicAddress } from '../../domain/webhooks/publicAddress.ts';
import { systemClock, type Clock } from '../../shared/clock.ts';

/**
 * Posts webhooks to URLs that stores have chosen, which is why it trusts nothing: the address is checked when the connection is made (a name may
 * resolve to something else than it did a moment ago), redirects are not followed, and time and size are bounded whatever the receiver does.
 */

export interface WebhookSender extends WebhookSenderPort {
  /** Waits for the POSTs under way. */
  close(): Promise<void>;
}

const USER_AGENT = 'MSQPay-Webhooks/1.0';
/** What is kept of an answer. More is not read. */
const MAX_RESPONSE_BYTES = 20 * 1024;
/** Many more would only be an attempt at our memory. */
const MAX_HEADER_BYTES = 16 * 1024;
/** Bounds a connection attempt whose request has been given up already. */
const CONNECT_TIMEOUT_MS = 10_000;

export function createWebhookSender(options: { readonly allowPrivateNetworks: boolean; readonly clock?: Clock }): WebhookSender {
  const clock = options.clock ?? systemClock;
  const isAllowed = (address: string) => options.allowPrivateNetworks || isPublicAddress(address);
  const agent = new Agent({
    connect: createCheckedConnector(isAllowed),
    maxHeaderSize: MAX_HEADER_BYTES,
    // One deadline for the whole request is kept below; these are coarse and each start anew.
    headersTimeout: 0,
    bodyTimeout: 0,
  });

  return {
    async post({ url, headers, body, timeoutMs }) {
      const startedAt = performance.now();
      const deadline = new AbortController();
      const timer = setTimeout(() => deadline.abort(), timeoutMs);
      let response: Dispatcher.ResponseData | undefined;
      let received = Buffer.alloc(0);
      let error: string | null = null;
      try {
        response = await request(url, {
          dispatcher: agent,
          method: 'POST',
          headers: { ...headers, 'content-type': 'application/json', 'user-agent': USER_AGENT },
          body,
          signal: deadline.signal,
        });
        for await (const chunk of response.body as AsyncIterable<Buffer>) {
          received = Buffer.concat([received, chunk.subarray(0, MAX_RESPONSE_BYTES - received.length)]);
          // Leaving the loop closes the connection.
          if (received.length >= MAX_RESPONSE_BYTES) break;
        }
      } catch (cause) {
        error = deadline.signal.aborted ? 'timeout' : describeError(cause);
      } finally {
        clearTimeout(timer);
      }
      return {
        // An answer counts from its status line on: a receiver that said yes has the event, even if the rest of the answer never came.
        statusCode: response?.statusCode ?? null,
        error,
        latencyMs: Math.round(performance.now() - startedAt),
        responseBody: response === undefined ? null : decodeText(received),
        retryAfterSeconds: parseRetryAfter(response?.headers['retry-after'], clock.now()),
      } satisfies WebhookPostOutcome;
    },
    close: () => agent.close(),
  };
}

class AddressNotAllowedError extends Error {
  override readonly name = 'AddressNotAllowedError';
}

function createCheckedConnector(isAllowed: (address: string) => boolean): buildConnector.connector {
  // net.connect asks for all addresses when it may try several (autoSelectFamily), else for one.
  const lookup: LookupFunction = (hostname, lookupOptions, callback) => {
    resolveHostName(hostname, { ...lookupOptions, all: true }, (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => {
      if (error !== null) return callback(error, '');
      const [first, ...others] = addresses.filter(({ address }) => isAllowed(address));
      if (first === undefined) return callback(new AddressNotAllowedError(), '');
      if (lookupOptions.all === true) return callback(null, [first, ...others]);
      callback(null, first.address, first.family);
    });
  };
  // Said out loud, so that NODE_TLS_REJECT_UNAUTHORIZED=0 does not reach here.
  const connect = buildConnector({ lookup, rejectUnauthorized: true, timeout: CONNECT_TIMEOUT_MS });
  return (connectOptions, callback) => {
    const host = connectOptions.hostname.replace(/^\[|\]$/g, '');
    // An address in the URL itself is not looked up.
    if (isIP(host) !== 0 && !isAllowed(host)) setImmediate(callback, new AddressNotAllowedError(), null);
    else connect(connectOptions, callback);
  };
}

const ERROR_TEXTS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection closed',
  EPIPE: 'connection closed',
  UND_ERR_SOCKET: 'connection closed',
  ENOTFOUND: 'host not found',
  EAI_AGAIN: 'host not found',
  ENODATA: 'host not found',
  EHOSTUNREACH: 'host unreachable',
  ENETUNREACH: 'host unreachable',
  ETIMEDOUT: 'timeout',
  UND_ERR_CONNECT_TIMEOUT: 'timeout',
  UND_ERR_HEADERS_OVERFLOW: 'answer headers too large',
  UND_ERR_INVALID_ARG: 'invalid URL',
  ERR_INVALID_URL: 'invalid URL',
};

/** What TLS calls a certificate that it does not accept, as OpenSSL and Node have it. */
const CERTIFICATE_ERROR = /CERT|SELF_SIGNED|UNABLE_TO_(GET|VERIFY|DECRYPT|DECODE)|HOSTNAME_MISMATCH|INVALID_CA/;

/** The store sees this text, so it is one of ours: messages of libraries name addresses and ports. */
function describeError(error: unknown): string {
  // Several addresses were tried: the first failure stands for all.
  if (error instanceof AggregateError && error.errors.length > 0) return describeError(error.errors[0]);
  if (error instanceof AddressNotAllowedError) return 'address not allowed';
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
  const text = ERROR_TEXTS[code];
  if (text !== undefined) return text;
  if (CERTIFICATE_ERROR.test(code)) return 'TLS certificate not accepted';
  if (code === 'EPROTO' || code.startsWith('ERR_SSL_') || code.startsWith('ERR_TLS_')) return 'TLS failed';
  if (error instanceof errors.HTTPParserError) return 'not an HTTP answer';
  return 'request failed';
}

/** Drops the character that the cut went through. */
function decodeText(bytes: Buffer): string {
  return new TextDecoder().decode(bytes, { stream: true });
}

/** Seconds or an HTTP date (RFC 9110); null when there is none, or nonsense. */
function parseRetryAfter(header: string | string[] | undefined, now: Date): number | null {
  const text = (Array.isArray(header) ? header[0] : header)?.trim();
  if (text === undefined) return null;
  if (/^\d+$/.test(text)) return Number(text.slice(0, 10));
  // Date.parse alone takes nearly anything for a date.
  const at = /^[A-Z][a-z]+, .* GMT$/.test(text) ? Date.parse(text) : NaN;
  return Number.isNaN(at) ? null : Math.max(0, Math.ceil((at - now.getTime()) / 1000));
}
