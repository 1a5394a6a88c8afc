import type { ErrorKind } from '../../shared/errors.ts';

export const RELAY_ERRORS = {
  insufficientBalance: { code: 'PAY_001', title: 'The payer does not hold enough of the token' },
  approvalRefused: { code: 'PAY_002', title: 'The gateway is not approved for the amount' },
  badSignature: { code: 'PAY_015', title: 'The signature is not the payer’s' },
  wrongNonce: { code: 'PAY_016', title: 'The nonce is not the payer’s next one' },
  termsMismatch: { code: 'PAY_018', title: 'The signed request is not for this payment' },
  deadline: { code: 'PAY_019', title: 'The deadline of the signed request does not fit' },
  relayerUnavailable: {
    code: 'PAY_021',
    title: 'No relayer can take the request now',
    retryable: true,
  },
  notOffered: { code: 'PAY_028', title: 'Gasless payment is not offered on this chain' },
  notSent: { code: 'PAY_029', title: 'The relayer did not send the transaction' },
  reverted: { code: 'PAY_030', title: 'The transaction was mined without paying' },
  tooManyInFlight: {
    code: 'PAY_033',
    title: 'Too many relayed requests are on their way',
    retryable: true,
  },
  backOff: {
    code: 'PAY_041',
    title: 'Relaying waits after requests that were mined without paying',
    retryable: true,
  },
  belowMinimum: { code: 'PAY_043', title: 'The amount is too small to be relayed, pay directly' },
  payDirectly: {
    code: 'PAY_042',
    title: 'Too many requests were mined without paying: relaying is not offered, pay directly',
  },
  gasBudgetSpent: { code: 'PAY_034', title: 'The gas budget for today is spent', retryable: true },
} as const satisfies Record<string, ErrorKind>;
