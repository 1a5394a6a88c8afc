import type { ErrorKind } from '../../shared/errors.ts';

export const REFUND_ERRORS = {
  exceedsPayment: { code: 'PAY_035', title: 'The refunds would exceed the payment' },
  nonceUsed: { code: 'PAY_036', title: 'The refund’s nonce was used for this payment' },
  failedOneFirst: { code: 'PAY_037', title: 'The signature of a refund that failed is still good' },
} as const satisfies Record<string, ErrorKind>;
