import type { ErrorKind } from '../../shared/errors.ts';

export const WEBHOOK_ERRORS = {
  urlRefused: { code: 'PAY_031', title: 'Webhooks cannot be sent to this URL' },
  tooManyEndpoints: {
    code: 'PAY_032',
    title: 'The store has as many webhook endpoints as it may have',
  },
} as const satisfies Record<string, ErrorKind>;
