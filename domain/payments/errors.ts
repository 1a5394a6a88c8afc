import type { ErrorKind } from '../../shared/errors.ts';

export const PAYMENT_ERRORS = {
  alreadyProcessed: {
    code: 'PAY_003',
    category: 'conflict',
    title: 'The payment was already processed',
  },
  stateConflict: {
    code: 'PAY_004',
    category: 'conflict',
    title: 'The payment is not in a state that allows this',
  },
  unknownToken: {
    code: 'PAY_006',
    category: 'badRequest',
    title: 'The token is not on the list for this chain',
  },
  unknownChain: { code: 'PAY_007', category: 'badRequest', title: 'The chain is not configured' },
  merchantNotRegistered: {
    code: 'PAY_008',
    category: 'badRequest',
    title: 'The merchant address is not registered for this store',
  },
  expired: { code: 'PAY_017', category: 'conflict', title: 'The payment has expired' },
} as const satisfies Record<string, ErrorKind>;
