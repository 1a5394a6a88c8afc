import type { ErrorKind } from '../../shared/errors.ts';

export const REFUND_ERRORS = {
  exceedsPayment: { code: 'PAY_035', title: 'The refunds would exceed the payment' },
  nonceUsed: { code: 'PAY_036', title: 'The refund’s nonce was used for this payment' },
} as const satisfies Record<string, ErrorKind>;
