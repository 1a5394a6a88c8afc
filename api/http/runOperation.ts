import { hash } from 'node:crypto';

import type { IdempotencyClaim, Reply } from '../../domain/idempotency/model.ts';
import type { Context } from '../../platform/context.ts';
import { AppError } from '../../shared/errors.ts';
import { asBytes32 } from '../../shared/hex.ts';
import type { OperationId, OperationRequest } from './handler.ts';
import { OPERATIONS } from './operations.ts';
import { BASE_PATH, type DescribedOperation } from './openapiDocument.ts';
import { isConflict } from './problem.ts';
import type { Request, RequestHandler, Response } from './request.ts';

type AnyHandler = (
  ctx: Context,
  request: OperationRequest<OperationId>,
) => Promise<Reply & { readonly replayed?: boolean }>;

/**
 * The last link of an operation's chain: hands the checked request to its handler and sends what
 * that returns.
 */
export function runOperation(
  ctx: Context,
  operation: DescribedOperation,
  stopping: AbortSignal,
): RequestHandler {
  // The table has the right handler for each id, and the request was checked against the same id's
  // description.
  const handler = OPERATIONS[operation.operationId] as AnyHandler | undefined;
  if (handler === undefined)
    throw new Error(
      `openapi.yaml has ${operation.operationId}, which is in no handler's types: run npm run openapi`,
    );
  return async (req, res) => {
    if (operation.permission !== 'none') await ctx.whenClockCompared();
    const reply = await tellingOthers(ctx, req, () =>
      handler(
        forOneRequest(ctx, req.requestId),
        toOperationRequest(req, res, { operation, stopping }),
      ),
    );
    res.statusCode = reply.status;
    // An answer about one store, and one that is out of date at once.
    res.setHeader('Cache-Control', 'no-store');
    for (const [name, value] of Object.entries(reply.headers ?? {})) res.setHeader(name, value);
    if (reply.replayed === true) res.setHeader('Idempotent-Replayed', 'true');
    if ('body' in reply) res.json(reply.body);
    else res.end();
  };
}

/**
 * A replay tells of a change, and so does a refusal for what the payment has become. Whoever made
 * that change may have died between its commit and telling other processes (see Signals), so it is
 * told once more: nobody may read what was before, once this is answered.
 */
async function tellingOthers(
  ctx: Context,
  req: Request,
  handle: () => ReturnType<AnyHandler>,
): ReturnType<AnyHandler> {
  const { paymentId } = req.params;
  if (typeof paymentId !== 'string') return handle();
  const tell = () => ctx.signals.changed([{ topic: 'payment', id: asBytes32(paymentId) }]);
  let reply: Awaited<ReturnType<AnyHandler>>;
  try {
    reply = await handle();
  } catch (error) {
    if (error instanceof AppError && isConflict(error)) await tell();
    throw error;
  }
  if (reply.replayed === true) await tell();
  return reply;
}

/**
 * The context with the request's id in it. Its logger is made when first used: most requests never
 * log, and a child logger costs more than they do.
 */
export function forOneRequest(ctx: Context, requestId: string): Context {
  let log: Context['log'] | undefined;
  return {
    ...ctx,
    requestId,
    get log() {
      return (log ??= ctx.log.child({ requestId }));
    },
  };
}

function toOperationRequest(
  req: Request,
  res: Response,
  {
    operation,
    stopping,
  }: { readonly operation: DescribedOperation; readonly stopping: AbortSignal },
): OperationRequest<OperationId> {
  let signal: AbortSignal | undefined;
  const request: OperationRequest<'createPayment' | 'getHealth'> = {
    identity: req.identity ?? null,
    params: req.params,
    query: req.query,
    body: req.body as never,
    get claim() {
      return toClaim(req, operation);
    },
    header(name) {
      const value = req.headers[name];
      return Array.isArray(value) ? value.join(', ') : value;
    },
    get signal() {
      return (signal ??= createSignal(req, res, stopping));
    },
  };
  return request;
}

function toClaim(req: Request, operation: DescribedOperation): IdempotencyClaim | null {
  if (operation.idempotency === 'none') return null;
  const key = req.headers['idempotency-key'];
  if (typeof key !== 'string' || req.identity === undefined) return null;
  const text = `${req.method} ${BASE_PATH}${fillIn(operation.path, req.params)}\n${toCanonicalJson(req.body)}`;
  return { storeId: req.identity.storeId, key, requestHash: hash('sha256', text, 'hex') };
}

/** The path in its one spelling: clients may escape what they like, and it is the same route. */
function fillIn(path: string, params: Request['params']): string {
  return path.replace(/\{(\w+)\}/g, (_placeholder, name: string) =>
    encodeURIComponent(String(params[name])),
  );
}

/** JSON with sorted keys: the same body whatever order a client's library writes it in. */
export function toCanonicalJson(value: unknown): string {
  return (
    JSON.stringify(value, (_key, member: unknown) =>
      typeof member === 'object' && member !== null && !Array.isArray(member)
        ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
        : member,
    ) ?? ''
  );
}

function createSignal(req: Request, res: Response, stopping: AbortSignal): AbortSignal {
  const controller = new AbortController();
  const abort = () => controller.abort();
  if (stopping.aborted) abort();
  stopping.addEventListener('abort', abort);
  const end = () => {
    stopping.removeEventListener('abort', abort);
    req.socket.off('close', end);
    abort();
  };
  res.once('close', end);
  // A response that waits behind another one on its connection does not hear of its end.
  req.socket.once('close', end);
  return controller.signal;
}
