import type { ErrorKind } from '../../shared/errors.ts';

export const IDEMPOTENCY_ERRORS = {
  keyReused: {
    code: 'PAY_013',
    category: 'unprocessable',
    title: 'The Idempotency-Key was used for a different request',
  },
  inFlight: {
    code: 'PAY_014',
    category: 'conflict',
    title: 'A request with this Idempotency-Key is still being worked on',
    retryable: true,
  },
} as const satisfies Record<string, ErrorKind>;
