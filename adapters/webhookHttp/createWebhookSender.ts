import {
  Agent as HttpAgent,
  request as requestHttp,
  type ClientRequest,
  type IncomingMessage,
  type RequestOptions,
} from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { performance } from 'node:perf_hooks';

import type { WebhookPostOutcome, WebhookSenderPort } from '../../domain/webhooks/ports.ts';
import { isLocalHostName, isPublicAddress } from '../../domain/webhooks/publicAddress.ts';
import { ADDRESS_TIMEOUT_MS } from '../../shared/addressTimeout.ts';
import type { Clock } from '../../shared/clock.ts';
import { createResolveHost, type ResolveHost } from './createResolveHost.ts';
import { AddressNotAllowedError, describeFailure, OtherProtocolError } from './describeFailure.ts';

/**
 * Posts webhooks to URLs that stores have chosen, which is why it trusts nothing: the address is
 * checked when the connection is made (a name may resolve to something else than it did a moment
 * ago), redirects are not followed, and time and size are bounded whatever the receiver does.
 *
 * Node's own client, since undici takes `100 Continue` before the answer for a broken one.
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
/**
 * How long a connection is kept for the next webhook. Shorter than what servers keep theirs for, so
 * that it is seldom they who close it.
 */
const IDLE_MS = 4_000;
/**
 * What writing to a connection comes to that the other side has closed: which one depends on who
 * was first.
 */
const CLOSED_BY_RECEIVER = new Set(['ECONNRESET', 'EPIPE']);

export interface WebhookSenderOptions {
  readonly allowPrivateNetworks: boolean;
  /** What dates of receivers are compared with. */
  readonly clock: Clock;
  /** `address:port`; those of the machine when absent. */
  readonly nameServers?: readonly string[];
}

export function createWebhookSender(options: WebhookSenderOptions): WebhookSender {
  const { allowPrivateNetworks, nameServers, clock } = options;
  const isAllowed = (address: string) => allowPrivateNetworks || isPublicAddress(address);
  const resolveHost = createResolveHost({
    asksMachine: allowPrivateNetworks,
    ...(nameServers === undefined ? {} : { nameServers }),
  });
  const agentOptions = { keepAlive: true, timeout: IDLE_MS };
  const agents = { http: new HttpAgent(agentOptions), https: new HttpsAgent(agentOptions) };
  const connectOptions = {
    lookup: createCheckedLookup(resolveHost, isAllowed),
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: ADDRESS_TIMEOUT_MS,
    // Said out loud, so that NODE_TLS_REJECT_UNAUTHORIZED=0 does not reach here.
    rejectUnauthorized: true,
    maxHeaderSize: MAX_HEADER_BYTES,
  };
  const underWay = new Set<Promise<unknown>>();

  /** @throws whatever keeps the answer's status line from coming */
  function send(
    target: URL,
    init: {
      readonly headers: Readonly<Record<string, string>>;
      readonly body: string;
      readonly signal: AbortSignal;
    },
  ) {
    const host = target.hostname.replace(/^\[|\]$/g, '');
    // Neither is looked up.
    const isRefused =
      isIP(host) === 0 ? !allowPrivateNetworks && isLocalHostName(host) : !isAllowed(host);
    if (isRefused) return Promise.reject(new AddressNotAllowedError());
    const isTls = target.protocol === 'https:';
    const requestOptions: RequestOptions = {
      ...connectOptions,
      agent: isTls ? agents.https : agents.http,
      method: 'POST',
      headers: { ...init.headers, 'content-type': 'application/json', 'user-agent': USER_AGENT },
      signal: init.signal,
    };
    return new Promise<IncomingMessage>((resolve, reject) => {
      const request: ClientRequest = isTls
        ? requestHttps(target, requestOptions)
        : requestHttp(target, requestOptions);
      request.once('response', resolve);
      // `101 Switching Protocols`. With nobody listening, Node drops the request and says nothing
      // but `close`.
      request.once('upgrade', (_answer, socket) => {
        socket.destroy();
        reject(new OtherProtocolError());
      });
      request.once('error', (error: NodeJS.ErrnoException) => {
        // The receiver closed the connection that was kept, at the moment when we used it. Should
        // it have read it all the same, it knows the id.
        if (
          request.reusedSocket &&
          CLOSED_BY_RECEIVER.has(error.code ?? '') &&
          !init.signal.aborted
        )
          resolve(send(target, init));
        else reject(error);
      });
      // The last that is heard of a request, whatever else was.
      request.once('close', () => reject(new Error('the request ended without an answer')));
      request.end(init.body);
    });
  }

  async function post({
    url,
    headers,
    body,
    timeoutMs,
  }: Parameters<WebhookSenderPort['post']>[0]): Promise<WebhookPostOutcome> {
    const startedAt = performance.now();
    const deadline = new AbortController();
    const timer = setTimeout(() => deadline.abort(), timeoutMs);
    let response: IncomingMessage | undefined;
    let received = Buffer.alloc(0);
    let error: string | null = null;
    const exchange = async () => {
      response = await send(new URL(url), { headers, body, signal: deadline.signal });
      for await (const chunk of response as AsyncIterable<Buffer>) {
        received = Buffer.concat([
          received,
          chunk.subarray(0, MAX_RESPONSE_BYTES - received.length),
        ]);
        // Leaving the loop closes the connection.
        if (received.length >= MAX_RESPONSE_BYTES) break;
      }
    };
    try {
      await Promise.race([exchange(), rejectWhenAborted(deadline.signal)]);
    } catch (cause) {
      error = deadline.signal.aborted ? 'timeout' : describeFailure(cause);
    } finally {
      clearTimeout(timer);
    }
    return {
      // An answer counts from its status line on: a receiver that said yes has the event, even if
      // the rest of the answer never came.
      statusCode: response?.statusCode ?? null,
      error,
      latencyMs: Math.round(performance.now() - startedAt),
      responseBody: response === undefined ? null : decodeText(received),
      retryAfterSeconds: parseRetryAfter(response?.headers['retry-after'], clock.now()),
    };
  }

  return {
    post(input) {
      const posting = post(input);
      underWay.add(posting);
      return posting.finally(() => underWay.delete(posting));
    },
    async close() {
      await Promise.allSettled(underWay);
      agents.http.destroy();
      agents.https.destroy();
    },
  };
}

/** Ends a wait at the deadline even if whatever is waited for takes no notice of it. */
function rejectWhenAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(new Error('the deadline has passed')), {
      once: true,
    });
  });
}

/** net.connect asks for all addresses when it may try several (autoSelectFamily), else for one. */
function createCheckedLookup(
  resolveHost: ResolveHost,
  isAllowed: (address: string) => boolean,
): LookupFunction {
  return (hostname, lookupOptions, callback) => {
    resolveHost(hostname).then(
      (addresses) => {
        const [first, ...others] = addresses.filter(({ address }) => isAllowed(address));
        if (first === undefined) callback(new AddressNotAllowedError(), '');
        else if (lookupOptions.all === true) callback(null, [first, ...others]);
        else callback(null, first.address, first.family);
      },
      (error: Error) => callback(error, ''),
    );
  };
}

/** Drops the character that the cut went through. */
function decodeText(bytes: Buffer): string {
  return new TextDecoder().decode(bytes, { stream: true });
}

/** Seconds or an HTTP date (RFC 9110); null when there is none, or nonsense. */
function parseRetryAfter(header: string | undefined, now: Date): number | null {
  const text = header?.trim();
  if (text === undefined) return null;
  if (/^\d+$/.test(text)) return Number(text.slice(0, 10));
  // Date.parse alone takes nearly anything for a date.
  const at = /^[A-Z][a-z]+, .* GMT$/.test(text) ? Date.parse(text) : NaN;
  return Number.isNaN(at) ? null : Math.max(0, Math.ceil((at - now.getTime()) / 1000));
}
