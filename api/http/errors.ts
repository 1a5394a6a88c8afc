import type { ErrorKind } from '../../shared/errors.ts';

/** What can be wrong with a request before any module of the domain sees it. */
export const HTTP_ERRORS = {
  tooManyRequests: {
    code: 'PAY_012',
    category: 'rateLimited',
    title: 'Too many requests',
    retryable: true,
  },
  bodyTooLarge: { code: 'PAY_022', category: 'tooLarge', title: 'The body is too large' },
  methodNotOffered: {
    code: 'PAY_023',
    category: 'methodNotOffered',
    title: 'The method is not offered here',
  },
  requestTimeout: {
    code: 'PAY_051',
    category: 'requestTimeout',
    title: 'The request did not arrive in time',
    retryable: true,
  },
  headersTooLarge: {
    code: 'PAY_052',
    category: 'headersTooLarge',
    title: 'The headers are too large',
  },
  unsupportedMediaType: {
    code: 'PAY_024',
    category: 'unsupportedMediaType',
    title: 'Only JSON is understood',
  },
} as const satisfies Record<string, ErrorKind>;
