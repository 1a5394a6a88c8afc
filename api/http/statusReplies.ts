import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ClientRateLimitInfo } from 'express-rate-limit';

import { recallIdentity } from '../../domain/stores/service.ts';
import { CACHE_MS } from '../../domain/payments/status.ts';
import type { Context } from '../../platform/context.ts';
import { asBytes32, type Bytes32 } from '../../shared/hex.ts';
import { REMEMBERED_MS } from '../../platform/signals.ts';
import { RATE_LIMIT_NAME } from './middleware/limitRate.ts';
import type { RequestHandler } from './request.ts';
import { soonCeiling, type RedisRateLimitStore } from './middleware/redisRateLimitStore.ts';
import { takeRequestId } from './middleware/assignRequestId.ts';

/**
 * Status requests are the ones that stores repeat all the time. A reply that went through
 * everything (validation of request and reply included) is remembered for a moment, and the very
 * same question of the same store is answered with it before Express is asked at all. Whatever is
 * in the least different (another header of meaning, a query, an unknown key, a used-up limit)
 * takes the ordinary way.
 *
 * A change of the payment forgets its reply, and a reply is given only when this process has heard
 * of every change that somebody was told of (see Signals). It is forgotten in any case when what
 * it says was read a while ago. Shortly before that it is read again, beside the requests, and says
 * from then on what was read: of all who ask for a payment, nobody has to take the ordinary way.
 */
const REPLY_MS = REMEMBERED_MS - CACHE_MS;
/** While confirmations are counted, a reply is out of date with the next block. */
const REMEMBERED_PROCESSING_MS = 250;
/** The share of its time after which a reply is renewed. */
const RENEWED_AFTER = 0.8;
/** The share of its time after which it is tried again when it could not be read. */
const RENEWED_AGAIN_AFTER = 0.05;
const MAX_REPLIES = 20_000;

const PREFIX = '/api/v1/payments/';
const SUFFIX = '/status';
const URL_LENGTH = PREFIX.length + 66 + SUFFIX.length;

interface RememberedReply {
  /** Some of the headers are about the key. */
  readonly apiKeyId: string;
  body: string;
  /** All but the length. */
  readonly headers: readonly string[];
  rememberedMs: number;
  /** When what it says was read, or asked for. */
  readAt: number;
  /** When it is to be read again; infinite while that is done. */
  renewAt: number;
}

export interface StatusReplies {
  /** For the route of the ordinary way: remembers what it answered. */
  readonly remember: RequestHandler;
  /** @returns whether the request was answered (or will be): then nobody else may touch it */
  tryAnswer(request: IncomingMessage, response: ServerResponse): boolean;
}

export interface StatusRepliesOptions {
  /** Counts one request of the key, at once when it is far below its limit. */
  readonly countSoon: RedisRateLimitStore['countSoon'];
  /** Counts one request of the key. Rejects when Redis is away. */
  readonly countRequest: (apiKeyId: string) => Promise<ClientRateLimitInfo>;
  /** The body of an answer of now. */
  readonly readStatus: (storeId: string, paymentId: Bytes32) => Promise<unknown>;
  /** The ordinary way. */
  readonly passOn: (request: IncomingMessage, response: ServerResponse) => void;
}

function says(
  body: unknown,
  readAt: number,
): Pick<RememberedReply, 'body' | 'rememberedMs' | 'readAt' | 'renewAt'> {
  const isMoving = (body as { readonly status?: unknown }).status === 'processing';
  const rememberedMs = isMoving ? REMEMBERED_PROCESSING_MS : REPLY_MS;
  return {
    body: JSON.stringify(body),
    rememberedMs,
    readAt,
    renewAt: readAt + rememberedMs * RENEWED_AFTER,
  };
}

/** Headers of the ordinary reply that are about that one request. */
const OWN_HEADERS = new Set([
  'x-request-id',
  'ratelimit',
  'date',
  'connection',
  'keep-alive',
  'content-length',
]);

export function createStatusReplies(ctx: Context, options: StatusRepliesOptions): StatusReplies {
  const replies = new Map<string, RememberedReply>();
  const isLogged = ctx.log.isLevelEnabled('debug');
  const ceiling = soonCeiling(ctx.config.rateLimitPerMinute);
  let isListening = false;
  /**
   * Any payment's: a reply that was being made while something changed may be the old one, and is
   * not worth remembering.
   */
  let changes = 0;

  function urlOf(paymentId: string): string {
    return PREFIX + paymentId + SUFFIX;
  }

  function listen(): void {
    if (isListening) return;
    isListening = true;
    ctx.signals.onChanged('payment', (paymentId) => {
      changes++;
      if (paymentId === 'all') replies.clear();
      else replies.delete(urlOf(paymentId));
    });
  }

  function findReply(request: IncomingMessage): RememberedReply | undefined {
    const { url, headers } = request;
    if (request.method !== 'GET' || url?.length !== URL_LENGTH) return undefined;
    const reply = replies.get(url);
    if (reply === undefined) return undefined;
    const now = performance.now();
    if (reply.readAt + reply.rememberedMs <= now) {
      replies.delete(url);
      return undefined;
    }
    const apiKey = headers['x-api-key'];
    // A request with a body, or one that is to be continued, is for the ordinary way to judge.
    if (
      typeof apiKey !== 'string' ||
      headers['content-length'] !== undefined ||
      headers['transfer-encoding'] !== undefined
    )
      return undefined;
    const identity = recallIdentity(ctx, apiKey);
    if (identity?.apiKeyId !== reply.apiKeyId) return undefined;
    if (now >= reply.renewAt) {
      reply.renewAt = Infinity;
      // Of what cannot be read by then, the ordinary way tells once the reply is too old.
      renew(url, reply, identity.storeId).catch(() => {
        reply.renewAt = performance.now() + reply.rememberedMs * RENEWED_AGAIN_AFTER;
      });
    }
    return reply;
  }

  /** A change of the payment that is heard meanwhile has forgotten the reply. */
  async function renew(url: string, reply: RememberedReply, storeId: string): Promise<void> {
    // As in `remember`.
    const askedAt = performance.now();
    const paymentId = asBytes32(url.slice(PREFIX.length, -SUFFIX.length));
    const body = await options.readStatus(storeId, paymentId);
    if (replies.get(url) !== reply) return;
    // Answers of one operation differ in their body alone.
    Object.assign(reply, says(body, askedAt));
    // The least asked for are the first to go.
    remember(url, reply);
  }

  return {
    remember(req, res, next) {
      listen();
      const changesBefore = changes;
      // What the reply says is read later, but for what was read in the CACHE_MS before.
      const askedAt = performance.now();
      if (req.originalUrl.length === URL_LENGTH && !isLogged) {
        const json = res.json.bind(res);
        res.json = (body: unknown) => {
          // By now the reply was checked; it is remembered once it has been sent as it is.
          res.once('finish', () => {
            const apiKeyId = req.identity?.apiKeyId;
            if (res.statusCode !== 200 || apiKeyId === undefined || changes !== changesBefore)
              return;
            remember(req.originalUrl, {
              apiKeyId,
              ...says(body, askedAt),
              headers: Object.entries(res.getHeaders()).flatMap(([name, value]) =>
                OWN_HEADERS.has(name) ? [] : [name, String(value)],
              ),
            });
          });
          return json(body);
        };
      }
      next();
    },

    tryAnswer(request, response) {
      const reply = findReply(request);
      if (reply === undefined) return false;
      void ctx.signals.isUpToDate().then((isUpToDate) => {
        // Forgotten or renewed meanwhile: the ordinary way knows.
        if (isUpToDate && replies.get(request.url ?? '') === reply)
          countAndAnswer(reply, request, response);
        else options.passOn(request, response);
      });
      return true;
    },
  };

  function countAndAnswer(
    reply: RememberedReply,
    request: IncomingMessage,
    response: ServerResponse,
  ): void {
    const soon = options.countSoon(reply.apiKeyId, ceiling);
    if (soon !== undefined) {
      answer(reply, request, response, soon);
      return;
    }
    options.countRequest(reply.apiKeyId).then(
      ({ totalHits, resetTime }) => {
        // It will be counted once more, which is what a refused request is worth.
        if (totalHits > ctx.config.rateLimitPerMinute) options.passOn(request, response);
        else
          answer(reply, request, response, {
            totalHits,
            leftMs: (resetTime?.getTime() ?? 0) - Date.now(),
          });
      },
      () => options.passOn(request, response),
    );
  }

  function answer(
    reply: RememberedReply,
    request: IncomingMessage,
    response: ServerResponse,
    { totalHits, leftMs }: { readonly totalHits: number; readonly leftMs: number },
  ): void {
    const resetSeconds = Math.max(0, Math.ceil(leftMs / 1000));
    response.writeHead(200, [
      ...reply.headers,
      'Content-Length',
      String(Buffer.byteLength(reply.body)),
      'X-Request-Id',
      takeRequestId(request) ?? ctx.newId('req'),
      'RateLimit',
      `"${RATE_LIMIT_NAME}"; r=${ctx.config.rateLimitPerMinute - totalHits}; t=${resetSeconds}`,
    ]);
    response.end(reply.body);
  }

  function remember(url: string, reply: RememberedReply): void {
    replies.delete(url);
    replies.set(url, reply);
    // Insertion order makes the first key the oldest.
    for (const oldest of replies.keys()) {
      if (replies.size <= MAX_REPLIES) break;
      replies.delete(oldest);
    }
  }
}
