import { setTimeout as sleep } from 'node:timers/promises';
import {
  createTestClient,
  createWalletClient,
  defineChain,
  encodeFunctionData,
  getAddress,
  keccak256,
  publicActions,
  zeroAddress,
  type Hash,
  type Hex,
} from 'viem';
import { generatePrivateKey, privateKeyToAccount, type PrivateKeyAccount } from 'viem/accounts';

import { testWalletAbi, testWalletBytecode } from '../../contracts/generated/test/TestWallet.ts';
import {
  walletPermitTokenAbi,
  walletPermitTokenBytecode,
} from '../../contracts/generated/test/WalletPermitToken.ts';
import { walletMode } from './walletMode.ts';
import type { Address } from '../../shared/hex.ts';
import { anvilTransport } from './anvilTransport.ts';
import type { OwnChain } from './ownChain.ts';

/**
 * Accounts of a key whose code may be set (EIP-7702), and a token that asks such code about
 * permits, as USDC does.
 */
export interface DelegatedAccounts {
  readonly token: Address;
  /** With the token, and no approval: it has to sign permits. */
  createCustomer(): Promise<PrivateKeyAccount>;
  /**
   * Gives the account, one of these customers, the code of a wallet in that mode; resolves when a
   * block has it.
   */
  delegate(account: PrivateKeyAccount, mode: keyof typeof walletMode): Promise<void>;
  /** Takes its code away again. */
  undelegate(account: PrivateKeyAccount): Promise<void>;
}

/**
 * @param input.isMined whether the chain makes its blocks by itself; else each transaction is given
 *   one of its own
 */
export async function createDelegatedAccounts(
  chain: Pick<OwnChain, 'chainId' | 'rpcUrl'> & { readonly isMined?: boolean },
): Promise<DelegatedAccounts> {
  const transport = anvilTransport(chain.rpcUrl);
  const client = createTestClient({ mode: 'anvil', transport, cacheTime: 0 }).extend(publicActions);
  const sponsor = privateKeyToAccount(generatePrivateKey());
  await client.setBalance({ address: sponsor.address, value: 10n ** 20n });
  const wallet = createWalletClient({
    account: sponsor,
    chain: defineChain({
      id: chain.chainId,
      name: 'own',
      nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
      rpcUrls: { default: { http: [chain.rpcUrl] } },
    }),
    transport,
  });

  async function mined(hash: Hash) {
    if (chain.isMined !== true) await client.mine({ blocks: 1, interval: 0 });
    const receipt = await client.waitForTransactionReceipt({ hash, pollingInterval: 50 });
    if (receipt.status !== 'success') throw new Error(`${hash} was reverted`);
    return receipt;
  }
  /** Of the sponsor: while a reorganisation is under way the chain would name a lower one. */
  let sent = 0;
  const deployed = await wallet.deployContract({
    abi: walletPermitTokenAbi,
    bytecode: walletPermitTokenBytecode,
    nonce: sent++,
  });
  const token = getAddress((await mined(deployed)).contractAddress ?? '');

  /** A reorganisation may lose it: whoever sends something looks after it. */
  async function sendUntilMined(raw: Hex): Promise<void> {
    while (
      (await client.getTransactionReceipt({ hash: keccak256(raw) }).catch(() => undefined)) ===
      undefined
    ) {
      await sleep(500);
      // Refused while it is known.
      await client.sendRawTransaction({ serializedTransaction: raw }).catch(() => undefined);
    }
  }

  const wallets = new Map<Address, Address>();
  /** The sponsor's transactions have an order. */
  let turn: Promise<unknown> = Promise.resolve();
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = turn.then(work, work);
    turn = next.catch(() => undefined);
    return next;
  }

  return {
    token,
    createCustomer: () =>
      inTurn(async () => {
        const account = privateKeyToAccount(generatePrivateKey());
        const args = [account.address, 10n ** 12n] as const;
        await mined(
          await wallet.writeContract({
            address: token,
            abi: walletPermitTokenAbi,
            functionName: 'mint',
            args,
            nonce: sent++,
          }),
        );
        const code = await wallet.deployContract({
          abi: testWalletAbi,
          bytecode: testWalletBytecode,
          args: [account.address],
          nonce: sent++,
        });
        wallets.set(account.address, getAddress((await mined(code)).contractAddress ?? ''));
        return account;
      }),
    delegate: (account, mode) =>
      inTurn(async () => {
        const contractAddress = wallets.get(account.address);
        if (contractAddress === undefined)
          throw new Error(`${account.address} is none of these customers`);
        const nonce = await client.getTransactionCount({ address: account.address });
        const authorization = await account.signAuthorization({
          contractAddress,
          chainId: chain.chainId,
          nonce,
        });
        const data = encodeFunctionData({
          abi: testWalletAbi,
          functionName: 'setMode',
          args: [walletMode[mode]],
        });
        const gas = 200_000n;
        const call = {
          to: account.address,
          data,
          gas,
          nonce: sent,
          authorizationList: [authorization],
        };
        const raw = await wallet.signTransaction(await wallet.prepareTransactionRequest(call));
        sent += 1;
        const hash = keccak256(raw);
        await client.sendRawTransaction({ serializedTransaction: raw });
        if (chain.isMined === true) await sendUntilMined(raw);
        await mined(hash);
      }),
    undelegate: (account) =>
      inTurn(async () => {
        const nonce = await client.getTransactionCount({ address: account.address });
        const authorization = await account.signAuthorization({
          contractAddress: zeroAddress,
          chainId: chain.chainId,
          nonce,
        });
        await mined(
          await wallet.sendTransaction({
            to: account.address,
            gas: 200_000n,
            nonce: sent++,
            authorizationList: [authorization],
          }),
        );
      }),
  };
}
