import { createStore, issueApiKey } from '../../domain/stores/service.ts';
import type { Address } from '../../shared/hex.ts';
import { createRandom, type Random } from '../support/createRandom.ts';
import { createHarness, type Harness } from '../support/harness.ts';
import { createStoreClient, type StoreClient } from '../support/storeClient.ts';
import { startStoreServer, type StoreServer } from '../support/storeServer.ts';
import { startChaosChains, type ChaosChains, type Relaying } from './chains/startChaosChains.ts';
import { createMerchant, type Merchant } from './people/refundPayments.ts';
import {
  startMortalApi,
  startMortalWorkers,
  type MortalProcess,
} from './processes/chaosProcesses.ts';

/** Two chains, an installation of the server that may die, and a store that listens. */
export interface World {
  readonly harness: Harness;
  readonly chaos: ChaosChains;
  readonly store: OpenedStore;
  readonly storeServer: StoreServer;
  readonly merchant: Merchant;
  readonly processes: readonly MortalProcess[];
  readonly client: StoreClient;
  /** The API is up; nothing is worked on before this. */
  startWorkers(): Promise<void>;
  /** Nothing fails any more: whoever is told "not now" need not insist. */
  endPatience(): void;
  openStore(name: string, payoutAddress: Address): Promise<OpenedStore>;
  clientOf(store: OpenedStore): StoreClient;
  /** Of a store that is there: its server, which gets the store's webhooks from now on. */
  listen(client: StoreClient): Promise<StoreServer>;
  /** Rejects when a process of the server ends by itself meanwhile. */
  unlessOneFails<T>(work: Promise<T>): Promise<T>;
  close(): Promise<void>;
}

export interface OpenedStore {
  readonly storeId: string;
  readonly apiKey: string;
}

interface Options {
  readonly random: Random;
  /** How often each process dies, at most. */
  readonly deaths: number;
  /** Of every relayer. */
  readonly relaying?: Relaying;
  /** Where the logs of the server's processes are kept; undefined: they are not. */
  readonly logs?: string | undefined;
}

/**
 * For how long the store's clients send a request again that has no answer: longer than the API is
 * away on the slowest machine.
 */
const PATIENCE_MS = 30 * 60_000;
/** The same, when nothing fails any more. */
const LAST_PATIENCE_MS = 15_000;
const WORKERS = 2;

export async function startWorld({ random, deaths, relaying, logs }: Options): Promise<World> {
  const own = () => createRandom(random.between(0, 2 ** 31));
  const closers: (() => Promise<unknown>)[] = [];
  const close = async () => {
    for (const closeOne of closers.splice(0).reverse()) await closeOne();
  };
  try {
    const harness = await createHarness({
      env: {
        MSQPAY_OUTBOX_REDRIVE_MS: '2000',
        // Of a store that answers nine times of ten nothing is given up, however slow the machine.
        MSQPAY_WEBHOOK_SCHEDULE_SECONDS: ['0,1,2,3', ...Array.from({ length: 40 }, () => '5')].join(
          ',',
        ),
        MSQPAY_WEBHOOK_TIMEOUT_MS: '5000',
        MSQPAY_RELAY_RESEND_AFTER_MS: '12000',
        // Longer than any node lags or is on a branch of its own.
        MSQPAY_RELAY_REFUSAL_GRACE_MS: '15000',
      },
    });
    closers.push(() => harness.close());
    const chaos = await startChaosChains(harness, own(), relaying);
    closers.push(() => chaos.close());
    const merchant = await createMerchant(chaos.chains);

    async function openStore(name: string, payoutAddress: Address): Promise<OpenedStore> {
      const opened = await createStore(harness.ctx, { name, payoutAddress });
      const { key } = await issueApiKey(harness.ctx, {
        storeId: opened.id,
        role: 'store',
        environment: 'test',
      });
      return { storeId: opened.id, apiKey: key };
    }
    const store = await openStore('A shop', merchant.account.address);

    const processes: MortalProcess[] = [];
    const keep = (process: MortalProcess) => {
      processes.push(process);
      closers.push(() => process.close());
      return process;
    };
    const home = { environment: chaos.environment, logs };
    const api = keep(await startMortalApi(home, own(), deaths));
    async function startWorkers(): Promise<void> {
      for (let index = 0; index < WORKERS; index++)
        keep(await startMortalWorkers(home, own(), deaths, `workers-${index}`));
    }
    const unlessOneFails = <T>(work: Promise<T>) =>
      Promise.race([work, ...processes.map(({ failed }) => failed)]);

    let patienceMs = PATIENCE_MS;
    const endPatience = () => {
      patienceMs = LAST_PATIENCE_MS;
    };
    // Who is not waited for would go on asking a server that is gone.
    closers.push(() => {
      patienceMs = 0;
      return Promise.resolve();
    });
    const clientOf = ({ apiKey }: OpenedStore) =>
      createStoreClient({ url: api.url, apiKey, patienceMs: () => patienceMs });
    const client = clientOf(store);
    async function listen(listening: StoreClient): Promise<StoreServer> {
      const server = await startStoreServer();
      closers.push(() => server.close());
      server.trust(await registerEndpoint(listening, server.url));
      return server;
    }
    const storeServer = await unlessOneFails(listen(client));
    return {
      harness,
      chaos,
      store,
      storeServer,
      merchant,
      processes,
      client,
      startWorkers,
      endPatience,
      openStore,
      clientOf,
      listen,
      unlessOneFails,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** @returns the endpoint's secret */
async function registerEndpoint(client: StoreClient, url: string): Promise<string> {
  const endpoint = await client.api.POST('/webhook-endpoints', {
    params: { header: { 'Idempotency-Key': 'the-endpoint' } },
    body: { url },
  });
  if (endpoint.data === undefined)
    throw new Error(`registering the endpoint: ${JSON.stringify(endpoint.error)}`);
  return endpoint.data.secret;
}
