import {
  createTestClient,
  createWalletClient,
  defineChain,
  encodeFunctionData,
  getAddress,
  publicActions,
  type Abi,
  type Hash,
  type Hex,
} from 'viem';
import { generatePrivateKey, privateKeyToAccount, type PrivateKeyAccount } from 'viem/accounts';

import {
  regulatedTokenAbi,
  regulatedTokenBytecode,
} from '../../contracts/generated/test/RegulatedToken.ts';
import { usdtTokenAbi, usdtTokenBytecode } from '../../contracts/generated/test/UsdtToken.ts';
import { testTokenAbi, testTokenBytecode } from '../../contracts/generated/TestToken.ts';
import type { ChainConfig, Config } from '../../platform/config.ts';
import type { Address } from '../../shared/hex.ts';
import { anvilTransport } from './anvilTransport.ts';
import type { OwnChain } from './ownChain.ts';

/** Tokens that are not as the usual one, all on one chain of a test's own. */
export interface OddTokens {
  /**
   * Returns nothing, and wants an allowance set to 0 before it is changed; can be paused, and bar
   * accounts.
   */
  readonly usdt: Address;
  readonly twoDecimals: Address;
  readonly noDecimals: Address;
  /** With a permit; can be paused, and bar accounts. */
  readonly regulated: Address;
  /** For HarnessOptions: the chain lists them too. */
  configure(config: Config): Config;
  mint(token: Address, to: Address, amount: bigint): Promise<void>;
  approve(token: Address, owner: PrivateKeyAccount, amount: bigint): Promise<void>;
  /** In a block of its own, or (`pending`) before what is sent next, in the next block. */
  setPaused(token: Address, paused: boolean, when?: 'pending'): Promise<void>;
  setBarred(token: Address, account: Address, barred: boolean, when?: 'pending'): Promise<void>;
  balanceOf(token: Address, owner: Address): Promise<bigint>;
}

/** The same calls in both. */
const GOVERNING = regulatedTokenAbi;

export async function createOddTokens(chain: OwnChain): Promise<OddTokens> {
  const { gateway } = chain;
  const transport = anvilTransport(chain.rpcUrl);
  const client = createTestClient({ mode: 'anvil', transport, cacheTime: 0 }).extend(publicActions);
  const description = defineChain({
    id: chain.chainId,
    name: 'own',
    nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
    rpcUrls: { default: { http: [chain.rpcUrl] } },
  });
  const issuer = privateKeyToAccount(generatePrivateKey());
  await client.setBalance({ address: issuer.address, value: 10n ** 20n });
  const walletOf = (account: PrivateKeyAccount) =>
    createWalletClient({ account, chain: description, transport });

  async function inBlock(hash: Hash) {
    await chain.mine();
    const receipt = await client.getTransactionReceipt({ hash });
    if (receipt.status !== 'success') throw new Error(`${hash} was reverted`);
    return receipt;
  }
  async function deploy(abi: Abi, bytecode: Hex, args: readonly unknown[]): Promise<Address> {
    return getAddress(
      (await inBlock(await walletOf(issuer).deployContract({ abi, bytecode, args })))
        .contractAddress ?? '',
    );
  }
  /**
   * No estimate, which would fail where the test wants the transaction to; and more of a tip than
   * what is to come after it.
   */
  const write = (from: PrivateKeyAccount, to: Address, data: Hex) =>
    walletOf(from).sendTransaction({
      to,
      data,
      gas: 200_000n,
      maxFeePerGas: 10n ** 12n,
      maxPriorityFeePerGas: 10n ** 11n,
    });
  async function govern(token: Address, data: Hex, when?: 'pending'): Promise<void> {
    const hash = await write(issuer, token, data);
    if (when === undefined) await inBlock(hash);
  }

  const usdt = await deploy(usdtTokenAbi, usdtTokenBytecode, [6]);
  const twoDecimals = await deploy(testTokenAbi, testTokenBytecode, ['Two Decimals', 'TWO', 2]);
  const noDecimals = await deploy(testTokenAbi, testTokenBytecode, ['No Decimals', 'NONE', 0]);
  const regulated = await deploy(regulatedTokenAbi, regulatedTokenBytecode, [
    'Regulated',
    'REG',
    6,
  ]);
  const permit = (name: string) => ({ name, version: '1' });
  const listed: ChainConfig['tokens'] = [
    { address: usdt, symbol: 'USDX', decimals: 6 },
    { address: twoDecimals, symbol: 'TWO', decimals: 2, permit: permit('Two Decimals') },
    { address: noDecimals, symbol: 'NONE', decimals: 0, permit: permit('No Decimals') },
    { address: regulated, symbol: 'REG', decimals: 6, permit: permit('Regulated') },
  ];

  return {
    usdt,
    twoDecimals,
    noDecimals,
    regulated,
    configure: (config) => ({
      ...config,
      chains: config.chains.map((one) => ({ ...one, tokens: [...one.tokens, ...listed] })),
    }),
    async mint(token, to, amount) {
      await inBlock(
        await write(
          issuer,
          token,
          encodeFunctionData({ abi: testTokenAbi, functionName: 'mint', args: [to, amount] }),
        ),
      );
    },
    async approve(token, owner, amount) {
      await inBlock(
        await write(
          owner,
          token,
          encodeFunctionData({
            abi: testTokenAbi,
            functionName: 'approve',
            args: [gateway, amount],
          }),
        ),
      );
    },
    setPaused: (token, paused, when) =>
      govern(
        token,
        encodeFunctionData({ abi: GOVERNING, functionName: 'setPaused', args: [paused] }),
        when,
      ),
    setBarred: (token, account, barred, when) =>
      govern(
        token,
        encodeFunctionData({ abi: GOVERNING, functionName: 'setBarred', args: [account, barred] }),
        when,
      ),
    balanceOf: (token, owner) =>
      client.readContract({
        address: token,
        abi: testTokenAbi,
        functionName: 'balanceOf',
        args: [owner],
      }),
  };
}
