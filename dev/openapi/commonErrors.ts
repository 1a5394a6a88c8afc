import { HTTP_ERRORS } from '../../api/http/errors.ts';
import { IDEMPOTENCY_ERRORS } from '../../domain/idempotency/errors.ts';
import { STORE_ERRORS } from '../../domain/stores/errors.ts';
import { COMMON_ERRORS } from '../../shared/errors.ts';
import type { HttpMethod, Operation } from './document.ts';

/**
 * Codes that an operation may answer with by what it is, whatever it does: a part does not list
 * them.
 *
 * Not among them is what is answered before anybody knows the operation: another method, a request
 * that Node cannot read.
 */
export function listCommonErrors(
  { path, method }: { readonly path: string; readonly method: HttpMethod },
  operation: Pick<Operation, 'x-permission' | 'x-idempotency'>,
): string[] {
  const needsKey = operation['x-permission'] !== 'none';
  return [
    COMMON_ERRORS.validation,
    COMMON_ERRORS.internal,
    ...(needsKey
      ? [
          STORE_ERRORS.unauthenticated,
          STORE_ERRORS.forbidden,
          HTTP_ERRORS.tooManyRequests,
          COMMON_ERRORS.unavailable,
          COMMON_ERRORS.busy,
        ]
      : []),
    ...(path.includes('{') ? [COMMON_ERRORS.notFound] : []),
    // Whatever is posted is read, also where nothing is expected.
    ...(method === 'post' ? [HTTP_ERRORS.bodyTooLarge, HTTP_ERRORS.unsupportedMediaType] : []),
    ...(operation['x-idempotency'] === 'none' ? [] : Object.values(IDEMPOTENCY_ERRORS)),
  ].map(({ code }) => code);
}
