import { setMaxListeners } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Queue } from 'bullmq';
import express, { type Express } from 'express';

import { getPaymentStatus } from '../../domain/payments/status.ts';
import { rolesWith } from '../../domain/stores/model.ts';
import type { Context } from '../../platform/context.ts';
import { AppError, COMMON_ERRORS } from '../../shared/errors.ts';
import { toPaymentStatusReply } from '../routes/payments/toPaymentStatusReply.ts';
import { createAdminBoard } from './adminBoard.ts';
import { createApiDocs } from './apiDocs.ts';
import { HTTP_ERRORS } from './errors.ts';
import { assignRequestId } from './middleware/assignRequestId.ts';
import { authenticate } from './middleware/authenticate.ts';
import { createFailureLimiter } from './middleware/createFailureLimiter.ts';
import { limitRate } from './middleware/limitRate.ts';
import { logRequests } from './middleware/logRequests.ts';
import { parseJsonBody } from './middleware/parseJsonBody.ts';
import { createRedisRateLimitStore } from './middleware/redisRateLimitStore.ts';
import { sendProblem } from './middleware/sendProblem.ts';
import { setApiSecurityHeaders } from './middleware/setSecurityHeaders.ts';
import { createOperationValidators } from './middleware/validateOperation.ts';
import { warnOfProxy } from './middleware/warnOfProxy.ts';
import { createMetrics } from './metrics.ts';
import {
  BASE_PATH,
  listOperations,
  readOpenapiDocument,
  type DescribedOperation,
} from './openapiDocument.ts';
import type { RequestHandler } from './request.ts';
import { runOperation } from './runOperation.ts';
import { createStatusReplies } from './statusReplies.ts';

const ADMIN_BOARD_PATH = '/admin/queues';
/** Wrong API keys an address may send in a minute. */
const MAX_WRONG_KEYS = 100;
/** For orchestrators, which look at the root. */
const ROOT_ALIASES: Readonly<Partial<Record<string, string>>> = {
  getHealth: '/healthz',
  getReadiness: '/readyz',
};

export interface AppOptions {
  /** Shown on Bull Board. */
  readonly queues: readonly Queue[];
  /** Aborted when this process is about to end: waiting requests are answered. */
  readonly stopping?: AbortSignal;
}

export interface App {
  readonly express: Express;
  /**
   * What comes in: a status request that was answered a moment ago is answered at once, everything
   * else goes to Express.
   */
  readonly handle: (request: IncomingMessage, response: ServerResponse) => void;
}

/**
 * The order in which a request is looked at. Serve it with createHttpServer, which makes Express a
 * good deal faster.
 */
export function createApp(ctx: Context, options: AppOptions): App {
  const document = readOpenapiDocument();
  const operations = listOperations(document);
  const stopping = options.stopping ?? new AbortController().signal;
  // Every waiting request listens to it.
  setMaxListeners(0, stopping);

  const metrics = createMetrics(ctx, '/metrics');
  const app = express();
  app.disable('x-powered-by');
  // Nobody asks again with If-None-Match for what must not be stored, and hashing every answer is
  // not free.
  app.set('etag', false);
  app.set('trust proxy', ctx.config.trustedProxies);
  app.set('query parser', 'simple');
  // One spelling of a path, so that the same request under the same Idempotency-Key is the same to
  // everybody.
  app.set('case sensitive routing', true);
  app.set('strict routing', true);

  app.use(assignRequestId(ctx), ...warnOfProxy(ctx));
  app.use(logRequests(ctx));
  app.use(setApiSecurityHeaders());

  const rateLimitStore = createRedisRateLimitStore(ctx, 'api-key:');
  const passOn = app as unknown as App['handle'];
  const statusReplies = createStatusReplies(ctx, {
    countSoon: rateLimitStore.countSoon,
    countRequest: async (apiKeyId) => rateLimitStore.increment(apiKeyId),
    readStatus: async (storeId, paymentId) =>
      toPaymentStatusReply(await getPaymentStatus(ctx, { storeId, paymentId, waitSeconds: 0 })),
    passOn,
  });

  // Before the body is read: who has no key costs us nothing but the refusal.
  const failures = createFailureLimiter(ctx, 'wrong-api-key', MAX_WRONG_KEYS);
  const limit = limitRate(ctx, rateLimitStore);
  const admit = ({ permission }: DescribedOperation) =>
    permission === 'none'
      ? []
      : [authenticate(ctx, { roles: rolesWith(permission), failures }), limit];
  const validate = createOperationValidators(ctx, document);
  for (const operation of operations) {
    const { operationId, path, method } = operation;
    const run = runOperation(ctx, operation, stopping);
    const isFor = recognize(operation);
    app[method](
      toRoute(path),
      isFor,
      ...admit(operation),
      ...(method === 'post' ? parseJsonBody() : []),
      ...(operationId === 'getPaymentStatus' ? [statusReplies.remember] : []),
      ...validate(operation),
      run,
    );
    const alias = ROOT_ALIASES[operationId];
    if (alias !== undefined) app[method](alias, isFor, run);
    // Who watches from outside often asks with HEAD, at what needs no key.
    if (operation.permission === 'none')
      app.head(
        [toRoute(path), ...(alias === undefined ? [] : [alias])],
        nameOperation(operationId),
        run,
      );
  }
  for (const path of new Set(operations.map((operation) => operation.path)))
    app.all(toRoute(path), refuseMethod(operations, path));

  app.use(BASE_PATH, createApiDocs(document, BASE_PATH));
  app.use(ADMIN_BOARD_PATH, createAdminBoard(ctx, options.queues, ADMIN_BOARD_PATH));
  app.use(metrics.router);
  app.get(['/', '/docs'], (_req, res) => res.redirect(`${BASE_PATH}/docs/`));

  app.use(() => {
    throw new AppError(COMMON_ERRORS.notFound, { detail: 'There is no such route.' });
  });
  app.use(sendProblem(ctx, metrics.countProblem));
  return {
    express: app,
    handle: (request, response) => {
      if (!statusReplies.tryAnswer(request, response)) passOn(request, response);
    },
  };
}

/** `/payments/{paymentId}` → `/api/v1/payments/:paymentId` */
function toRoute(path: string): string {
  return BASE_PATH + path.replace(/\{(\w+)\}/g, ':$1');
}

function recognize({ operationId, method }: DescribedOperation): RequestHandler {
  const upperCase = method.toUpperCase();
  return (req, _res, next) => {
    // Express gives HEAD to what handles GET; the document offers no HEAD.
    if (req.method !== upperCase) {
      next('route');
      return;
    }
    req.operationId = operationId;
    next();
  };
}

function nameOperation(operationId: string): RequestHandler {
  return (req, _res, next) => {
    req.operationId = operationId;
    next();
  };
}

function refuseMethod(operations: readonly DescribedOperation[], path: string): RequestHandler {
  const offered = operations
    .filter((operation) => operation.path === path)
    .flatMap(({ method, permission }) => [
      method.toUpperCase(),
      ...(permission === 'none' ? ['HEAD'] : []),
    ]);
  return (_req, res) => {
    res.setHeader('Allow', offered.join(', '));
    throw new AppError(HTTP_ERRORS.methodNotOffered, {
      detail: `Offered here: ${offered.join(', ')}.`,
    });
  };
}
