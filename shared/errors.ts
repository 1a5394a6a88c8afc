/**
 * The one error type that may cross a module boundary on purpose. Everything else that is thrown is
 * a defect or a broken dependency and is answered as an opaque 500/503.
 */

/**
 * What an error means to whoever asked. The category decides the HTTP status
 * (`api/http/problem.ts`), and by its name the reply that `openapi.yaml` describes: `notFound` is
 * the reply `NotFound`.
 */
export const ERROR_CATEGORIES = [
  'badRequest',
  'unauthenticated',
  'forbidden',
  'notFound',
  'methodNotOffered',
  'requestTimeout',
  'conflict',
  'tooLarge',
  'unsupportedMediaType',
  'unprocessable',
  'rateLimited',
  'headersTooLarge',
  'internal',
  'unavailable',
] as const;
export type ErrorCategory = (typeof ERROR_CATEGORIES)[number];

/**
 * What kind of error it is: a stable public code and the title that stands for every occurrence.
 *
 * A code is for ever: clients compare it. The first ones are numbers, `PAY_001` and so on, and stay
 * as they are. A new kind's code begins with its module, so that modules need not share a series:
 * `SUBSCRIPTION_001` (see `docs/decisions/`).
 */
export interface ErrorKind {
  /** Stable, documented in openapi.yaml, e.g. `PAY_001`. */
  readonly code: string;
  readonly category: ErrorCategory;
  /**
   * One short sentence, the same for every occurrence (RFC 9457 `title`). Never contains a value
   * from the request.
   */
  readonly title: string;
  /** Whether the very same request may succeed later without anybody changing it. */
  readonly retryable?: boolean;
}

export interface AppErrorOptions {
  /**
   * Shown to the caller: what is wrong in this occurrence. Must not contain secrets or personal
   * data.
   */
  readonly detail?: string;
  /** Never shown to the caller; goes to the log. */
  readonly internal?: Readonly<Record<string, unknown>>;
  /**
   * Machine-readable: which of the code's cases this is. Stable, described with the code in
   * openapi.yaml, e.g. `payer`.
   */
  readonly reason?: string;
  /** Per-field findings for a refused request body or parameter. */
  readonly fields?: readonly FieldError[];
  /** Seconds after which a retry makes sense (`Retry-After`). */
  readonly retryAfterSeconds?: number;
  readonly cause?: unknown;
}

export interface FieldError {
  /** Where: `/body/amount`, `/query/limit`, `/headers/idempotency-key`. */
  readonly path: string;
  readonly message: string;
}

export class AppError extends Error {
  override readonly name = 'AppError';
  readonly kind: ErrorKind;
  readonly detail: string | undefined;
  readonly internal: Readonly<Record<string, unknown>> | undefined;
  readonly reason: string | undefined;
  readonly fields: readonly FieldError[] | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(kind: ErrorKind, options: AppErrorOptions = {}) {
    super(
      options.detail ?? kind.title,
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.kind = kind;
    this.detail = options.detail;
    this.internal = options.internal;
    this.reason = options.reason;
    this.fields = options.fields;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }

  get code(): string {
    return this.kind.code;
  }
}

/** Error kinds that belong to no module of the domain. */
export const COMMON_ERRORS = {
  validation: {
    code: 'PAY_005',
    category: 'badRequest',
    title: 'The request does not match the API description',
  },
  notFound: { code: 'PAY_009', category: 'notFound', title: 'There is no such resource' },
  internal: {
    code: 'PAY_025',
    category: 'internal',
    title: 'Something went wrong on our side',
    retryable: true,
  },
  unavailable: {
    code: 'PAY_026',
    category: 'unavailable',
    title: 'A service we depend on does not answer',
    retryable: true,
  },
  busy: {
    code: 'PAY_050',
    category: 'unavailable',
    title: 'Too many requests wait already',
    retryable: true,
  },
} as const satisfies Record<string, ErrorKind>;
