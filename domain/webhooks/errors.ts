import type { ErrorKind } from '../../shared/errors.ts';

export const WEBHOOK_ERRORS = {
  urlRefused: {
    code: 'PAY_031',
    category: 'badRequest',
    title: 'Webhooks cannot be sent to this URL',
  },
  tooManyEndpoints: {
    code: 'PAY_032',
    category: 'conflict',
    title: 'The store has as many webhook endpoints as it may have',
  },
} as const satisfies Record<string, ErrorKind>;
