import type { ErrorKind } from '../../shared/errors.ts';

export const REFUND_ERRORS = {
  exceedsPayment: {
    code: 'PAY_035',
    category: 'unprocessable',
    title: 'The refunds would exceed the payment',
  },
  nonceUsed: {
    code: 'PAY_036',
    category: 'conflict',
    title: 'The refund’s nonce was used for this payment',
  },
  failedOneFirst: {
    code: 'PAY_037',
    category: 'conflict',
    title: 'The signature of a refund that failed is still good',
  },
} as const satisfies Record<string, ErrorKind>;
