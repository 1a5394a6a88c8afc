import {
  createTestClient,
  createWalletClient,
  defineChain,
  encodeFunctionData,
  getAddress,
  publicActions,
  type Hash,
} from 'viem';
import { generatePrivateKey, privateKeyToAccount, type PrivateKeyAccount } from 'viem/accounts';

import { deployContracts } from '../../contracts/deploy.ts';
import { paymentGatewayAbi } from '../../contracts/generated/PaymentGateway.ts';
import { testWalletAbi, testWalletBytecode } from '../../contracts/generated/test/TestWallet.ts';
import { testTokenAbi } from '../../contracts/generated/TestToken.ts';
import { walletMode } from './walletMode.ts';
import { startChain } from '../../dev/chain.ts';
import { DEV_KEYS } from '../../dev/devKeys.ts';
import type { RequiredConfirmations } from '../../domain/chain/decide.ts';
import type { Payment } from '../../domain/payments/model.ts';
import type { RelayerPort } from '../../domain/relayers/ports.ts';
import type { Config } from '../../platform/config.ts';
import { toUnixSeconds } from '../../shared/clock.ts';
import type { Address, Hex } from '../../shared/hex.ts';
import { anvilTransport } from './anvilTransport.ts';

/** A signed transaction; it can be given to the chain again after a reorganisation took it away. */
export interface SignedTransaction {
  readonly hash: Hash;
  readonly raw: Hex;
}

/**
 * A chain of one test file's own, with the contracts on it and no block unless the test mines one:
 * for reorganisations, and for what depends on exactly when a block appears. Its customers may pay
 * only with `token`.
 */
export interface OwnChain {
  readonly chainId: number;
  readonly rpcUrl: string;
  readonly token: Address;
  readonly gateway: Address;
  /** For HarnessOptions: the only chain of the configuration is this one. */
  configure(changes?: {
    readonly confirmations?: RequiredConfirmations;
    readonly maxBlockRange?: number;
  }): (config: Config) => Config;
  mine(blocks?: number): Promise<void>;
  getHeadNumber(): Promise<bigint>;
  /** The next block has this time, and those after it go on from there. */
  setNextBlockTime(time: Date): Promise<void>;
  /** The blocks after this are so much later. */
  passTime(seconds: number): Promise<void>;
  /** With ether and nothing else. */
  createAccount(): Promise<PrivateKeyAccount>;
  createCustomer(input?: { readonly approve?: boolean }): Promise<PrivateKeyAccount>;
  /**
   * A contract account (ERC-1271) that holds tokens and has approved the gateway; its word is what
   * its owner signs.
   */
  createContractWallet(): Promise<OwnContractWallet>;
  /** Into the mempool: the next block that is mined has it. */
  pay(customer: PrivateKeyAccount, payment: Payment): Promise<SignedTransaction>;
  send(signed: SignedTransaction): Promise<void>;
  /** Everything the customer holds goes elsewhere. Into the mempool. */
  moveTokensAway(customer: PrivateKeyAccount): Promise<void>;
  mint(to: Address, amount: bigint): Promise<void>;
  /** Lets the gateway take all of its tokens, or so many, in a block of its own. */
  approve(owner: PrivateKeyAccount, amount?: bigint): Promise<void>;
  balanceOf(owner: Address): Promise<bigint>;
  /** @returns takes back every block mined since, and empties the mempool */
  takeSnapshot(): Promise<() => Promise<void>>;
  /**
   * Signs with an account of its own and sends at once; the blocks are the test's. Remembers
   * nothing but what it sent.
   */
  createRelayer(): Promise<OwnRelayer>;
  countPayments(paymentId: Payment['id']): Promise<number>;
  close(): Promise<void>;
}

export interface OwnContractWallet {
  readonly address: Address;
  readonly owner: PrivateKeyAccount;
  /** In a block of its own. */
  setMode(mode: keyof typeof walletMode): Promise<void>;
}

export interface OwnRelayer extends RelayerPort {
  /** Every form of every transaction. */
  readonly sent: readonly SignedTransaction[];
  /**
   * Sends the last transaction once more, with the same nonce and a higher fee: it has another hash
   * then.
   */
  raiseFee(): Promise<SignedTransaction>;
}

interface Call {
  readonly to: Address;
  readonly data: Hex;
  readonly gas?: bigint;
  /** The account's next one, when absent. */
  readonly nonce?: number;
  readonly maxFeePerGas?: bigint;
  readonly maxPriorityFeePerGas?: bigint;
}

/**
 * Far above what anything here needs: no estimate, which could fail where the test wants the
 * transaction to fail.
 */
const GAS = 500_000n;
const FEES = { maxFeePerGas: 10n ** 12n, maxPriorityFeePerGas: 10n ** 9n };

export async function startOwnChain(): Promise<OwnChain> {
  const anvil = await startChain();
  try {
    return await prepare(anvil);
  } catch (error) {
    await anvil.close();
    throw error;
  }
}

async function prepare(anvil: Awaited<ReturnType<typeof startChain>>): Promise<OwnChain> {
  const { rpcUrl, chainId } = anvil;
  const transport = anvilTransport(rpcUrl);
  // Without the cache a block number is never older than the question.
  const client = createTestClient({ mode: 'anvil', transport, cacheTime: 0 }).extend(publicActions);
  // Two chains that start within one second have the same blocks, unless their states differ.
  await client.setBalance({
    address: privateKeyToAccount(generatePrivateKey()).address,
    value: 1n,
  });
  const deployment = await deployContracts({
    rpcUrl,
    deployerPrivateKey: DEV_KEYS.deployer,
    tokens: [{ name: 'Test Dollar', symbol: 'TUSD', decimals: 6 }],
  });
  const token = deployment.tokens[0]?.address;
  if (token === undefined) throw new Error('no token was deployed');
  const { gateway } = deployment;
  const chain = defineChain({
    id: chainId,
    name: 'own',
    nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
    rpcUrls: { default: { http: [rpcUrl] } },
  });
  await client.setAutomine(false);

  const mine = (blocks = 1) => client.mine({ blocks, interval: 0 });

  /** What viem has no action for. */
  const ask = (method: string, params: readonly unknown[]) =>
    client.request<{ Method: string; Parameters: readonly unknown[]; ReturnType: unknown }>({
      method,
      params,
    });

  async function createAccount(): Promise<PrivateKeyAccount> {
    const account = privateKeyToAccount(generatePrivateKey());
    await client.setBalance({ address: account.address, value: 10n ** 20n });
    return account;
  }

  const nextNonce = ({ address }: PrivateKeyAccount) =>
    client.getTransactionCount({ address, blockTag: 'pending' });

  async function sign(account: PrivateKeyAccount, call: Call): Promise<SignedTransaction> {
    const nonce = call.nonce ?? (await nextNonce(account));
    const raw = await account.signTransaction({
      chainId,
      type: 'eip1559',
      gas: GAS,
      ...FEES,
      ...call,
      nonce,
    });
    const wallet = createWalletClient({ account, chain, transport });
    return { raw, hash: await wallet.sendRawTransaction({ serializedTransaction: raw }) };
  }

  const signApproval = (
    owner: PrivateKeyAccount,
    amount = 2n ** 256n - 1n,
  ): Promise<SignedTransaction> => {
    const args = [gateway, amount] as const;
    return sign(owner, {
      to: token,
      data: encodeFunctionData({ abi: testTokenAbi, functionName: 'approve', args }),
    });
  };

  return {
    chainId,
    rpcUrl,
    token,
    gateway,
    configure:
      (changes = {}) =>
      (config) => {
        const [first] = config.chains;
        if (first === undefined) throw new Error('the configuration has no chain');
        return {
          ...config,
          chains: [
            {
              ...first,
              chainId,
              rpcUrls: [rpcUrl],
              gateway,
              forwarder: deployment.forwarder,
              startBlock: Number(deployment.blockNumber),
              tokens: [
                {
                  address: token,
                  symbol: 'TUSD',
                  decimals: 6,
                  permit: { name: 'Test Dollar', version: '1' },
                },
              ],
              ...changes,
            },
          ],
        };
      },
    mine,
    getHeadNumber: () => client.getBlockNumber(),
    setNextBlockTime: (time) =>
      client.setNextBlockTimestamp({ timestamp: BigInt(toUnixSeconds(time)) }),
    passTime: (seconds) => client.increaseTime({ seconds }).then(() => undefined),
    async createCustomer({ approve = true } = {}) {
      const account = await createAccount();
      const args = [account.address, 10n ** 12n] as const;
      await sign(account, {
        to: token,
        data: encodeFunctionData({ abi: testTokenAbi, functionName: 'mint', args }),
      });
      if (approve) await signApproval(account);
      await mine();
      return account;
    },
    async createContractWallet() {
      const owner = await createAccount();
      const wallet = createWalletClient({ account: owner, chain, transport });
      const deployed = await wallet.deployContract({
        abi: testWalletAbi,
        bytecode: testWalletBytecode,
        args: [owner.address],
      });
      await mine();
      const { contractAddress } = await client.getTransactionReceipt({ hash: deployed });
      if (!contractAddress) throw new Error('the wallet was not deployed');
      const address = getAddress(contractAddress);
      const approval = encodeFunctionData({
        abi: testTokenAbi,
        functionName: 'approve',
        args: [gateway, 2n ** 256n - 1n],
      });
      await sign(owner, {
        to: token,
        data: encodeFunctionData({
          abi: testTokenAbi,
          functionName: 'mint',
          args: [address, 10n ** 12n],
        }),
      });
      await sign(owner, {
        to: address,
        data: encodeFunctionData({
          abi: testWalletAbi,
          functionName: 'perform',
          args: [token, approval],
        }),
      });
      await mine();
      return {
        address,
        owner,
        async setMode(mode) {
          const args = [walletMode[mode]] as const;
          await sign(owner, {
            to: address,
            data: encodeFunctionData({ abi: testWalletAbi, functionName: 'setMode', args }),
          });
          await mine();
        },
      };
    },
    createAccount,
    async approve(owner, amount) {
      await signApproval(owner, amount);
      await mine();
    },
    balanceOf: (owner) =>
      client.readContract({
        address: token,
        abi: testTokenAbi,
        functionName: 'balanceOf',
        args: [owner],
      }),
    pay(customer, payment) {
      const terms = {
        ...payment.terms,
        expiresAt: Math.floor(payment.terms.expiresAt.getTime() / 1000),
      };
      return sign(customer, {
        to: gateway,
        data: encodeFunctionData({ abi: paymentGatewayAbi, functionName: 'pay', args: [terms] }),
      });
    },
    async send({ raw }) {
      await client.sendRawTransaction({ serializedTransaction: raw });
    },
    async moveTokensAway(customer) {
      const balance = await client.readContract({
        address: token,
        abi: testTokenAbi,
        functionName: 'balanceOf',
        args: [customer.address],
      });
      const args = [privateKeyToAccount(generatePrivateKey()).address, balance] as const;
      await sign(customer, {
        to: token,
        data: encodeFunctionData({ abi: testTokenAbi, functionName: 'transfer', args }),
      });
    },
    async mint(to, amount) {
      await sign(await createAccount(), {
        to: token,
        data: encodeFunctionData({ abi: testTokenAbi, functionName: 'mint', args: [to, amount] }),
      });
    },
    async takeSnapshot() {
      const id = await client.snapshot();
      return async () => {
        await client.revert({ id });
        await ask('anvil_dropAllTransactions', []);
        // Going back sets the chain's clock back too.
        await ask('anvil_setTime', [Math.floor(Date.now() / 1000)]);
      };
    },
    async createRelayer() {
      const account = await createAccount();
      const sent: SignedTransaction[] = [];
      const transactions = new Map<string, { call: Call; hash: Hash }>();
      let latest: string | undefined;
      return {
        id: `own-${account.address.slice(2, 22).toLowerCase()}`,
        sent,
        async send({ to, data, gasLimit }) {
          const call = { to, data, gas: gasLimit, nonce: await nextNonce(account) };
          const signed = await sign(account, call);
          sent.push(signed);
          latest = `sent-${sent.length}`;
          transactions.set(latest, { call, hash: signed.hash });
          return {
            kind: 'accepted',
            transaction: { providerTransactionId: latest, hash: signed.hash, state: 'pending' },
          };
        },
        async raiseFee() {
          const transaction = latest === undefined ? undefined : transactions.get(latest);
          if (latest === undefined || transaction === undefined)
            throw new Error('nothing was sent');
          const fees = {
            maxFeePerGas: FEES.maxFeePerGas * 2n,
            maxPriorityFeePerGas: FEES.maxPriorityFeePerGas * 2n,
          };
          const signed = await sign(account, { ...transaction.call, ...fees });
          sent.push(signed);
          transactions.set(latest, { ...transaction, hash: signed.hash });
          return signed;
        },
        findSent: () => Promise.resolve(undefined),
        findTransaction: (id) => {
          const found = transactions.get(id);
          return Promise.resolve(
            found && { providerTransactionId: id, hash: found.hash, state: 'pending' },
          );
        },
        getStatus: () =>
          Promise.resolve({ address: account.address, paused: false, pendingTransactions: 0 }),
      };
    },
    async countPayments(paymentId) {
      const logs = await client.getContractEvents({
        address: gateway,
        abi: paymentGatewayAbi,
        eventName: 'PaymentProcessed',
        args: { paymentId },
        fromBlock: deployment.blockNumber,
      });
      return logs.length;
    },
    close: () => anvil.close(),
  };
}
