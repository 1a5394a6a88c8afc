import type { SignedRequest } from './contractModel.ts';

type Rail = SignedRequest['rail'];

/**
 * What one request by itself uses at most with an ordinary token and a signer that is no contract,
 * permit included: dev/contracts/printGas.ts prints the table.
 */
const GAS: Readonly<Record<Rail, bigint>> = {
  forwarder: 150_000n,
  authorization: 135_000n,
  refund: 135_000n,
};

/**
 * What a request uses at most whose signer's account runs code of its own: all that the contracts
 * give it, and what is around it (see adapters/chain: ITEM_GAS and AROUND_ITEM_GAS). On the
 * forwarder rail only the permit can ask that account: 150,000 more.
 */
const FOREIGN_CODE_GAS: Readonly<Record<Rail, bigint>> = {
  forwarder: 300_000n,
  authorization: 460_000n,
  refund: 460_000n,
};

/**
 * What a request uses at most.
 * @param dataGas what the chain takes for the data of a request beside what it executes
 */
export function decideRequestGas(rail: Rail, runsForeignCode: boolean, dataGas: bigint): bigint {
  return (runsForeignCode ? FOREIGN_CODE_GAS : GAS)[rail] + dataGas;
}
