import type { ErrorKind } from '../../shared/errors.ts';

export const STORE_ERRORS = {
  unauthenticated: {
    code: 'PAY_010',
    category: 'unauthenticated',
    title: 'The API key is missing, unknown or revoked',
  },
  forbidden: {
    code: 'PAY_011',
    category: 'forbidden',
    title: 'The API key’s role does not allow this',
  },
} as const satisfies Record<string, ErrorKind>;
