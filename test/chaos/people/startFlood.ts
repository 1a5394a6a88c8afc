import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { PrivateKeyAccount } from 'viem/accounts';

import { createCustomers } from '../../support/customers.ts';
import { GAS_BUDGET_SPENT, RefusedExecution, type StoreClient } from '../../support/storeClient.ts';
import type { ChaosChain } from '../chains/startChaosChains.ts';

interface Options {
  /** Of the stores. */
  readonly clients: readonly StoreClient[];
  readonly chains: readonly ChaosChain[];
  /** Requests of each store. */
  readonly requests: number;
  /** How many requests are made at once. */
  readonly lanes: number;
}

/**
 * Stores that hand in as many requests as they can, each of which would pay, a tiny amount; and
 * never answer a webhook.
 */
export interface Flood {
  close(): Promise<void>;
}

/** Of one customer: as many as may be on their way at once. */
const REQUESTS_EACH = 20;
const TINY = '1';

/**
 * Resolves when all requests are handed in, and taken on as far as each store's budget for the day
 * goes.
 */
export async function startFlood({ clients, chains, requests, lanes }: Options): Promise<Flood> {
  const server = createServer((request) => request.resume());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  try {
    const planned = requests * clients.length;
    const customers = new Map<ChaosChain, PrivateKeyAccount[]>();
    for (const chain of chains) {
      const count = Math.ceil((planned / chains.length + clients.length) / REQUESTS_EACH);
      customers.set(
        chain,
        await createCustomers(chain.home, { count, token: chain.token, gasless: false }),
      );
    }
    for (const client of clients) {
      const body = { url: `http://127.0.0.1:${port}/never` };
      const { error } = await client.api.POST('/webhook-endpoints', {
        params: { header: { 'Idempotency-Key': 'endpoint' } },
        body,
      });
      if (error !== undefined)
        throw new Error(`registering a flooding store's endpoint: ${JSON.stringify(error)}`);
    }
    const taken = new Map<ChaosChain, number>();
    const numbers = Array.from({ length: planned }, (_, index) => index).values();
    await Promise.all(
      Array.from({ length: lanes }, async () => {
        for (const number of numbers) {
          const client = clients[number % clients.length];
          const chain = chains[Math.floor(number / clients.length) % chains.length];
          if (client === undefined || chain === undefined)
            throw new Error('there is no store, or no chain');
          const place = taken.get(chain) ?? 0;
          taken.set(chain, place + 1);
          const customer = customers.get(chain)?.[Math.floor(place / REQUESTS_EACH)];
          if (customer === undefined) throw new Error('there are too few customers');
          const { paymentId } = await client.createPayment({
            ...{
              orderId: `flood-${number}`,
              amount: TINY,
              token: chain.token,
              chainId: chain.chainId,
            },
          });
          try {
            await client.execute(customer, paymentId);
          } catch (error) {
            if (!(error instanceof RefusedExecution) || error.code !== GAS_BUDGET_SPENT)
              throw error;
          }
        }
      }),
    );
    return { close };
  } catch (error) {
    await close();
    throw error;
  }
}
