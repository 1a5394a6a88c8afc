import type { ErrorKind } from '../../shared/errors.ts';

export const CHAIN_ERRORS = {
  unavailable: {
    code: 'PAY_020',
    category: 'unavailable',
    title: 'The chain does not answer',
    retryable: true,
  },
  clockBehind: {
    code: 'PAY_053',
    category: 'unavailable',
    title: 'Our clock is behind the chain’s',
    retryable: true,
  },
  wouldRevert: {
    code: 'PAY_027',
    category: 'unprocessable',
    title: 'The transaction would revert',
  },
} as const satisfies Record<string, ErrorKind>;
