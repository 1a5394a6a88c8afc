import { setTimeout as sleep } from 'node:timers/promises';
import { generatePrivateKey } from 'viem/accounts';

import { createClient, type ApiClient } from '../demo/shop/createClient.ts';
import { expectData } from '../demo/shop/expectData.ts';
import { payDirectly, payGasless, type DemoCustomerInput } from '../demo/shop/payAsDemoCustomer.ts';
import { PRODUCTS } from '../demo/shop/products.ts';
import type { Hex } from '../shared/hex.ts';
import { DEV_KEYS } from './devKeys.ts';

export interface DemoPaymentsOptions {
  readonly apiUrl: string;
  readonly apiKey: string;
  readonly shopUrl: string;
  readonly rpcUrl: string;
  readonly onStep: (message: string) => void;
}

const TIMEOUT_MS = 60_000;

/**
 * Two orders at the demo shop, one paid directly and one gasless by a customer who holds no ether,
 * each followed until the shop has verified the webhook that tells it to ship.
 * @throws Error saying which payment did not come through, and how far it came
 */
export async function makeDemoPayments(options: DemoPaymentsOptions): Promise<void> {
  const client = createClient(options);
  await Promise.all([
    demonstrate(options, client, {
      kind: 'direct',
      customerKey: DEV_KEYS.customer,
      minterKey: DEV_KEYS.customer,
      pay: payDirectly,
    }),
    // A minter of its own: two at once must not compete for one account's nonces.
    demonstrate(options, client, {
      kind: 'gasless',
      customerKey: generatePrivateKey(),
      minterKey: DEV_KEYS.deployer,
      pay: payGasless,
    }),
  ]);
}

interface Demo {
  readonly kind: 'direct' | 'gasless';
  readonly customerKey: Hex;
  /** Pays for the minting of test tokens. */
  readonly minterKey: Hex;
  readonly pay: (input: DemoCustomerInput) => Promise<unknown>;
}

async function demonstrate(
  options: DemoPaymentsOptions,
  client: ApiClient,
  demo: Demo,
): Promise<void> {
  const { kind, customerKey, minterKey, pay } = demo;
  const onStep = (message: string) => options.onStep(`  ${kind}: ${message}`);
  const paymentId = await placeOrder(options.shopUrl);
  const payment = expectData(
    await client.GET('/payments/{paymentId}', { params: { path: { paymentId } } }),
  );
  onStep(`payment ${paymentId.slice(0, 10)}… created for ${payment.orderId}`);
  await pay({ rpcUrl: options.rpcUrl, customerKey, client, payment, minterKey, onStep });

  const deadline = Date.now() + TIMEOUT_MS;
  for (let status = ''; Date.now() < deadline;) {
    const order = await readOrder(options.shopUrl, paymentId);
    if (order.status !== status) onStep(order.status);
    status = order.status;
    if (order.shipped && order.webhooks.some((webhook) => webhook.type === 'payment.completed')) {
      onStep('webhook payment.completed verified by the shop, which ships');
      return;
    }
    await sleep(200);
  }
  const { status, webhooks } = await readOrder(options.shopUrl, paymentId);
  throw new Error(
    `the ${kind} payment ${paymentId} is ${status} after ${TIMEOUT_MS / 1000} s; webhooks verified: ${webhooks.map(({ type }) => type).join(', ') || 'none'}`,
  );
}

/** As the shop's page does: the answer leads to the checkout of the new payment. */
async function placeOrder(shopUrl: string): Promise<string> {
  const product = PRODUCTS[0];
  const response = await fetch(`${shopUrl}/orders`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ product: product?.id ?? '' }),
    redirect: 'manual',
  });
  const paymentId = /\/checkout\/(0x[0-9a-f]{64})$/.exec(
    response.headers.get('location') ?? '',
  )?.[1];
  if (paymentId === undefined)
    throw new Error(
      `the demo shop did not take an order (HTTP ${response.status}): ${(await response.text()).slice(0, 200)}`,
    );
  return paymentId;
}

interface ShopOrder {
  readonly status: string;
  readonly shipped: boolean;
  readonly webhooks: readonly { readonly type: string }[];
}

async function readOrder(shopUrl: string, paymentId: string): Promise<ShopOrder> {
  const response = await fetch(`${shopUrl}/orders/${paymentId}.json`);
  if (!response.ok)
    throw new Error(
      `the demo shop does not know the order of ${paymentId} (HTTP ${response.status})`,
    );
  return (await response.json()) as ShopOrder;
}
