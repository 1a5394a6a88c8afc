import type { ErrorKind } from '../../shared/errors.ts';

export const PAYMENT_ERRORS = {
  alreadyProcessed: { code: 'PAY_003', title: 'The payment was already processed' },
  stateConflict: { code: 'PAY_004', title: 'The payment is not in a state that allows this' },
  unknownToken: { code: 'PAY_006', title: 'The token is not on the list for this chain' },
  unknownChain: { code: 'PAY_007', title: 'The chain is not configured' },
  merchantNotRegistered: {
    code: 'PAY_008',
    title: 'The merchant address is not registered for this store',
  },
  expired: { code: 'PAY_017', title: 'The payment has expired' },
} as const satisfies Record<string, ErrorKind>;
