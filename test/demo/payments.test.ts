import { expect } from 'chai';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createWalletClient, erc20Abi, http, type Hex, type TypedDataDefinition } from 'viem';
import { generatePrivateKey, privateKeyToAccount, type PrivateKeyAccount } from 'viem/accounts';

import { startServer, type RunningServer } from '../../api/http/startServer.ts';
import { createClient, type ApiClient } from '../../demo/shop/createClient.ts';
import { expectData } from '../../demo/shop/expectData.ts';
import { payDirectly, payGasless } from '../../demo/shop/payAsDemoCustomer.ts';
import { readShopConfig } from '../../demo/shop/readShopConfig.ts';
import { startShop, type Shop } from '../../demo/shop/startShop.ts';
import { DEV_KEYS } from '../../dev/devKeys.ts';
import { asBytes32, type Address } from '../../shared/hex.ts';
import { startWorkers } from '../../workers/startWorkers.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { waitUntil } from '../support/waitUntil.ts';
import { openCheckoutPage, type FakeWallet } from './openCheckoutPage.ts';

interface ShownOrder {
  readonly paymentId: string;
  readonly amount: string;
  readonly status: string;
  readonly shipped: boolean;
  readonly webhooks: readonly { readonly type: string; readonly version: number }[];
}

describe('demo shop: paying for real', function () {
  this.timeout(60_000);
  let harness: Harness;
  let store: TestStore;
  let server: RunningServer;
  let workers: Awaited<ReturnType<typeof startWorkers>>;
  let shop: Shop;
  let client: ApiClient;
  let folder: string;

  before(async function () {
    this.timeout(180_000);
    harness = await createHarness();
    store = await harness.createTestStore();
    server = await startServer(harness.ctx, harness.queues.all);
    workers = await startWorkers(harness.ctx, harness.queues);
    folder = mkdtempSync(join(tmpdir(), 'msqpay-shop-'));
    const environment = {
      SHOP_API_URL: `${server.url}/api/v1`,
      SHOP_API_KEY: store.apiKey,
      SHOP_STATE_PATH: join(folder, 'shop.json'),
      SHOP_DEMO_CUSTOMER_KEY: DEV_KEYS.customer,
      SHOP_RPC_URL: harness.stack.chain.rpcUrl,
    };
    const config = readShopConfig(environment);
    shop = await startShop(config, () => undefined);
    client = createClient(config);
  });

  after(async () => {
    await shop?.close();
    await workers?.stop(5_000);
    await server?.stop();
    await harness?.close();
    if (folder !== undefined) rmSync(folder, { recursive: true });
  });

  async function order(product: string) {
    const headers = { 'content-type': 'application/json', accept: 'application/json' };
    const response = await fetch(`${shop.url}/orders`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ product }),
    });
    const { paymentId } = (await response.json()) as ShownOrder;
    return expectData(
      await client.GET('/payments/{paymentId}', { params: { path: { paymentId } } }),
    );
  }

  const waitForShipping = (paymentId: string) =>
    waitUntil(
      async () => {
        const shown = (await (
          await fetch(`${shop.url}/orders/${paymentId}.json`)
        ).json()) as ShownOrder;
        return shown.shipped && shown.webhooks.length >= 3 && shown;
      },
      { what: 'the order to be shipped', timeoutMs: 40_000 },
    );

  const balanceOf = (owner: string) =>
    harness.chain.publicClient.readContract({
      address: harness.tokens.TUSD,
      abi: erc20Abi,
      functionName: 'balanceOf',
      args: [owner as Address],
    });

  it('ships what was paid directly, after verified webhooks', async () => {
    const payment = await order('espresso');
    const before = await balanceOf(payment.merchant);
    const steps: string[] = [];
    const onStep = (step: string) => steps.push(step);
    const { txHash } = await payDirectly({
      rpcUrl: harness.stack.chain.rpcUrl,
      customerKey: DEV_KEYS.customer,
      client,
      payment,
      onStep,
    });
    const shown = await waitForShipping(payment.paymentId);
    expect(shown.status).to.equal('completed');
    expect(shown.webhooks.map(({ type }) => type)).to.have.members([
      'payment.created',
      'payment.processing',
      'payment.completed',
    ]);
    expect((await balanceOf(payment.merchant)) - before).to.equal(2_500_000n);
    expect(steps.join('\n')).to.include('approved the gateway for 2.5 TUSD').and.to.include(txHash);
  });

  it('ships what was paid gasless by a customer who has no ether and has approved nothing', async () => {
    const payment = await order('notebook');
    const customerKey = generatePrivateKey();
    const steps: string[] = [];
    const onStep = (step: string) => steps.push(step);
    const { customer } = await payGasless({
      rpcUrl: harness.stack.chain.rpcUrl,
      customerKey,
      minterKey: DEV_KEYS.customer,
      client,
      payment,
      onStep,
    });
    await waitForShipping(payment.paymentId);
    expect(customer).to.equal(privateKeyToAccount(customerKey).address);
    expect(await harness.chain.publicClient.getBalance({ address: customer })).to.equal(0n);
    expect(await harness.chain.publicClient.getTransactionCount({ address: customer })).to.equal(0);
    expect(await balanceOf(customer)).to.equal(0n);
    expect(await harness.chain.countPayments(asBytes32(payment.paymentId))).to.equal(1);
    expect(steps.join('\n'))
      .to.include('has 0 ETH and 0 TUSD')
      .and.to.include('signed a permit for 12.9 TUSD');
  });

  /** A browser's wallet, with the key of a customer of the test chain. */
  function createWallet(account: PrivateKeyAccount, asked: string[]): FakeWallet {
    const { publicClient } = harness.chain;
    const wallet = createWalletClient({ account, transport: http(harness.stack.chain.rpcUrl) });
    return {
      async request({ method, params = [] }) {
        asked.push(method);
        if (method === 'eth_requestAccounts') return [account.address];
        if (method === 'wallet_switchEthereumChain') return null;
        if (method === 'eth_signTypedData_v4')
          return account.signTypedData(JSON.parse(params[1] as string) as TypedDataDefinition);
        if (method === 'eth_sendTransaction') {
          const { to, data } = params[0] as { to: Address; data: Hex };
          return wallet.sendTransaction({ chain: null, to, data });
        }
        return publicClient.request({ method, params } as Parameters<
          typeof publicClient.request
        >[0]);
      },
    };
  }

  for (const way of ['direct', 'gasless'] as const) {
    it(`lets a browser wallet pay on the checkout page: ${way}`, async () => {
      const payment = await order('headphones');
      const customer = await harness.chain.createCustomer({
        token: harness.tokens.TUSD,
        balance: 89_000_000n,
        approve: false,
      });
      const asked: string[] = [];
      const page = await openCheckoutPage(
        `${shop.url}/checkout/${payment.paymentId}`,
        createWallet(customer, asked),
      );
      await waitUntil(() => page.text('#message') === 'Waiting for your payment.');
      expect(page.isHidden('#wallet-buttons')).to.equal(false);
      expect(page.isHidden('#buttons')).to.equal(false);
      await page.click(`wallet-${way}`);
      await page.finished;
      expect(page.text('#message')).to.equal('Paid. Thank you!');
      expect(page.isHidden('#buttons')).to.equal(true);
      expect(page.items('#webhooks').at(-1)).to.equal('The order is on its way to you.');
      expect(page.text('#transaction')).to.match(/^0x[0-9a-f]{64}$/);
      const sent = asked.filter((method) => method === 'eth_sendTransaction').length;
      expect(sent).to.equal(way === 'direct' ? 2 : 0);
      expect(await balanceOf(customer.address)).to.equal(0n);
    });

    it(`plays the demo customer on the checkout page, telling each step: ${way}`, async () => {
      const payment = await order('espresso');
      const page = await openCheckoutPage(`${shop.url}/checkout/${payment.paymentId}`, undefined);
      expect(page.isHidden('#wallet-buttons')).to.equal(true);
      await page.click(`demo-${way}`);
      await page.finished;
      expect(page.text('#message')).to.equal('Paid. Thank you!');
      const steps = page.items('#log').join('\n');
      expect(steps)
        .to.include('the customer 0x')
        .and.to.match(way === 'direct' ? /sent pay/ : /signed the forward request/);
    });
  }
});
