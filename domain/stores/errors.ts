import type { ErrorKind } from '../../shared/errors.ts';

export const STORE_ERRORS = {
  unauthenticated: { code: 'PAY_010', title: 'The API key is missing, unknown or revoked' },
  forbidden: { code: 'PAY_011', title: 'The API key’s role does not allow this' },
} as const satisfies Record<string, ErrorKind>;
