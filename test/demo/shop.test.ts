import { expect } from 'chai';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Webhook } from 'standardwebhooks';

import { openStateFile } from '../../demo/shop/openStateFile.ts';
import { readShopConfig } from '../../demo/shop/readShopConfig.ts';
import { startShop, type Shop } from '../../demo/shop/startShop.ts';
import { problem, startFakeApi, TOKEN_ADDRESS, type FakeApi } from './startFakeApi.ts';

const API_KEY = 'sk_test_0123456789';

describe('demo shop', () => {
  let folder: string;
  let statePath: string;
  let api: FakeApi;
  const shops: Shop[] = [];
  const logged: string[] = [];

  async function openShop(environment: NodeJS.ProcessEnv = {}): Promise<Shop> {
    const config = readShopConfig({
      SHOP_API_URL: api.url,
      SHOP_API_KEY: API_KEY,
      SHOP_STATE_PATH: statePath,
      SHOP_PUBLIC_URL: 'http://shop.test',
      ...environment,
    });
    const shop = await startShop(config, (message) => logged.push(message));
    shops.push(shop);
    return shop;
  }

  const buy = (shop: Shop, body: string) =>
    fetch(`${shop.url}/orders`, {
      method: 'POST',
      body,
      redirect: 'manual',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    });

  async function readOrders(shop: Shop): Promise<Record<string, unknown>[]> {
    return (await (await fetch(`${shop.url}/orders.json`)).json()) as Record<string, unknown>[];
  }

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'msqpay-shop-'));
    statePath = join(folder, 'state', 'shop.json');
    api = await startFakeApi();
    logged.length = 0;
  });

  afterEach(async () => {
    for (const shop of shops.splice(0)) await shop.close();
    await api.close();
    rmSync(folder, { recursive: true });
  });

  describe('its webhook endpoint', () => {
    const registered = () => openStateFile(statePath).state.webhookEndpoint?.registered;

    it('is registered once and reused at the next start, its secret readable by the owner only', async () => {
      await (await openShop()).close();
      const first = registered();
      await openShop();
      expect(registered()).to.deep.equal(first);
      expect(api.count('POST', '/webhook-endpoints')).to.equal(1);
      expect([...api.endpoints.values()]).to.deep.include({
        url: 'http://shop.test/webhooks',
        secret: first?.secret,
        status: 'enabled',
      });
      expect(statSync(statePath).mode & 0o777).to.equal(0o600);
      expect(api.requests.every((request) => request.apiKey === API_KEY)).to.equal(true);
    });

    it('is replaced when the address changed', async () => {
      await (await openShop()).close();
      await openShop({ SHOP_PUBLIC_URL: 'http://moved.test/' });
      expect([...api.endpoints.values()].map(({ url }) => url)).to.deep.equal([
        'http://moved.test/webhooks',
      ]);
    });

    it('is made again when it is gone or was disabled', async () => {
      await (await openShop()).close();
      api.endpoints.clear();
      await (await openShop()).close();
      expect([...api.endpoints.keys()]).to.deep.equal([registered()?.id]);
      for (const endpoint of api.endpoints.values()) endpoint.status = 'disabled';
      await openShop();
      expect([...api.endpoints.entries()]).to.deep.equal([
        [
          registered()?.id,
          { url: 'http://shop.test/webhooks', secret: registered()?.secret, status: 'enabled' },
        ],
      ]);
    });

    it('is removed when the state file, and with it the secret, was lost', async () => {
      await (await openShop()).close();
      rmSync(statePath);
      await openShop();
      expect([...api.endpoints.keys()]).to.deep.equal([registered()?.id]);
    });

    it('is the same one when the reply was lost and the shop asks again', async () => {
      // The server did it, but the shop never heard: three attempts, then the shop gives up and is
      // started again.
      const keys = new Set<string | undefined>();
      api.intercept = (request) => {
        if (request.method === 'POST' && request.path === '/webhook-endpoints')
          keys.add(request.idempotencyKey);
        return request.method === 'POST' ? 'hangUp' : undefined;
      };
      await expectRejection(openShop());
      api.intercept = () => undefined;
      await openShop();
      keys.add(
        api.requests.findLast(
          ({ path, method }) => path === '/webhook-endpoints' && method === 'POST',
        )?.idempotencyKey,
      );
      expect(keys.size).to.equal(1);
      expect(api.endpoints.size).to.equal(1);
    });
  });

  it('waits for a payment server that is still starting', async () => {
    let refusals = 4;
    api.intercept = (request) =>
      request.path === '/tokens' && refusals-- > 0 ? { status: 503, body: {} } : undefined;
    await openShop();
    expect(registeredUrl()).to.equal('http://shop.test/webhooks');
  });

  it('does not wait for one that refuses the API key', async () => {
    api.intercept = () => problem(401, 'PAY_010', 'no valid API key');
    expect((await expectRejection(openShop())).message).to.equal('PAY_010: no valid API key');
  });

  it('asks for the price on its own list, whatever the browser sends, and one payment however often it has to ask', async () => {
    const shop = await openShop();
    let failures = 2;
    api.intercept = (request) =>
      request.path === '/payments' && failures-- > 0 ? 'hangUp' : undefined;
    const response = await buy(shop, 'product=notebook&amount=1&price=0.01');
    const [order] = await readOrders(shop);
    expect(response.status).to.equal(303);
    expect(response.headers.get('location')).to.equal(`/checkout/${String(order?.['paymentId'])}`);
    expect(order).to.include({ amount: '12900000', status: 'pending', shipped: false });
    const attempts = api.requests.filter(({ path }) => path === '/payments');
    expect(attempts).to.have.length(3);
    expect(new Set(attempts.map(({ idempotencyKey }) => idempotencyKey)).size).to.equal(1);
    expect(attempts[0]?.body).to.deep.include({
      amount: '12900000',
      token: TOKEN_ADDRESS,
      orderId: order?.['orderId'],
    });
  });

  it('answers a script that asks for JSON with the order', async () => {
    const shop = await openShop();
    const headers = { 'content-type': 'application/json', accept: 'application/json' };
    const response = await fetch(`${shop.url}/orders`, {
      method: 'POST',
      body: JSON.stringify({ product: 'espresso' }),
      headers,
    });
    expect(response.status).to.equal(201);
    const order = (await response.json()) as { paymentId: string };
    expect(await (await fetch(`${shop.url}/orders/${order.paymentId}.json`)).json()).to.deep.equal(
      order,
    );
  });

  it('keeps no order that the payment server refused', async () => {
    const shop = await openShop();
    api.intercept = (request) =>
      request.path === '/payments' ? problem(400, 'PAY_006', 'unknown token') : undefined;
    expect((await buy(shop, 'product=espresso')).status).to.equal(400);
    expect((await buy(shop, 'product=nothing')).status).to.equal(400);
    expect(await readOrders(shop)).to.deep.equal([]);
  });

  it('asks again, at its next start, for the payment of an order whose reply was lost, and for news that it missed', async () => {
    const shop = await openShop();
    await buy(shop, 'product=espresso');
    api.intercept = (request) => (request.path === '/payments' ? 'hangUp' : undefined);
    expect((await buy(shop, 'product=notebook')).status).to.equal(502);
    await shop.close();
    api.intercept = async (request) => {
      if (request.method !== 'GET' || !request.path.startsWith('/payments/')) return undefined;
      return { status: 200, body: { status: 'completed', version: 3 } };
    };
    const orders = await readOrders(await openShop());
    expect(orders[0]).to.include({ status: 'completed', shipped: true });
    expect(orders[1]?.['paymentId']).to.match(/^0x/);
  });

  it('verifies webhooks over the bytes as they came, and counts those that it refuses', async () => {
    const shop = await openShop();
    await buy(shop, 'product=espresso');
    const [order] = await readOrders(shop);
    const { paymentId, orderId, amount } = order as {
      paymentId: string;
      orderId: string;
      amount: string;
    };
    const data = {
      paymentId,
      orderId,
      amount,
      token: TOKEN_ADDRESS,
      status: 'completed',
      version: 3,
    };
    // Spaces and an escape that parsing and printing again would not bring back.
    const body = `{ "type": "payment.completed",  "note": "\\u00e9", "data": ${JSON.stringify(data)} }`;
    const post = (id: string, secret: string) => {
      const sentAt = new Date();
      const headers = {
        'content-type': 'application/json',
        'webhook-id': id,
        'webhook-timestamp': String(Math.floor(sentAt.getTime() / 1000)),
        'webhook-signature': new Webhook(secret).sign(id, sentAt, body),
      };
      return fetch(`${shop.url}/webhooks`, { method: 'POST', body, headers });
    };
    const secret = openStateFile(statePath).state.webhookEndpoint?.registered?.secret ?? '';
    expect(
      (await post('evt_1', `whsec_${Buffer.alloc(32, 99).toString('base64')}`)).status,
    ).to.equal(401);
    expect((await fetch(`${shop.url}/webhooks`, { method: 'POST' })).status).to.equal(401);
    expect((await post('evt_1', secret)).status).to.equal(204);
    expect((await post('evt_1', secret)).status).to.equal(204);
    const [shipped] = await readOrders(shop);
    expect(shipped).to.include({ status: 'completed', shipped: true });
    expect(shipped?.['webhooks']).to.have.length(1);
    expect(await (await fetch(`${shop.url}/healthz`)).json()).to.deep.equal({
      status: 'ok',
      unverifiedWebhooks: 2,
    });
  });

  it('shows hostile names as text', async () => {
    const hostile = `"><script>alert('x')</script>&amp;`;
    const shop = await openShop();
    await buy(shop, 'product=espresso');
    await shop.close();
    const stateFile = openStateFile(statePath);
    stateFile.update((state) => {
      const order = state.orders[0];
      if (order === undefined) throw new Error('there is no order');
      order.orderId = hostile;
      order.product = hostile;
      order.webhooks.push({ id: hostile, type: hostile, version: 1, verifiedAt: '' });
    });
    const reopened = await openShop();
    const paymentId = stateFile.state.orders[0]?.paymentId ?? '';
    for (const path of ['/', `/checkout/${paymentId}`]) {
      const response = await fetch(reopened.url + path);
      const page = await response.text();
      expect(response.status).to.equal(200);
      expect(page).to.include('&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;amp;');
      expect(page).not.to.include('<script>alert');
      expect(page).not.to.match(/<style|style=|onclick=|<script>/);
      expect(response.headers.get('content-security-policy'))
        .to.include("default-src 'none'")
        .and.to.include("script-src 'self'");
      expect(page).not.to.include(API_KEY);
    }
  });

  it('passes on questions about its own orders only', async () => {
    const shop = await openShop();
    const stranger = `0x${'77'.repeat(32)}`;
    const before = api.requests.length;
    for (const path of [
      `/checkout/${stranger}`,
      `/orders/${stranger}/status`,
      `/orders/${stranger}/gasless?userAddress=0x00`,
      `/orders/${stranger}.json`,
    ]) {
      expect((await fetch(shop.url + path)).status).to.equal(404);
    }
    expect(api.requests.length).to.equal(before);
  });

  it('tells at once what the browser does not know yet, and else holds the question open', async () => {
    const shop = await openShop();
    await buy(shop, 'product=espresso');
    const { paymentId } = (await readOrders(shop))[0] as { paymentId: string };
    const ask = async (known: string) => {
      const response = await fetch(
        `${shop.url}/orders/${paymentId}/status?known=${encodeURIComponent(known)}`,
      );
      return (await response.json()) as { status: string; known: string };
    };
    let status = 'pending';
    let questions = 0;
    api.intercept = async (request) => {
      if (!request.path.endsWith('/status')) return undefined;
      if (++questions === 3) {
        await sleep(50);
        status = 'processing';
      }
      return { status: 200, body: { paymentId, status, confirmations: 0 } };
    };
    const first = await ask('');
    expect([first.status, questions]).to.deep.equal(['pending', 1]);
    const second = await ask(first.known);
    expect([second.status, questions]).to.deep.equal(['processing', 3]);
  });

  it('closes while a browser waits', async () => {
    const shop = await openShop();
    await buy(shop, 'product=espresso');
    const { paymentId } = (await readOrders(shop))[0] as { paymentId: string };
    let isAsked = false;
    api.intercept = (request) => {
      if (!request.path.endsWith('/status')) return undefined;
      isAsked = true;
      return new Promise(() => undefined);
    };
    const waiting = fetch(`${shop.url}/orders/${paymentId}/status`);
    while (!isAsked) await sleep(5);
    const startedAt = Date.now();
    await shop.close();
    expect((await waiting).status).to.equal(503);
    expect(Date.now() - startedAt, 'the browser would have waited for 25 s').to.be.below(10_000);
  });

  it('refuses an environment that is not right, naming the variable and not its value', () => {
    const environment = {
      SHOP_API_URL: api.url,
      SHOP_API_KEY: API_KEY,
      SHOP_STATE_PATH: statePath,
    };
    expect(() => readShopConfig({ ...environment, SHOP_API_URL: 'ftp://secret' }))
      .to.throw(/SHOP_API_URL/)
      .and.not.match(/secret/);
    const demo = {
      SHOP_DEMO_CUSTOMER_KEY: `0x${'1'.repeat(64)}`,
      SHOP_RPC_URL: 'http://127.0.0.1:8545',
    };
    expect(() =>
      readShopConfig({ ...environment, SHOP_DEMO_CUSTOMER_KEY: demo.SHOP_DEMO_CUSTOMER_KEY }),
    ).to.throw(/go together/);
    expect(() => readShopConfig({ ...environment, ...demo, NODE_ENV: 'production' })).to.throw(
      /for development/,
    );
    expect(readShopConfig({ ...environment, SHOP_PUBLIC_URL: '' }).publicUrl).to.equal(undefined);
  });

  it('fails at once when its port is taken', async () => {
    const blocker = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => blocker.once('listening', resolve));
    const { port } = blocker.address() as { port: number };
    expect((await expectRejection(openShop({ SHOP_PORT: String(port) }))).message).to.include(
      'EADDRINUSE',
    );
    blocker.close();
  });

  function registeredUrl(): unknown {
    const state = JSON.parse(readFileSync(statePath, 'utf8')) as {
      webhookEndpoint: { url: string };
    };
    return state.webhookEndpoint.url;
  }
});

async function expectRejection(promise: Promise<unknown>): Promise<Error> {
  const outcome = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(outcome instanceof Error)) throw new Error('expected a rejection');
  return outcome;
}
