import type { Fault } from '../relayer/faults.ts';

export const operations = [
  'sendTransaction',
  'listTransactions',
  'getTransaction',
  'getTransactionByNonce',
  'getRelayer',
  'getRelayerStatus',
  'getRelayerBalance',
] as const;
export type Operation = (typeof operations)[number];

export type OzFault = Fault<Operation>;
