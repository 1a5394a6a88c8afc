import {
  createWalletClient,
  encodeFunctionData,
  getAddress,
  type Abi,
  type Address,
  type Hash,
} from 'viem';
import type { PrivateKeyAccount } from 'viem/accounts';

import { testTokenAbi } from '../../contracts/generated/TestToken.ts';
import { testWalletAbi, testWalletBytecode } from '../../contracts/generated/test/TestWallet.ts';
import { walletMode } from './walletMode.ts';
import { anvilTransport } from './anvilTransport.ts';
import type { ChainHome } from './harness.ts';

/**
 * A contract account (ERC-1271) that holds tokens and has approved the gateway; its word is what
 * its owner signs.
 */
export interface ContractWallet {
  readonly address: Address;
  readonly owner: PrivateKeyAccount;
  setMode(mode: keyof typeof walletMode): Promise<void>;
  /** Signs the digest on the chain: an empty signature stands for it from then on. */
  signOnChain(digest: Hash): Promise<void>;
}

export async function createContractWallet(
  home: ChainHome,
  token: Address,
): Promise<ContractWallet> {
  const owner = await home.chain.createCustomer({});
  const { publicClient } = home.chain;
  const { chain } = publicClient;
  const client = createWalletClient({
    account: owner,
    transport: anvilTransport(home.stack.chain.rpcUrl),
  });
  const mined = async (hash: Hash) => {
    const receipt = await publicClient.waitForTransactionReceipt({ hash });
    if (receipt.status !== 'success') throw new Error(`${hash} was reverted`);
    return receipt;
  };
  const write = async (
    address: Address,
    abi: Abi,
    functionName: string,
    args: readonly unknown[],
  ) => mined(await client.writeContract({ address, abi, functionName, args, chain }));

  const deployed = await client.deployContract({
    abi: testWalletAbi,
    bytecode: testWalletBytecode,
    args: [owner.address],
    chain,
  });
  const address = getAddress((await mined(deployed)).contractAddress ?? '');
  await write(token, testTokenAbi, 'mint', [address, 10n ** 12n]);
  const approval = encodeFunctionData({
    abi: testTokenAbi,
    functionName: 'approve',
    args: [home.stack.deployment.gateway, 10n ** 12n],
  });
  await write(address, testWalletAbi, 'perform', [token, approval]);
  return {
    address,
    owner,
    async setMode(mode) {
      await write(address, testWalletAbi, 'setMode', [walletMode[mode]]);
    },
    async signOnChain(digest) {
      await write(address, testWalletAbi, 'signOnChain', [digest]);
    },
  };
}
