import { expect } from 'chai';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createWalletClient, http, type Account, type Hex } from 'viem';

import { startServer, type RunningServer } from '../../api/http/startServer.ts';
import { usdtTokenAbi, usdtTokenBytecode } from '../../contracts/generated/test/UsdtToken.ts';
import { createClient, type ApiClient } from '../../demo/shop/createClient.ts';
import { expectData } from '../../demo/shop/expectData.ts';
import { payDirectly, payGasless } from '../../demo/shop/payAsDemoCustomer.ts';
import { readShopConfig } from '../../demo/shop/readShopConfig.ts';
import { startShop, type Shop } from '../../demo/shop/startShop.ts';
import { generatePrivateKey, privateKeyToAccount, type PrivateKeyAccount } from 'viem/accounts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import { asBytes32, type Address } from '../../shared/hex.ts';
import { deployToken } from '../support/deployToken.ts';
import {
  createHarness,
  createTestChain,
  type Harness,
  type TestStore,
} from '../support/harness.ts';
import { driveUntil, isOver, readPayment } from '../support/relayFlow.ts';
import { getStack } from '../support/stack.ts';
import { waitUntil } from '../support/waitUntil.ts';
import { openCheckoutPage, type FakeWallet } from './openCheckoutPage.ts';

const AMOUNT = 2_500_000n;

describe('demo shop: a token as USDT, with an allowance that is left over', function () {
  this.timeout(60_000);
  let harness: Harness;
  let store: TestStore;
  let server: RunningServer;
  let shop: Shop;
  let client: ApiClient;
  let folder: string;
  let token: Address;

  before(async function () {
    this.timeout(180_000);
    const stack = await getStack();
    token = await deployToken(
      { stack, chain: createTestChain(stack) },
      usdtTokenAbi,
      usdtTokenBytecode,
      [6],
    );
    // The only token, under the symbol that the shop takes.
    harness = await createHarness({
      config: (config) => ({
        ...config,
        chains: config.chains.map((chain) => ({
          ...chain,
          tokens: [{ address: token, symbol: 'TUSD', decimals: 6 }],
        })),
      }),
    });
    store = await harness.createTestStore();
    server = await startServer(harness.ctx, harness.queues.all);
    folder = mkdtempSync(join(tmpdir(), 'msqpay-shop-'));
    const config = readShopConfig({
      SHOP_API_URL: `${server.url}/api/v1`,
      SHOP_API_KEY: store.apiKey,
      SHOP_STATE_PATH: join(folder, 'shop.json'),
    });
    shop = await startShop(config, () => undefined);
    client = createClient(config);
  });
  after(async () => {
    await shop?.close();
    await server?.stop();
    await harness?.close();
    if (folder !== undefined) rmSync(folder, { recursive: true });
  });

  const rpcUrl = () => harness.stack.chain.rpcUrl;
  const walletOf = (account: Account) => createWalletClient({ account, transport: http(rpcUrl()) });
  async function mined(hash: Promise<Hex>): Promise<void> {
    expect(
      (await harness.chain.publicClient.waitForTransactionReceipt({ hash: await hash })).status,
    ).to.equal('success');
  }

  /** Has the tokens, and has approved one unit for something that never came to be. */
  async function createCustomer(): Promise<{ key: Hex; account: PrivateKeyAccount }> {
    const key = generatePrivateKey();
    const account = privateKeyToAccount(key);
    await harness.chain.testClient.setBalance({ address: account.address, value: 10n ** 20n });
    const call = { address: token, abi: usdtTokenAbi, chain: null } as const;
    await mined(
      walletOf(account).writeContract({
        ...call,
        functionName: 'mint',
        args: [account.address, 10n * AMOUNT],
      }),
    );
    await mined(
      walletOf(account).writeContract({
        ...call,
        functionName: 'approve',
        args: [harness.stack.deployment.gateway, 1n],
      }),
    );
    return { key, account };
  }

  async function order(): Promise<{ paymentId: string }> {
    const response = await fetch(`${shop.url}/orders`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify({ product: 'espresso' }),
    });
    return (await response.json()) as { paymentId: string };
  }
  const readOrder = async (paymentId: string) =>
    expectData(await client.GET('/payments/{paymentId}', { params: { path: { paymentId } } }));
  const handle = (paymentId: string) => ({ id: asBytes32(paymentId), storeId: store.storeId });

  async function waitForPaid(paymentId: string): Promise<void> {
    await waitUntil(
      async () => {
        await scanChain(harness.ctx, harness.stack.chain.chainId);
        return (
          (await readPayment(harness.ctx, handle(paymentId))).status === 'completed' || undefined
        );
      },
      { what: 'the payment', everyMs: 100 },
    );
  }

  it('is paid directly: the allowance is set to 0 first', async () => {
    const { key } = await createCustomer();
    const { paymentId } = await order();
    const steps: string[] = [];
    const onStep = (step: string) => steps.push(step);
    await payDirectly({
      rpcUrl: rpcUrl(),
      customerKey: key,
      client,
      payment: await readOrder(paymentId),
      onStep,
    });
    await waitForPaid(paymentId);
    expect(steps.join('\n')).to.match(
      /set what was left of an approval to 0: 0x\w+\napproved the gateway for 2\.5 TUSD/,
    );
  });

  it('is paid gasless: the answer says that it takes an approval, and the relayer sends the payment', async () => {
    const { key, account } = await createCustomer();
    const { paymentId } = await order();
    // The workers' part.
    const { chainId } = harness.stack.chain;
    const driven = waitUntil(
      () =>
        readPayment(harness.ctx, handle(paymentId)).then(
          ({ status }) => status === 'processing' || undefined,
        ),
      {
        what: 'the relay',
      },
    ).then(() => driveUntil(harness.ctx, { ...handle(paymentId), chainId }, isOver));
    await payGasless({
      rpcUrl: rpcUrl(),
      customerKey: key,
      client,
      payment: await readOrder(paymentId),
    });
    expect((await driven).attempt).to.include({ status: 'succeeded' });
    expect(await harness.chain.balanceOf(token, account.address)).to.equal(9n * AMOUNT);
  });

  it('is paid from the checkout page with a browser’s wallet', async () => {
    const { account } = await createCustomer();
    const { paymentId } = await order();
    const sent: Hex[] = [];
    const wallet: FakeWallet = {
      async request({ method, params = [] }) {
        if (method === 'eth_requestAccounts') return [account.address];
        if (method === 'wallet_switchEthereumChain') return null;
        if (method === 'eth_sendTransaction') {
          const { to, data } = params[0] as { to: Address; data: Hex };
          sent.push(data);
          return walletOf(account).sendTransaction({ chain: null, to, data });
        }
        const { publicClient } = harness.chain;
        return publicClient.request({ method, params } as Parameters<
          typeof publicClient.request
        >[0]);
      },
    };
    const page = await openCheckoutPage(`${shop.url}/checkout/${paymentId}`, wallet);
    await waitUntil(() => page.text('#message') === 'Waiting for your payment.');
    await page.click('wallet-direct');
    await waitForPaid(paymentId);
    page.close();
    // Set to 0, approved, paid.
    expect(sent).to.have.length(3);
    expect(sent[0]).to.match(/0{64}$/);
  });
});
