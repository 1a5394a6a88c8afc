import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { generatePrivateKey, privateKeyToAddress } from 'viem/accounts';

import { selectRows, type Database } from '../../platform/db.ts';
import { createRandom } from '../support/createRandom.ts';
import type { StoreClient } from '../support/storeClient.ts';
import type { StoreServer } from '../support/storeServer.ts';
import { createHostileStore } from './people/hostileStore.ts';
import { payAll } from './people/payAll.ts';
import {
  HOSTILE_EXPIRY_SECONDS,
  mustBePaid,
  planPayments,
  type Plan,
  type PlannedPayment,
} from './people/planPayments.ts';
import { startEarlyPermits } from './people/startEarlyPermits.ts';
import { startFlood } from './people/startFlood.ts';
import { startWorld } from './startWorld.ts';
import { waitUntil } from '../support/waitUntil.ts';

/**
 * The same payments twice, with nothing broken, through relayers with the limits that are the
 * default: once by themselves; once beside payers who move their tokens away, wallets that burn
 * gas, a store none of whose requests pays, one whose requests wait for permits that never come,
 * and stores that have very many requests waiting when the others come.
 */
export interface HostilePair {
  readonly seed: number;
  readonly alone: CompletionTimes;
  readonly besideHostile: CompletionTimes;
  /** Requests of hostile stores that waited when the others came. */
  readonly waiting: number;
  /** What the hostile ones did meanwhile. */
  readonly misdeeds: Readonly<Record<string, number>>;
  /** How many times as long the others took: the larger of the two quotients. */
  readonly slowdown: number;
}

/** From a payment's hand-over to its `payment.completed` at the store, in seconds. */
export interface CompletionTimes {
  readonly payments: number;
  readonly medianSeconds: number;
  readonly p95Seconds: number;
}

/** Of the stores that are measured, each has about so many. */
const PAYMENTS_OF_A_STORE = 10;
/** Requests of the store none of whose requests pays, for each payment of the others. */
const HOSTILE_SHARE = 1;
const HOSTILE_LANES = 6;
const FLOODING_STORES = 10;
const FLOOD_LANES = 16;
/** On each chain: with 20 requests of each, more than are looked at while one block goes by. */
const EARLY_CUSTOMERS = 6;
/** platform/config.ts: what a relayer may do by default. */
const RELAYING = { maxBatchSize: 20, transactionsPerMinute: 50, maxInFlight: 10 } as const;
/** Of the others, before those that are measured. */
const FIRST_PAYMENTS = 20;
const AMOUNT = 1_500_000n;
const COMPLETION_MS = 300_000;
/**
 * The others' completion time stays within this many times of what it is without the hostile ones.
 */
export const TOLERATED_SLOWDOWN = 2;

export async function runHostilePair(options: {
  readonly seed: number;
  readonly payments: number;
  /** Of all flooding stores together. */
  readonly flood: number;
  /**
   * Where the logs of the server's processes are kept, those of each run in a folder of its own;
   * undefined: they are not.
   */
  readonly logs: string | undefined;
  readonly onProgress: (message: string) => void;
}): Promise<HostilePair> {
  const misdeeds = new Map<string, number>();
  const logsOf = (run: string) => {
    if (options.logs === undefined) return undefined;
    const folder = join(options.logs, run);
    mkdirSync(folder, { recursive: true });
    return folder;
  };
  const { times: alone } = await runOnce({
    ...options,
    logs: logsOf('alone'),
    misdeeds: undefined,
  });
  options.onProgress(`alone: ${describe(alone)}`);
  const { times: besideHostile, waiting } = await runOnce({
    ...options,
    logs: logsOf('beside-hostile'),
    misdeeds,
  });
  options.onProgress(`beside hostile ones: ${describe(besideHostile)}`);
  const slowdown = Math.max(
    besideHostile.medianSeconds / alone.medianSeconds,
    besideHostile.p95Seconds / alone.p95Seconds,
  );
  return {
    seed: options.seed,
    alone,
    besideHostile,
    waiting,
    misdeeds: Object.fromEntries([...misdeeds].sort(([a], [b]) => (a < b ? -1 : 1))),
    slowdown,
  };
}

async function runOnce(options: {
  readonly seed: number;
  readonly payments: number;
  readonly flood: number;
  readonly logs: string | undefined;
  /** Where misdeeds are counted; undefined: nobody is hostile. */
  readonly misdeeds: Map<string, number> | undefined;
  readonly onProgress: (message: string) => void;
}): Promise<{ readonly times: CompletionTimes; readonly waiting: number }> {
  const { seed, misdeeds, onProgress } = options;
  const random = createRandom(seed);
  const own = () => createRandom(random.between(0, 2 ** 31));
  const world = await startWorld({
    random: own(),
    deaths: 0,
    relaying: RELAYING,
    logs: options.logs,
  });
  const { chaos, harness } = world;
  const { chains } = chaos;
  const closers: (() => Promise<unknown>)[] = [() => world.close()];
  try {
    const planning = {
      chains,
      payments: options.payments,
      hostileExpirySeconds: HOSTILE_EXPIRY_SECONDS,
    };
    const plans = await planPayments({ ...planning, random: own() });
    const good = plans.filter(mustBePaid);
    const first = (
      await planPayments({ ...planning, payments: FIRST_PAYMENTS, random: own() })
    ).filter(mustBePaid);
    const clients: StoreClient[] = [];
    const servers: StoreServer[] = [];
    for (let number = 1; number <= Math.ceil(good.length / PAYMENTS_OF_A_STORE); number++) {
      const opened = await world.openStore(
        `Shop ${number}`,
        privateKeyToAddress(generatePrivateKey()),
      );
      const client = world.clientOf(opened);
      clients.push(client);
      servers.push(await world.unlessOneFails(world.listen(client)));
    }
    const count = (what: string) => void misdeeds?.set(what, (misdeeds.get(what) ?? 0) + 1);
    const paying = { amount: AMOUNT, random: own() };
    /** @returns how many seconds each took */
    async function payUntilCompleted(
      orders: string,
      which: readonly Plan[],
    ): Promise<readonly number[]> {
      const handedOver = new Map<string, number>();
      const onPaid = ({ paymentId }: PlannedPayment) => void handedOver.set(paymentId, Date.now());
      await world.unlessOneFails(
        payAll({ ...paying, clients, orders, plans: which, onPaid, count: () => undefined }),
      );
      const completed = () =>
        servers
          .flatMap(({ received }) => received)
          .filter(
            ({ type, paymentId }) => type === 'payment.completed' && handedOver.has(paymentId),
          );
      await waitUntil(
        () => new Set(completed().map(({ paymentId }) => paymentId)).size === handedOver.size,
        {
          timeoutMs: COMPLETION_MS,
          everyMs: 250,
          what: `the completion of ${handedOver.size} payments on ${harness.databaseUrl.split('/').at(-1) ?? ''}`,
        },
      );
      return completed()
        .map(
          ({ paymentId, receivedAt }) =>
            (receivedAt - (handedOver.get(paymentId) ?? receivedAt)) / 1000,
        )
        .sort((a, b) => a - b);
    }
    const hostile: Promise<unknown>[] = [];
    let waiting = 0;
    if (misdeeds !== undefined) {
      const store = await world.openStore(
        'A hostile shop',
        privateKeyToAddress(generatePrivateKey()),
      );
      const hostileClient = world.clientOf(store);
      const burner = await createHostileStore({
        client: hostileClient,
        chains,
        payments: good.length * HOSTILE_SHARE,
        lanes: HOSTILE_LANES,
        expirySeconds: HOSTILE_EXPIRY_SECONDS,
        random: own(),
        count,
      });
      closers.push(() => burner.close());
      const careless = world.clientOf(
        await world.openStore(
          'A shop with bad customers',
          privateKeyToAddress(generatePrivateKey()),
        ),
      );
      const bad = plans.filter((plan) => !mustBePaid(plan));
      const clients = [];
      for (let number = 1; number <= FLOODING_STORES; number++) {
        const flooding = await world.openStore(
          `Flooding shop ${number}`,
          privateKeyToAddress(generatePrivateKey()),
        );
        clients.push(world.clientOf(flooding));
      }
      const flood = await startFlood({
        clients,
        chains,
        requests: Math.ceil(options.flood / FLOODING_STORES),
        lanes: FLOOD_LANES,
      });
      closers.push(() => flood.close());
      const early = world.clientOf(
        await world.openStore(
          'A shop whose permits never come',
          privateKeyToAddress(generatePrivateKey()),
        ),
      );
      await startEarlyPermits({ client: early, chains, customers: EARLY_CUSTOMERS, count });
      waiting = await countWaiting(harness.ctx.db);
      onProgress(`${waiting} requests of ${FLOODING_STORES} stores are waiting`);
      hostile.push(
        burner.run(),
        payAll({ ...paying, clients: [careless], plans: bad, onPaid: () => undefined, count }),
      );
    }
    await world.startWorkers();
    // They end when they like: nobody waits for them.
    for (const work of hostile) work.catch(() => undefined);
    // In both runs those that are measured come to a server that has been at work for a while.
    await world.unlessOneFails(Promise.all(world.processes.map((process) => process.ready())));
    await payUntilCompleted('first', first);
    if (waiting > 0)
      onProgress(`${await countWaiting(harness.ctx.db)} requests are waiting when the others come`);
    const seconds = await payUntilCompleted('order', good);
    if (waiting > 0) onProgress(`${await countWaiting(harness.ctx.db)} requests are waiting still`);
    const times = {
      payments: good.length,
      medianSeconds: quantile(seconds, 0.5),
      p95Seconds: quantile(seconds, 0.95),
    };
    return { times, waiting };
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

async function countWaiting(db: Database): Promise<number> {
  const [row] = await selectRows<{ count: string | number }>(
    db,
    "SELECT COUNT(*) AS count FROM relay_attempts WHERE status = 'queued'",
    [],
  );
  return Number(row?.count ?? 0);
}

function quantile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
}

function describe({ payments, medianSeconds, p95Seconds }: CompletionTimes): string {
  return `${payments} payments, completed after ${medianSeconds.toFixed(1)} s (median), ${p95Seconds.toFixed(1)} s (95 %)`;
}
