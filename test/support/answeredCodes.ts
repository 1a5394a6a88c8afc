import { subscribe } from 'node:diagnostics_channel';

import { listOperations, readOpenapiDocument } from '../../api/http/openapiDocument.ts';

/** What Node tells when a server of this process has sent an answer. */
const CHANNEL = 'http.server.response.finish';

const codesOf = new Map<string, Set<string>>();

/**
 * From now on every error code is remembered that an operation of an API in this process answers
 * with.
 */
export function recordAnsweredCodes(): void {
  subscribe(CHANNEL, (message) => {
    const { request, response } = message as {
      readonly request: { readonly operationId?: string };
      readonly response: { readonly errorCode?: string };
    };
    if (request.operationId === undefined || response.errorCode === undefined) return;
    const codes = codesOf.get(request.operationId) ?? new Set();
    codesOf.set(request.operationId, codes.add(response.errorCode));
  });
}

/** The codes that an operation has answered with until now. */
export function answeredCodes(operationId: string): string[] {
  return [...(codesOf.get(operationId) ?? [])];
}

/** @throws naming what was answered though openapi.yaml does not list it (`x-error-codes`) */
export function assertAnswersAreListed(): void {
  if (codesOf.size === 0) return;
  const operations = listOperations(readOpenapiDocument());
  const unlisted = [...codesOf].flatMap(([operationId, codes]) => {
    const listed = operations.find((one) => one.operationId === operationId)?.errorCodes ?? [];
    return [...codes]
      .filter((code) => !listed.includes(code))
      .map((code) => `${operationId} answered ${code}`);
  });
  if (unlisted.length > 0)
    throw new Error(
      `x-error-codes do not list what was answered: ${unlisted.join(', ')}. ` +
        'Add it to the operation’s part beside its handler, then npm run openapi.',
    );
}
