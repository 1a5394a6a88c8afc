import * as openApiValidator from 'express-openapi-validator';

import type { Context } from '../../platform/context.ts';
import type { DescribedOperation, OpenapiDocument } from '../openapiDocument.ts';
import type { RequestHandler } from '../request.ts';

/**
 * Checks the requests and the replies of one operation against the document.
 *
 * Each operation has a validator of its own that knows only its path. One for the whole document would find the path again for each request, building
 * the regular expressions of all paths before it every time.
 */
export function validateOperation(ctx: Context, document: OpenapiDocument, operation: DescribedOperation): RequestHandler[] {
  const item = document.paths[operation.path] ?? {};
  const { parameters, [operation.method]: description } = item;
  const apiSpec = {
    ...document,
    webhooks: {},
    paths: { [operation.path]: { ...(parameters === undefined ? {} : { parameters }), [operation.method]: description } },
  };
  return openApiValidator.middleware({
    // The validator rewrites what it is given.
    apiSpec: structuredClone(apiSpec) as unknown as Parameters<typeof openApiValidator.middleware>[0]['apiSpec'] & object,
    // The linter does it, and a broken document would show in every test.
    validateApiSpec: false,
    validateRequests: { allErrors: true },
    validateResponses: ctx.config.strictResponses
      ? { allErrors: true }
      : {
          allErrors: true,
          onError: (error, _body, req) =>
            ctx.log.error(
              { err: error, operationId: operation.operationId, requestId: req.requestId },
              'a reply does not match openapi.yaml',
            ),
        },
    // Ours: see authenticate.ts.
    validateSecurity: false,
    fileUploader: false,
  });
}
