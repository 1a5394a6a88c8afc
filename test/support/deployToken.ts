import { createWalletClient, getAddress, type Abi, type Hex } from 'viem';

import type { ChainConfig, Config } from '../../platform/config.ts';
import type { Address } from '../../shared/hex.ts';
import { anvilTransport } from './anvilTransport.ts';
import type { ChainHome } from './harness.ts';

/** Puts a contract of contracts/src/test on the chain. */
export async function deployToken(
  { chain, stack }: ChainHome,
  abi: Abi,
  bytecode: Hex,
  args: readonly unknown[] = [],
): Promise<Address> {
  const { publicClient } = chain;
  const wallet = createWalletClient({
    account: await chain.createCustomer({}),
    transport: anvilTransport(stack.chain.rpcUrl),
  });
  const hash = await wallet.deployContract({ abi, bytecode, args, chain: publicClient.chain });
  const { contractAddress } = await publicClient.waitForTransactionReceipt({ hash });
  return getAddress(contractAddress ?? '');
}

/** For HarnessOptions: every chain lists these tokens too. */
export const withTokens =
  (tokens: ChainConfig['tokens']) =>
  (config: Config): Config => ({
    ...config,
    chains: config.chains.map((chain) => ({ ...chain, tokens: [...chain.tokens, ...tokens] })),
  });
