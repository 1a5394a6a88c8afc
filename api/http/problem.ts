import { CHAIN_ERRORS } from '../../domain/chain/errors.ts';
import { IDEMPOTENCY_ERRORS } from '../../domain/idempotency/errors.ts';
import { PAYMENT_ERRORS } from '../../domain/payments/errors.ts';
import { REFUND_ERRORS } from '../../domain/refunds/errors.ts';
import { RELAY_ERRORS } from '../../domain/relay/errors.ts';
import { STORE_ERRORS } from '../../domain/stores/errors.ts';
import { WEBHOOK_ERRORS } from '../../domain/webhooks/errors.ts';
import { isDatabaseAway } from '../../platform/isDatabaseAway.ts';
import {
  AppError,
  COMMON_ERRORS,
  type ErrorCategory,
  type ErrorKind,
  type FieldError,
} from '../../shared/errors.ts';
import { HTTP_ERRORS } from './errors.ts';
import type { components } from '../generated/openapi.ts';

/**
 * From whatever was thrown to an answer (RFC 9457). What we threw on purpose is told; everything
 * else is an opaque 500, or a 503 when it is the database that does not answer.
 */
export type Problem = components['schemas']['Problem'];
export type ErrorCode = components['schemas']['ErrorCode'];

/** Every kind of error there is. */
export const ERROR_KINDS: readonly ErrorKind[] = [
  COMMON_ERRORS,
  HTTP_ERRORS,
  STORE_ERRORS,
  PAYMENT_ERRORS,
  RELAY_ERRORS,
  REFUND_ERRORS,
  CHAIN_ERRORS,
  WEBHOOK_ERRORS,
  IDEMPOTENCY_ERRORS,
].flatMap((kinds) => Object.values<ErrorKind>(kinds));

const CODES: ReadonlySet<string> = new Set(ERROR_KINDS.map(({ code }) => code));

/** The one place that knows which HTTP status a category of errors has. */
export const STATUS_OF_CATEGORY: Readonly<Record<ErrorCategory, number>> = {
  badRequest: 400,
  unauthenticated: 401,
  forbidden: 403,
  notFound: 404,
  methodNotOffered: 405,
  requestTimeout: 408,
  conflict: 409,
  tooLarge: 413,
  unsupportedMediaType: 415,
  unprocessable: 422,
  rateLimited: 429,
  headersTooLarge: 431,
  internal: 500,
  unavailable: 503,
};

/** What 503 advises when the error itself does not know better. */
const DEFAULT_RETRY_AFTER_SECONDS = 2;

export interface ProblemReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Problem;
}

export function toProblemReply(error: unknown, requestId: string): ProblemReply {
  const known = toAppError(error);
  const status = isErrorCode(known.code) ? STATUS_OF_CATEGORY[known.kind.category] : 500;
  const code: ErrorCode = isErrorCode(known.code) ? known.code : 'PAY_025';
  const headers: Record<string, string> = { ...extraHeadersOf(error) };
  if (known.retryAfterSeconds !== undefined || status === 503) {
    headers['Retry-After'] = String(known.retryAfterSeconds ?? DEFAULT_RETRY_AFTER_SECONDS);
  }
  if (status === 401) headers['WWW-Authenticate'] = 'ApiKey realm="MSQPay", header="x-api-key"';
  return {
    status,
    headers,
    body: {
      type: `urn:msqpay:error:${code}`,
      title: known.kind.title,
      status,
      code,
      ...(known.detail === undefined ? {} : { detail: known.detail }),
      ...(known.reason === undefined ? {} : { reason: known.reason }),
      requestId,
      ...(known.fields === undefined
        ? {}
        : { errors: known.fields.map(({ path, message }) => ({ path, message })) }),
    },
  };
}

/** Refused for what the resource is by now. */
export function isConflict({ kind }: AppError): boolean {
  return kind.category === 'conflict';
}

function isErrorCode(code: string): code is ErrorCode {
  return CODES.has(code);
}

function toAppError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  return (
    fromHttpLibrary(error) ??
    new AppError(isDatabaseAway(error) ? COMMON_ERRORS.unavailable : COMMON_ERRORS.internal, {
      cause: error,
    })
  );
}

/**
 * Errors of the libraries at the HTTP edge: the router, the body parser and the OpenAPI validator
 * mark theirs with a status. Only their shape is looked at, and their text is shown only where it
 * is about the description and not about values.
 */
function fromHttpLibrary(error: unknown): AppError | undefined {
  if (!(error instanceof Error) || !('status' in error)) return undefined;
  switch (error.status) {
    case 400:
      return new AppError(COMMON_ERRORS.validation, { ...describeBadRequest(error), cause: error });
    case 404:
      return new AppError(COMMON_ERRORS.notFound, { cause: error });
    case 405:
      return new AppError(HTTP_ERRORS.methodNotOffered, { cause: error });
    case 413:
      return new AppError(HTTP_ERRORS.bodyTooLarge, { cause: error });
    case 415:
      return new AppError(HTTP_ERRORS.unsupportedMediaType, { cause: error });
    default:
      return undefined;
  }
}

function describeBadRequest(error: Error & { type?: unknown; errors?: unknown; path?: unknown }): {
  detail?: string;
  fields?: FieldError[];
} {
  if (error.type === 'entity.parse.failed') return { detail: 'The body is not valid JSON.' };
  if (Array.isArray(error.errors)) {
    const fields = error.errors
      .filter(isFieldError)
      .map(({ path, message }) => ({ path, message }));
    if (fields.length > 0) return { fields: withoutRepeats(fields) };
  }
  return {};
}

function isFieldError(value: unknown): value is FieldError {
  return (
    typeof value === 'object' &&
    value !== null &&
    'path' in value &&
    typeof value.path === 'string' &&
    'message' in value &&
    typeof value.message === 'string'
  );
}

function withoutRepeats(fields: readonly FieldError[]): FieldError[] {
  return [...new Map(fields.map((field) => [`${field.path}\n${field.message}`, field])).values()];
}

/** `Allow` of a 405 that the OpenAPI validator found. */
function extraHeadersOf(error: unknown): Readonly<Record<string, string>> {
  if (
    !(error instanceof Error) ||
    !('headers' in error) ||
    typeof error.headers !== 'object' ||
    error.headers === null
  )
    return {};
  return 'Allow' in error.headers && typeof error.headers.Allow === 'string'
    ? { Allow: error.headers.Allow }
    : {};
}
