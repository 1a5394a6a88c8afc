import type { ErrorKind } from '../../shared/errors.ts';

export const RELAY_ERRORS = {
  insufficientBalance: {
    code: 'PAY_001',
    category: 'unprocessable',
    title: 'The payer does not hold enough of the token',
  },
  approvalRefused: {
    code: 'PAY_002',
    category: 'unprocessable',
    title: 'The gateway is not approved for the amount',
  },
  badSignature: {
    code: 'PAY_015',
    category: 'unprocessable',
    title: 'The signature is not the payer’s',
  },
  wrongNonce: {
    code: 'PAY_016',
    category: 'conflict',
    title: 'The nonce is not the payer’s next one',
  },
  termsMismatch: {
    code: 'PAY_018',
    category: 'unprocessable',
    title: 'The signed request is not for this payment',
  },
  deadline: {
    code: 'PAY_019',
    category: 'unprocessable',
    title: 'The deadline of the signed request does not fit',
  },
  relayerUnavailable: {
    code: 'PAY_021',
    category: 'unavailable',
    title: 'No relayer can take the request now',
    retryable: true,
  },
  notOffered: {
    code: 'PAY_028',
    category: 'conflict',
    title: 'Gasless payment is not offered on this chain',
  },
  notSent: {
    code: 'PAY_029',
    category: 'conflict',
    title: 'The relayer did not send the transaction',
  },
  reverted: {
    code: 'PAY_030',
    category: 'conflict',
    title: 'The transaction was mined without paying',
  },
  tooManyInFlight: {
    code: 'PAY_033',
    category: 'rateLimited',
    title: 'Too many relayed requests are on their way',
    retryable: true,
  },
  backOff: {
    code: 'PAY_041',
    category: 'rateLimited',
    title: 'Relaying waits after requests that were mined without paying',
    retryable: true,
  },
  belowMinimum: {
    code: 'PAY_043',
    category: 'unprocessable',
    title: 'The amount is too small to be relayed, pay directly',
  },
  payDirectly: {
    code: 'PAY_042',
    category: 'conflict',
    title: 'Too many requests were mined without paying: relaying is not offered, pay directly',
  },
  gasBudgetSpent: {
    code: 'PAY_034',
    category: 'rateLimited',
    title: 'The gas budget for today is spent',
    retryable: true,
  },
} as const satisfies Record<string, ErrorKind>;
