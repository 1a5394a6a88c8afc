import { z } from 'zod';

/** The little of OpenAPI that the bundler looks at. Everything else passes through as it is. */
export interface Operation {
  readonly operationId: string;
  /** `payments:read` and so on; `none`: open to everybody. */
  readonly 'x-permission': string;
  readonly 'x-idempotency': 'required' | 'optional' | 'none';
  /** In a part: those beside the common ones. In the bundle: all. */
  readonly 'x-error-codes': readonly string[];
  /** It answers a list page by page. */
  readonly 'x-paged'?: boolean;
  readonly parameters?: readonly object[];
  readonly responses: Readonly<Record<string, object>>;
  readonly [key: string]: unknown;
}

export const HTTP_METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const;
export type HttpMethod = (typeof HTTP_METHODS)[number];

/** What a part has to say, so that nothing about access or errors is left to a default. */
const partSchema = z.looseObject({
  operationId: z.string(),
  'x-permission': z.string(),
  'x-idempotency': z.enum(['required', 'optional', 'none']),
  'x-error-codes': z.array(z.string()),
  'x-paged': z.literal(true).optional(),
  parameters: z.array(z.looseObject({})).optional(),
  responses: z.record(z.string(), z.looseObject({})),
});

/** @throws when it does not say what every operation has to say */
export function parsePart(where: string, part: unknown): Operation {
  const parsed = partSchema.safeParse(part);
  if (!parsed.success) throw new Error(`${where}: ${z.prettifyError(parsed.error)}`);
  return part as Operation;
}

export interface Components {
  readonly parameters: Readonly<Record<string, { readonly name: string; readonly in: string }>>;
  readonly responses: Readonly<Record<string, object>>;
  readonly schemas: Readonly<Record<string, object>>;
  readonly [section: string]: unknown;
}

export interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly components: Components;
  readonly [section: string]: unknown;
}
