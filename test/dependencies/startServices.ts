import { startTestApi, type TestApi } from '../api/startTestApi.ts';
import { closeAll } from '../support/closeAll.ts';
import { runWorkers, type RunningWorkers } from '../support/runWorkers.ts';
import { startStoreServer, type StoreServer } from '../support/storeServer.ts';
import { waitUntil } from '../support/waitUntil.ts';

/** An API, workers, and a store's server that is told of its payments, around one Redis. */
export interface Services {
  readonly api: TestApi;
  readonly workers: RunningWorkers;
  readonly store: StoreServer;
  /** Readiness, jobs, hints between processes and limits, each as soon as it works. */
  expectToWork(): Promise<void>;
  close(): Promise<void>;
}

/** @param redisUrl as in REDIS_URL */
export async function startServices(redisUrl: string): Promise<Services> {
  const api = await startTestApi({
    env: {
      REDIS_URL: redisUrl,
      MSQPAY_RATE_LIMIT_PER_MINUTE: '1000',
      MSQPAY_WEBHOOK_ALLOW_PRIVATE_NETWORKS: 'true',
    },
  });
  const workers = await runWorkers(api, ['webhook', 'expire', 'maintenance', 'chain-scan']);
  const store = await startStoreServer();
  const endpoint = await api.call('/webhook-endpoints', { json: { url: store.url } });
  store.trust(((await endpoint.json()) as { secret: string }).secret);

  const redisStatus = async () => {
    const { dependencies } = (await (await fetch(`${api.url}/readyz`)).json()) as {
      dependencies: { name: string; status: string }[];
    };
    return dependencies.find(({ name }) => name === 'redis')?.status;
  };
  const leftOf = async () =>
    Number(/r=(\d+)/.exec((await api.call('/tokens')).headers.get('ratelimit') ?? '')?.[1]);

  return {
    api,
    workers,
    store,
    async expectToWork() {
      await waitUntil(async () => (await redisStatus()) === 'up', {
        what: 'readiness',
        timeoutMs: 30_000,
      });
      const { paymentId } = await api.createPayment();
      await waitUntil(() => store.ofPayment(paymentId).length > 0, {
        what: 'the webhook',
        timeoutMs: 30_000,
      });
      // Hints go from one process to the other, and each knows that it has heard all of them.
      const heard: string[] = [];
      const unsubscribe = workers.ctx.signals.onChanged('payment', (id) => heard.push(id));
      await waitUntil(
        async () => {
          await api.ctx.signals.changed([{ topic: 'payment', id: paymentId }]);
          return heard.includes(paymentId) && (await workers.ctx.signals.isUpToDate());
        },
        { what: 'a hint', timeoutMs: 30_000 },
      );
      unsubscribe();
      let left = await leftOf();
      await waitUntil(
        async () => {
          const before = left;
          left = await leftOf();
          return left === before - 1;
        },
        { what: 'limits', timeoutMs: 30_000 },
      );
    },
    close: () => closeAll([() => workers.stop(1_000), () => api.close(), () => store.close()]),
  };
}
