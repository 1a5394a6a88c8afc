import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { generatePrivateKey } from 'viem/accounts';

import { catchUpOrders } from './catchUpOrders.ts';
import { createClient } from './createClient.ts';
import { createShopApp, type ShopAppInput } from './createShopApp.ts';
import { expectData } from './expectData.ts';
import { openStateFile } from './openStateFile.ts';
import { payDirectly, payGasless } from './payAsDemoCustomer.ts';
import type { Till } from './placeOrder.ts';
import type { ShopConfig } from './readShopConfig.ts';
import { registerWebhookEndpoint } from './registerWebhookEndpoint.ts';
import { waitForApi } from './waitForApi.ts';

export interface Shop {
  /** Where to look at it. */
  readonly url: string;
  /** Answers what is being asked, takes nothing new. May be called again. */
  close(): Promise<void>;
}

/** A browser that does not read its answer must not hold the shop open. */
const CLOSE_PATIENCE_MS = 2_000;

/**
 * Opens the shop: listens, waits for the payment server, registers the webhook endpoint, and
 * catches up with what happened meanwhile.
 * @param signal gives up while starting
 */
export async function startShop(
  config: ShopConfig,
  log: (message: string) => void,
  signal = new AbortController().signal,
): Promise<Shop> {
  const stateFile = openStateFile(config.statePath);
  const client = createClient(config);
  const closing = new AbortController();
  const now = () => new Date();
  let till: Till | undefined;

  const app = createShopApp({
    findTill: () => till,
    stateFile,
    payAsDemoCustomer: createPayAsDemoCustomer(config, client),
    closing: closing.signal,
    now,
    log,
  });
  // Listening comes first: the port is part of the address that is registered, and webhooks may
  // come as soon as it is.
  const server = createServer(app);
  server.listen(config.port, config.host);
  await once(server, 'listening');

  let closed: Promise<void> | undefined;
  const close = async () => {
    closing.abort();
    const done = once(server, 'close');
    server.close();
    // Connections that were answered just now are kept open by browsers; each is ended as soon as
    // it is idle.
    const sweep = setInterval(() => server.closeIdleConnections(), 50);
    const force = setTimeout(() => server.closeAllConnections(), CLOSE_PATIENCE_MS);
    await done;
    clearInterval(sweep);
    clearTimeout(force);
  };
  const shop: Shop = {
    url: toUrl(config.host, (server.address() as AddressInfo).port),
    close: () => (closed ??= close()),
  };

  try {
    const token = await waitForApi(client, signal);
    const webhooksUrl = `${config.publicUrl ?? shop.url}/webhooks`;
    const registration = await registerWebhookEndpoint(client, stateFile, webhooksUrl);
    log(`webhook endpoint ${webhooksUrl} ${registration}`);
    const opened: Till = { client, stateFile, token };
    const failures = await catchUpOrders(opened, now);
    if (failures > 0) log(`${failures} open orders could not be brought up to date`);
    till = opened;
    return shop;
  } catch (error) {
    await shop.close();
    throw error;
  }
}

function createPayAsDemoCustomer(
  { demoCustomer }: ShopConfig,
  client: Till['client'],
): ShopAppInput['payAsDemoCustomer'] {
  if (demoCustomer === undefined) return undefined;
  const { key, rpcUrl } = demoCustomer;
  // One after the other: they share one account, whose transactions are numbered.
  let last: Promise<void> = Promise.resolve();
  return (order, way, onStep) => {
    const mine = last.then(async () => {
      const payment = expectData(
        await client.GET('/payments/{paymentId}', {
          params: { path: { paymentId: order.paymentId } },
        }),
      );
      if (way === 'direct')
        await payDirectly({ rpcUrl, customerKey: key, client, payment, onStep });
      // Somebody new each time, without any ether: gasless means that this is enough.
      else
        await payGasless({
          rpcUrl,
          customerKey: generatePrivateKey(),
          minterKey: key,
          client,
          payment,
          onStep,
        });
    });
    last = mine.catch(() => undefined);
    return mine;
  };
}

function toUrl(host: string, port: number): string {
  // "Every address" is not an address that one can go to.
  const reachable = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`;
}
