import type { ErrorKind } from '../../shared/errors.ts';

export const CHAIN_ERRORS = {
  unavailable: { code: 'PAY_020', title: 'The chain does not answer', retryable: true },
  clockBehind: { code: 'PAY_053', title: 'Our clock is behind the chain’s', retryable: true },
  wouldRevert: { code: 'PAY_027', title: 'The transaction would revert' },
} as const satisfies Record<string, ErrorKind>;
