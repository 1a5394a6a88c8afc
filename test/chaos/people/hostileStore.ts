import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Hash } from 'viem';
import type { PrivateKeyAccount } from 'viem/accounts';

import type { paths } from '../../../api/generated/openapi.ts';
import type { TypedData } from '../../../domain/chain/ports.ts';
import type { Random } from '../../support/createRandom.ts';
import { createCustomers } from '../../support/customers.ts';
import { signTypedData } from '../../support/gasless.ts';
import type { StoreClient } from '../../support/storeClient.ts';
import type { ChaosChain } from '../chains/startChaosChains.ts';
import { moveTokensAway } from './moveTokensAway.ts';

type Execution =
  paths['/payments/{paymentId}/execute']['post']['requestBody']['content']['application/json'];

export interface HostilePayment {
  readonly paymentId: Hash;
  readonly chain: ChaosChain;
}

/**
 * A store whose customers pay tiny amounts, sign, and have no tokens any more when the relayer
 * comes; which hands the same signatures in again whenever they failed; whose payments carry as
 * much metadata as they may; and whose server answers no webhook as a server should.
 */
export interface HostileStore {
  readonly payments: readonly HostilePayment[];
  /** Resolves when all its payments were handed in as often as it likes. */
  run(): Promise<void>;
  /** Until now it had none. */
  answerWebhooks(): void;
  close(): Promise<void>;
}

interface Options {
  readonly client: StoreClient;
  readonly chains: readonly ChaosChain[];
  readonly payments: number;
  /** Of each payment. */
  readonly expirySeconds: number;
  /** How many of its customers come at once. */
  readonly lanes: number;
  readonly random: Random;
  readonly count: (what: string) => void;
}

/** Payments that one customer signs before its tokens are gone. */
const PAYMENTS_EACH = 4;
/** How often a signature is handed in, at most. */
const TIMES = 3;
const AGAIN_MS = 2_500;
const FAILED_MS = 10_000;
const TINY = 1n;
/** What its server does with a webhook, in turn. */
const NO_ANSWERS: readonly ((response: ServerResponse) => void)[] = [
  () => undefined,
  ({ socket }) =>
    socket?.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'),
  // A body without an end.
  (response) => response.writeHead(500).write('.'),
  ({ socket }) => socket?.end('SSH-2.0-OpenSSH\r\n'),
];
/** As much as the API takes. */
const METADATA = Object.fromEntries(
  Array.from({ length: 20 }, (_, index) => [`key-${index}`.padEnd(40, 'x'), 'y'.repeat(200)]),
);

export async function createHostileStore(options: Options): Promise<HostileStore> {
  const { client, chains, random, count } = options;
  const customers: { readonly chain: ChaosChain; readonly customer: PrivateKeyAccount }[] = [];
  for (const chain of chains) {
    const share = Math.max(1, Math.ceil(options.payments / PAYMENTS_EACH / chains.length));
    const own = await createCustomers(chain.home, {
      count: share,
      token: chain.token,
      gasless: false,
    });
    customers.push(...own.map((customer) => ({ chain, customer })));
  }
  const payments: HostilePayment[] = [];
  let isAnswering = false;
  let posts = 0;
  const server = createServer((request, response) => {
    request.resume();
    if (isAnswering) response.writeHead(204).end();
    else NO_ANSWERS[posts++ % NO_ANSWERS.length]?.(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;

  async function handIn(paymentId: Hash, execution: Execution, times: number): Promise<string> {
    const { data, error } = await client.api.POST('/payments/{paymentId}/execute', {
      params: {
        path: { paymentId },
        header: { 'Idempotency-Key': `hostile-${paymentId}-${times}` },
      },
      body: execution,
    });
    return data === undefined ? `refused: ${error?.code ?? 'no answer'}` : 'accepted';
  }

  async function sign(
    chain: ChaosChain,
    customer: PrivateKeyAccount,
    orderId: string,
  ): Promise<{ paymentId: Hash; execution: Execution } | undefined> {
    const created = await client.api.POST('/payments', {
      params: { header: { 'Idempotency-Key': `hostile-${orderId}` } },
      body: {
        ...{
          orderId,
          amount: String(TINY),
          token: chain.token,
          chainId: chain.chainId,
          metadata: METADATA,
        },
        expiresInSeconds: options.expirySeconds,
      },
    });
    if (created.data === undefined) return undefined;
    const paymentId = created.data.paymentId as Hash;
    payments.push({ paymentId, chain });
    const query = { customerAddress: customer.address };
    const offered = await client.api.GET('/payments/{paymentId}/authorization', {
      params: { path: { paymentId }, query },
    });
    if (offered.data === undefined) return undefined;
    const signature = await signTypedData(customer, offered.data.typedData as unknown as TypedData);
    return { paymentId, execution: { customerAddress: customer.address, signature } };
  }

  /** Or for a while: it may be paid. */
  async function waitUntilFailed(paymentId: Hash): Promise<void> {
    const deadline = Date.now() + FAILED_MS;
    while (Date.now() < deadline) {
      const { data } = await client.api.GET('/payments/{paymentId}', {
        params: { path: { paymentId } },
      });
      if (data?.status !== 'processing') return;
      await sleep(AGAIN_MS / 5);
    }
  }

  async function burn(
    chain: ChaosChain,
    customer: PrivateKeyAccount,
    place: number,
  ): Promise<void> {
    const signed = [];
    for (let index = 0; index < PAYMENTS_EACH; index++)
      signed.push(await sign(chain, customer, `${place}-${index}`));
    const good = signed.filter((one) => one !== undefined);
    for (const { paymentId, execution } of good)
      count(`hostile store: ${await handIn(paymentId, execution, 1)}`);
    await moveTokensAway(chain, customer, 1);
    for (let times = 2; times <= TIMES; times++) {
      await sleep(random.between(AGAIN_MS / 2, AGAIN_MS));
      await Promise.all(good.map(({ paymentId }) => waitUntilFailed(paymentId)));
      for (const { paymentId, execution } of good)
        count(`hostile store again: ${await handIn(paymentId, execution, times)}`);
    }
  }

  return {
    payments,
    async run() {
      const endpoint = await client.api.POST('/webhook-endpoints', {
        params: { header: { 'Idempotency-Key': 'hostile-endpoint' } },
        body: { url: `http://127.0.0.1:${port}/never` },
      });
      if (endpoint.data === undefined)
        throw new Error(
          `registering the hostile store's endpoint: ${JSON.stringify(endpoint.error)}`,
        );
      const waiting = customers.entries();
      await Promise.all(
        Array.from({ length: options.lanes }, async () => {
          for (const [place, { chain, customer }] of waiting) await burn(chain, customer, place);
        }),
      );
    },
    answerWebhooks() {
      isAnswering = true;
      server.closeAllConnections();
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
