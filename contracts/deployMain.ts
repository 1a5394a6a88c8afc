import { parseArgs } from 'node:util';
import type { Hex } from 'viem';

import { allowSlowConnections } from '../platform/allowSlowConnections.ts';
import { deployContracts } from './deploy.ts';

/**
 * `npm run contracts:deploy -- --rpc URL`: puts gateway and forwarder on a chain, paid for by the
 * account of `DEPLOYER_PRIVATE_KEY`, which has no rights to either afterwards. Prints what the
 * chain's entry in the chains file needs.
 */
const { values } = parseArgs({ options: { rpc: { type: 'string' } } });
const { DEPLOYER_PRIVATE_KEY: key = '' } = process.env;
if (values.rpc === undefined || !/^0x[0-9a-fA-F]{64}$/.test(key)) {
  console.error('Usage: DEPLOYER_PRIVATE_KEY=0x… npm run contracts:deploy -- --rpc URL');
  process.exit(2);
}
allowSlowConnections();
try {
  const { gateway, forwarder, blockNumber } = await deployContracts({
    rpcUrl: values.rpc,
    deployerPrivateKey: key as Hex,
    tokens: [],
  });
  console.log(JSON.stringify({ gateway, forwarder, startBlock: Number(blockNumber) }, null, 2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
