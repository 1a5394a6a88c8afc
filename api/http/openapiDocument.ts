import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

import { PROJECT_ROOT } from '../../platform/projectRoot.ts';
import type { OperationId } from './handler.ts';

/** Where the document's paths are served. */
export const BASE_PATH = '/api/v1';

/** The little that we read of openapi.yaml ourselves. */
export interface OpenapiDocument {
  readonly openapi: string;
  readonly servers: readonly { readonly url: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly [section: string]: unknown;
}

export interface DescribedOperation {
  readonly operationId: OperationId;
  /** As in the document: `/payments/{paymentId}`. */
  readonly path: string;
  readonly method: HttpMethod;
  /** Needs no API key. */
  readonly isPublic: boolean;
}

const HTTP_METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const;
export type HttpMethod = (typeof HTTP_METHODS)[number];

let document: OpenapiDocument | undefined;

/** Read once in a process; nobody changes it. */
export function readOpenapiDocument(): OpenapiDocument {
  document ??= parse(readFileSync(join(PROJECT_ROOT, 'openapi.yaml'), 'utf8')) as OpenapiDocument;
  return document;
}

export function listOperations(document: OpenapiDocument): DescribedOperation[] {
  return Object.entries(document.paths).flatMap(([path, item]) =>
    HTTP_METHODS.flatMap((method) => {
      const operation = item[method] as
        { operationId: OperationId; security?: readonly unknown[] } | undefined;
      if (operation === undefined) return [];
      return [
        {
          operationId: operation.operationId,
          path,
          method,
          isPublic: operation.security?.length === 0,
        },
      ];
    }),
  );
}
