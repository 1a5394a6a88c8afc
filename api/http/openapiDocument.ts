import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';

import { PERMISSIONS, type Permission } from '../../domain/stores/model.ts';
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
  /** What the role of an API key has to allow. `none`: no key is asked for. */
  readonly permission: Permission | 'none';
  /** What an Idempotency-Key is to it; the validator refuses a request without a required one. */
  readonly idempotency: 'required' | 'optional' | 'none';
  /** Every code that a request may be refused with. */
  readonly errorCodes: readonly string[];
}

const HTTP_METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const;
export type HttpMethod = (typeof HTTP_METHODS)[number];

const operationSchema = z.looseObject({
  operationId: z.string(),
  'x-permission': z.enum([...PERMISSIONS, 'none']),
  'x-idempotency': z.enum(['required', 'optional', 'none']),
  'x-error-codes': z.array(z.string()),
});

let document: OpenapiDocument | undefined;

/** Read once in a process; nobody changes it. */
export function readOpenapiDocument(): OpenapiDocument {
  document ??= parse(readFileSync(join(PROJECT_ROOT, 'openapi.yaml'), 'utf8')) as OpenapiDocument;
  return document;
}

/** @throws when an operation does not say who may use it: nothing is open by mistake */
export function listOperations(document: OpenapiDocument): DescribedOperation[] {
  return Object.entries(document.paths).flatMap(([path, item]) =>
    HTTP_METHODS.flatMap((method) => {
      if (item[method] === undefined) return [];
      const parsed = operationSchema.safeParse(item[method]);
      if (!parsed.success)
        throw new Error(`openapi.yaml, ${method} ${path}: ${z.prettifyError(parsed.error)}`);
      const operation = parsed.data;
      return [
        {
          operationId: operation.operationId as OperationId,
          path,
          method,
          permission: operation['x-permission'],
          idempotency: operation['x-idempotency'],
          errorCodes: operation['x-error-codes'],
        },
      ];
    }),
  );
}
