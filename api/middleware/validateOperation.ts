import * as openApiValidator from 'express-openapi-validator';

import type { Context } from '../../platform/context.ts';
import type { OperationId } from '../handler.ts';
import type { DescribedOperation, OpenapiDocument } from '../openapiDocument.ts';
import type { RequestHandler } from '../request.ts';

/**
 * What is asked for all the time. The validator looks a request's path up by building the regular expressions of all paths before it, every time
 * (measured: 12 µs a request), so these have one of their own that knows only their path. Not all have, since each takes 80 ms to start.
 */
const FREQUENT: ReadonlySet<OperationId> = new Set<OperationId>(['createPayment', 'getPayment', 'getPaymentStatus']);

/** @returns for an operation, what checks its requests and replies against the document */
export function createOperationValidators(ctx: Context, document: OpenapiDocument): (operation: DescribedOperation) => RequestHandler[] {
  const shared = createValidator(ctx, document);
  return (operation) => (FREQUENT.has(operation.operationId) ? createValidator(ctx, onlyPath(document, operation.path)) : shared);
}

function onlyPath(document: OpenapiDocument, path: string): OpenapiDocument {
  return { ...document, paths: { [path]: document.paths[path] ?? {} } };
}

type ValidatorOptions = Parameters<typeof openApiValidator.middleware>[0];

function createValidator(ctx: Context, document: OpenapiDocument): RequestHandler[] {
  return openApiValidator.middleware({
    // Cloned, since the validator rewrites what it is given. Our outgoing webhooks are none of its business.
    apiSpec: structuredClone({ ...document, webhooks: {} }) as unknown as Exclude<ValidatorOptions['apiSpec'], string>,
    // The linter does it, and a broken document would show in every test.
    validateApiSpec: false,
    validateRequests: { allErrors: true },
    validateResponses: {
      allErrors: true,
      ...(ctx.config.strictResponses ? {} : { onError: (error, _body, req) => logMismatch(ctx, error, req.requestId, req.operationId) }),
    },
    // Ours: see authenticate.ts.
    validateSecurity: false,
    fileUploader: false,
  });
}

function logMismatch(ctx: Context, error: Error, requestId: string, operationId: string | undefined): void {
  ctx.log.error({ err: error, requestId, operationId }, 'a reply does not match openapi.yaml');
}
