import type { Fault as FaultOf } from '../relayer/faults.ts';

export const operations = [
  'login',
  'refreshToken',
  'sendTransaction',
  'getTransaction',
  'listTransactions',
  'replaceTransaction',
  'cancelTransaction',
  'getRelayer',
  'getRelayerStatus',
  'sign',
  'signTypedData',
  'jsonRpc',
] as const;
export type Operation = (typeof operations)[number];

export type Fault = FaultOf<Operation>;
export type FaultKind = Fault['kind'];
