import * as openApiValidator from 'express-openapi-validator';

import type { Context } from '../../../platform/context.ts';
import { AppError, COMMON_ERRORS } from '../../../shared/errors.ts';
import type { OperationId } from '../handler.ts';
import type { DescribedOperation, OpenapiDocument } from '../openapiDocument.ts';
import { parseMoment } from '../parseMoment.ts';
import { isStorableText } from '../parseJsonText.ts';
import type { RequestHandler } from '../request.ts';

/**
 * What is asked for all the time. The validator looks a request's path up by building the regular
 * expressions of all paths before it, every time (measured: 12 µs a request), so these have one of
 * their own that knows only their path. Not all have, since each takes 80 ms to start.
 */
const FREQUENT: ReadonlySet<OperationId> = new Set<OperationId>([
  'createPayment',
  'getPayment',
  'getPaymentStatus',
]);

/** @returns for an operation, what checks its requests and replies against the document */
export function createOperationValidators(
  ctx: Context,
  document: OpenapiDocument,
): (operation: DescribedOperation) => RequestHandler[] {
  const { validateAll, validatePath } = ctx.config.strictResponses
    ? findStrictValidators(document)
    : createValidators(document, ctx);
  return ({ operationId, path }) => [
    refuseUnreadableQuery,
    ...(FREQUENT.has(operationId) ? validatePath(path) : validateAll),
  ];
}

interface Validators {
  readonly validateAll: RequestHandler[];
  /** Knows this path only. */
  validatePath(path: string): RequestHandler[];
}

/**
 * Several servers of one process, as tests start them, have them in common: what they compile at
 * the first requests takes half a second of a core. They tell nobody but the request, and keep
 * nothing of an app.
 */
const strictValidators = new WeakMap<OpenapiDocument, Validators>();

function findStrictValidators(document: OpenapiDocument): Validators {
  const known = strictValidators.get(document);
  if (known !== undefined) return known;
  const { validateAll, validatePath } = createValidators(document);
  const ofPaths = new Map<string, RequestHandler[]>();
  const made: Validators = {
    validateAll,
    validatePath(path) {
      const handlers = ofPaths.get(path) ?? validatePath(path);
      ofPaths.set(path, handlers);
      return handlers;
    },
  };
  strictValidators.set(document, made);
  return made;
}

/**
 * @param tellOfReplies whose log is told of replies that do not match, which go out then; absent:
 *   they are refused
 */
function createValidators(document: OpenapiDocument, tellOfReplies?: Context): Validators {
  return {
    validateAll: createValidator(document, tellOfReplies),
    validatePath: (path) => createValidator(onlyPath(document, path), tellOfReplies),
  };
}

function onlyPath(document: OpenapiDocument, path: string): OpenapiDocument {
  return { ...document, paths: { [path]: document.paths[path] ?? {} } };
}

type ValidatorOptions = Parameters<typeof openApiValidator.middleware>[0];

function createValidator(
  document: OpenapiDocument,
  tellOfReplies: Context | undefined,
): RequestHandler[] {
  return openApiValidator.middleware({
    // Cloned, since the validator rewrites what it is given. Our outgoing webhooks are none of its
    // business.
    apiSpec: allowReserved(structuredClone({ ...document, webhooks: {} })) as unknown as Exclude<
      ValidatorOptions['apiSpec'],
      string
    >,
    // The linter does it, and a broken document would show in every test.
    validateApiSpec: false,
    validateRequests: { allErrors: true },
    validateResponses: {
      allErrors: true,
      ...(tellOfReplies === undefined
        ? {}
        : {
            onError: (error, _body, req) =>
              logMismatch(tellOfReplies, error, req.requestId, req.operationId),
          }),
    },
    // Ours: see authenticate.ts.
    validateSecurity: false,
    fileUploader: false,
    formats: { 'date-time': (text: string) => parseMoment(text) !== undefined },
  });
}

interface DescribedParameter {
  readonly in?: string;
  allowReserved?: boolean;
}

/**
 * Without this the validator refuses a query with `:`, `/`, `@`, `+` or `*` in a value that is not
 * percent-encoded, which many clients send, and RFC 3986 allows. It is no part of openapi.yaml:
 * there it would tell generated clients not to encode anything, `&` included.
 */
function allowReserved(document: OpenapiDocument): OpenapiDocument {
  const shared =
    (
      document['components'] as
        { readonly parameters?: Record<string, DescribedParameter> } | undefined
    )?.parameters ?? {};
  const inPaths = Object.values(document.paths).flatMap((item) =>
    Object.values(item).flatMap((part) =>
      Array.isArray(part)
        ? (part as DescribedParameter[])
        : ((part as { parameters?: DescribedParameter[] }).parameters ?? []),
    ),
  );
  for (const parameter of [...Object.values(shared), ...inPaths])
    if (parameter.in === 'query') parameter.allowReserved = true;
  return document;
}

/**
 * A query that is no text, or one that could not be stored as it is, is refused before anybody
 * reads it as something else.
 */
const refuseUnreadableQuery: RequestHandler = (req, _res, next) => {
  const start = req.originalUrl.indexOf('?');
  const query = start < 0 ? '' : req.originalUrl.slice(start + 1);
  if (query.includes('%') && !isReadable(query)) {
    throw new AppError(COMMON_ERRORS.validation, {
      detail: 'The query is not valid percent-encoded UTF-8.',
    });
  }
  next();
};

function isReadable(query: string): boolean {
  try {
    return isStorableText(decodeURIComponent(query));
  } catch {
    return false;
  }
}

function logMismatch(
  ctx: Context,
  error: Error,
  requestId: string,
  operationId: string | undefined,
): void {
  ctx.log.error({ err: error, requestId, operationId }, 'a reply does not match openapi.yaml');
}
