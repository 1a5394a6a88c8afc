import { randomBytes } from 'node:crypto';
import {
  createPublicClient,
  createTestClient,
  createWalletClient,
  defineChain,
  publicActions,
  type Account,
  type Hash,
  type PublicClient,
} from 'viem';
import { generatePrivateKey, privateKeyToAccount, type PrivateKeyAccount } from 'viem/accounts';

import { paymentGatewayAbi } from '../../contracts/generated/PaymentGateway.ts';
import { testTokenAbi } from '../../contracts/generated/TestToken.ts';
import type { Stack } from '../../dev/startStack.ts';
import type { Payment } from '../../domain/payments/model.ts';
import { createPayment, type CreatePaymentInput } from '../../domain/payments/service.ts';
import { createStore, issueApiKey } from '../../domain/stores/service.ts';
import { loadConfig, type Config } from '../../platform/config.ts';
import type { Context } from '../../platform/context.ts';
import { EVENT_SINKS } from '../../domain/modules.ts';
import { createContext } from '../../platform/createContext.ts';
import { createQueues, type Queues } from '../../platform/queues.ts';
import { readRelayerKeys, type RelayerKeys } from '../../platform/relayerKeys.ts';
import type { Address } from '../../shared/hex.ts';
import { parseAmountUnits } from '../../shared/money.ts';
import { anvilTransport } from './anvilTransport.ts';
import { migrateByCopy } from './migrateByCopy.ts';
import { getStack } from './stack.ts';

/** A store of a test, with a key to call the API with. */
export interface TestStore {
  readonly storeId: string;
  readonly apiKey: string;
  readonly payoutAddress: Address;
}

/**
 * One test file's installation: a database and a queue prefix of its own on the shared stack, and a
 * context as the server's processes have it. Call `close()` in an `after` hook.
 */
export interface Harness {
  readonly stack: Stack;
  readonly config: Config;
  readonly relayerKeys: RelayerKeys;
  /** As in a workers process. */
  readonly ctx: Context;
  readonly queues: Queues;
  readonly databaseUrl: string;
  /** For child processes. */
  environment(overrides?: Readonly<Record<string, string>>): NodeJS.ProcessEnv;
  createTestStore(name?: string): Promise<TestStore>;
  createTestPayment(store: TestStore, input?: Partial<CreatePaymentInput>): Promise<Payment>;
  /** TUSD (6 decimals, permit) and TEUR (18 decimals, permit). */
  readonly tokens: { readonly TUSD: Address; readonly TEUR: Address };
  readonly chain: TestChain;
  close(): Promise<void>;
}

export interface HarnessOptions {
  /** Environment variables that differ from the defaults of the tests. */
  readonly env?: Readonly<Record<string, string>>;
  /** Changes the parsed configuration. */
  readonly config?: (config: Config) => Config;
}

let harnessCount = 0;

export async function createHarness(options: HarnessOptions = {}): Promise<Harness> {
  const stack = await getStack();
  const name = `test_${process.pid}_${++harnessCount}_${randomBytes(3).toString('hex')}`;
  const databaseUrl = await stack.createDatabase(name);
  const environment = (overrides: Readonly<Record<string, string>> = {}) =>
    stack.environment(databaseUrl, {
      NODE_ENV: 'test',
      MSQPAY_QUEUE_PREFIX: `{${name.replaceAll('_', '-')}}`,
      MSQPAY_PORT: '0',
      MSQPAY_WORKERS_PORT: '0',
      MSQPAY_CHECKOUT_URL: 'http://shop.test/checkout/{paymentId}',
      MSQPAY_LOG_LEVEL: process.env['TEST_LOG_LEVEL'] ?? 'silent',
      MSQPAY_STRICT_RESPONSES: 'true',
      MSQPAY_RATE_LIMIT_PER_MINUTE: '100000',
      MSQPAY_WEBHOOK_TIMEOUT_MS: '2000',
      MSQPAY_OUTBOX_REDRIVE_MS: '3000',
      MSQPAY_RELAY_UNSENT_AFTER_MS: '3000',
      // There is one node, which never lags; tests of the grace ask for it.
      MSQPAY_RELAY_REFUSAL_GRACE_MS: '0',
      ...stack.relayerKeys,
      ...options.env,
      ...overrides,
    });
  const env = environment();
  const loaded = loadConfig(env);
  // The Defender SDK reads its address from the process's own environment.
  process.env['DEFENDER_API_URL'] = env['DEFENDER_API_URL'];
  const config = options.config?.(loaded) ?? loaded;
  const relayerKeys = readRelayerKeys(config, env);
  const { ctx, close } = await createContext(config, {
    name: 'test',
    eventSinks: EVENT_SINKS,
    relayerKeys,
  });
  await migrateByCopy(ctx.db).catch(async (error: unknown) => {
    await close();
    throw error;
  });
  const queues = await createQueues(config);
  const tokens = { TUSD: tokenAddress(stack, 'TUSD'), TEUR: tokenAddress(stack, 'TEUR') };

  return {
    stack,
    config,
    relayerKeys,
    ctx,
    queues,
    databaseUrl,
    environment,
    tokens,
    chain: createTestChain(stack),
    async createTestStore(storeName = 'Test store') {
      const payoutAddress = privateKeyToAccount(generatePrivateKey()).address;
      const store = await createStore(ctx, { name: storeName, payoutAddress });
      const { key } = await issueApiKey(ctx, {
        storeId: store.id,
        role: 'store',
        environment: 'test',
      });
      return { storeId: store.id, apiKey: key, payoutAddress };
    },
    createTestPayment: (store, input = {}) =>
      createPayment(ctx, {
        storeId: store.storeId,
        orderId: 'order-1',
        amount: parseAmountUnits('1500000'),
        token: tokens.TUSD,
        expiresInSeconds: 900,
        ...input,
      }),
    async close() {
      await queues.close();
      await close();
    },
  };
}

function tokenAddress(stack: Stack, symbol: string): Address {
  const token = stack.deployment.tokens.find((candidate) => candidate.symbol === symbol);
  if (token === undefined) throw new Error(`the stack has no token ${symbol}`);
  return token.address;
}

/**
 * A chain with our contracts on it, and who acts there: a harness has one, tests of several chains
 * have more.
 */
export interface ChainHome {
  readonly chain: TestChain;
  readonly stack: Pick<Stack, 'chain' | 'deployment'>;
}

/** What customers do on the chain. */
export interface TestChain {
  readonly publicClient: PublicClient;
  readonly testClient: ReturnType<typeof createAnvilClient>;
  /** A new account with ether and, if asked for, tokens and an approval of the gateway for them. */
  createCustomer(input?: {
    token?: Address;
    balance?: bigint;
    approve?: boolean;
  }): Promise<PrivateKeyAccount>;
  /**
   * Sends `pay(terms)` from the customer's own wallet; resolves with the hash, not waiting for the
   * block.
   */
  payDirectly(customer: Account, payment: Payment): Promise<Hash>;
  balanceOf(token: Address, owner: Address): Promise<bigint>;
  /** How many PaymentProcessed events the gateway ever emitted for this id. */
  countPayments(paymentId: Payment['id']): Promise<number>;
}

function createAnvilClient(rpcUrl: string) {
  return createTestClient({ mode: 'anvil', transport: anvilTransport(rpcUrl) }).extend(
    publicActions,
  );
}

export function createTestChain(stack: ChainHome['stack']): TestChain {
  const { rpcUrl, chainId } = stack.chain;
  const chain = defineChain({
    id: chainId,
    name: 'test',
    nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
    rpcUrls: { default: { http: [rpcUrl] } },
  });
  const publicClient = createPublicClient({
    chain,
    transport: anvilTransport(rpcUrl),
    pollingInterval: 50,
  });
  const testClient = createAnvilClient(rpcUrl);
  const walletOf = (account: Account) =>
    createWalletClient({ account, chain, transport: anvilTransport(rpcUrl) });
  const { gateway } = stack.deployment;

  return {
    publicClient,
    testClient,
    async createCustomer({ token, balance = 10n ** 30n, approve = true } = {}) {
      const account = privateKeyToAccount(generatePrivateKey());
      await testClient.setBalance({ address: account.address, value: 10n ** 20n });
      if (token === undefined) return account;
      const wallet = walletOf(account);
      const hashes = [
        await wallet.writeContract({
          address: token,
          abi: testTokenAbi,
          functionName: 'mint',
          args: [account.address, balance],
          nonce: 0,
        }),
      ];
      if (approve) {
        hashes.push(
          await wallet.writeContract({
            address: token,
            abi: testTokenAbi,
            functionName: 'approve',
            args: [gateway, 2n ** 256n - 1n],
            nonce: 1,
            gas: 100_000n,
          }),
        );
      }
      for (const hash of hashes) await publicClient.waitForTransactionReceipt({ hash });
      return account;
    },
    payDirectly: (customer, payment) =>
      walletOf(customer).writeContract({
        address: gateway,
        abi: paymentGatewayAbi,
        functionName: 'pay',
        args: [
          { ...payment.terms, expiresAt: Math.floor(payment.terms.expiresAt.getTime() / 1000) },
        ],
      }),
    balanceOf: (token, owner) =>
      publicClient.readContract({
        address: token,
        abi: testTokenAbi,
        functionName: 'balanceOf',
        args: [owner],
      }),
    async countPayments(paymentId) {
      const logs = await publicClient.getContractEvents({
        address: gateway,
        abi: paymentGatewayAbi,
        eventName: 'PaymentProcessed',
        args: { paymentId },
        fromBlock: stack.deployment.blockNumber,
      });
      return logs.length;
    },
  };
}
