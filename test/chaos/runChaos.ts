import { writeFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createWalletClient, http, type Hash } from 'viem';
import { generatePrivateKey, privateKeyToAccount, type PrivateKeyAccount } from 'viem/accounts';

import { testTokenAbi } from '../../contracts/generated/TestToken.ts';
import type { Fault } from '../../dev/defenderSimulator/faults.ts';
import { createRedis } from '../../platform/redis.ts';
import { createRandom, type Random } from '../support/createRandom.ts';
import { createCustomers, payFromWallet } from '../support/customers.ts';
import { createHarness, type Harness } from '../support/harness.ts';
import { createStoreClient, type StoreClient } from '../support/storeClient.ts';
import { startStoreServer, type StoreServer } from '../support/storeServer.ts';
import { watchPromises } from '../support/watchPromises.ts';
import { startChainProxy } from './chainProxy.ts';
import { startMortalApi, startMortalWorkers, type MortalProcess } from './chaosProcesses.ts';
import { judge, type ChaosReport } from './judge.ts';
import { startMining } from './miningChain.ts';

/**
 * Payments on every rail, by store clients that never give up, while everything that can fail fails: see `FAULTS` and `Outages`. Then everything is
 * repaired, the server is given time to end what it began, and `judge` looks at chain, database, store and relayer.
 */
export interface ChaosOptions {
  /** Decides who pays how, and which fault comes when; how they meet is up to the machine. */
  readonly seed: number;
  readonly payments: number;
  /** How often each process dies, at most. */
  readonly deaths: number;
  readonly onProgress: (message: string) => void;
}

const AMOUNT = 1_500_000n;
const BLOCK_TIME_MS = 250;
/** More than the deepest reorganisation: so none may undo a completion. */
const CONFIRMATIONS = 6;
const DEEPEST_REORG = 5;
/** Small, for the sake of more sends that may go wrong. */
const MAX_BATCH_SIZE = 5;
const LANES = 12;
const PATIENCE_MS = 180_000;
/** For what was begun to end, once nothing fails any more. */
const SETTLE_MS = 180_000;

/** Of a relayer, each for a request or a few. */
const FAULTS: readonly Fault[] = [
  { kind: 'timeoutBeforeSend' },
  { kind: 'timeoutAfterSend' },
  { kind: 'resetBeforeSend' },
  { kind: 'resetAfterSend' },
  { kind: 'serverError', count: 3, status: 503 },
  { kind: 'serverErrorAfterSend' },
  { kind: 'rateLimited', count: 5, retryAfterSeconds: 1 },
  { kind: 'unauthorized', count: 2 },
  { kind: 'intent', delayMs: 800 },
  { kind: 'gasBump', delayMs: 0 },
  { kind: 'gasBump', delayMs: 300 },
  { kind: 'dropAfterSend', releaseNonce: true },
  { kind: 'neverMine', releaseNonce: true },
];

type Way = 'direct' | 'forwarder' | 'authorization';

interface Plan {
  readonly way: Way;
  readonly customer: PrivateKeyAccount;
  /** Moves the tokens away as soon as the payment is accepted: it can be paid or not, and must be told truthfully. */
  readonly isFickle: boolean;
}

export interface PlannedPayment extends Plan {
  readonly paymentId: Hash;
}

export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const { seed, onProgress } = options;
  const random = createRandom(seed);
  const harness = await createHarness({
    env: {
      MSQPAY_OUTBOX_REDRIVE_MS: '2000',
      MSQPAY_WEBHOOK_SCHEDULE_SECONDS: '0,1,2,3,5,5,5,5,5,5,5,5,5,5,5,5,5,5,5',
      MSQPAY_WEBHOOK_TIMEOUT_MS: '1000',
      MSQPAY_RELAY_RESEND_AFTER_MS: '12000',
    },
    config: (config) => ({ ...config, chains: config.chains.map((chain) => ({ ...chain, confirmations: CONFIRMATIONS })) }),
  });
  const proxy = await startChainProxy(harness.stack.chain.rpcUrl);
  const { environment, relayer } = withChain(harness, {
    rpcUrls: [proxy.url],
    confirmations: CONFIRMATIONS,
    blockTimeMs: BLOCK_TIME_MS,
    relayLimits: { maxBatchSize: MAX_BATCH_SIZE },
    relayers: [...relayersOf(harness), { id: 'own', provider: 'local', privateKeyVariable: OWN_KEY_VARIABLE, bumpAfterMs: 2_000 }],
  });
  const storeServer = await startStoreServer();
  const closers: (() => Promise<unknown>)[] = [() => storeServer.close(), () => proxy.close(), () => harness.close()];
  try {
    await harness.chain.testClient.setBalance({ address: relayer, value: 10n ** 20n });
    const store = await harness.createTestStore();
    const plans = await planPayments(harness, options.payments, random);
    onProgress(`${plans.length} payments are planned, their customers have tokens`);
    const mining = await startMining(harness.stack.chain.rpcUrl, BLOCK_TIME_MS);
    closers.unshift(() => mining.stop());

    const own = () => createRandom(random.between(0, 2 ** 31));
    const api = await startMortalApi(environment, own(), options.deaths);
    const workers = [
      await startMortalWorkers(environment, own(), options.deaths),
      await startMortalWorkers(environment, own(), options.deaths),
    ];
    const processes: readonly MortalProcess[] = [api, ...workers];
    closers.unshift(...processes.map((process) => () => process.close()));

    const promises = watchPromises(harness);
    closers.unshift(() => promises.close());
    const client = createStoreClient({ url: api.url, apiKey: store.apiKey, patienceMs: PATIENCE_MS });
    await listen(client, storeServer, createRandom(random.between(0, 2 ** 31)));

    const counts = new Map<string, number>();
    const count = (what: string) => counts.set(what, (counts.get(what) ?? 0) + 1);
    const flowing = new AbortController();
    const outages = startOutages({ harness, proxy, mining, random, isOver: () => flowing.signal.aborted, count });
    let payments: readonly PlannedPayment[];
    try {
      payments = await payAll(harness, client, plans, random, onProgress);
      // What was accepted last goes through some of it too.
      await sleep(5_000);
    } finally {
      flowing.abort();
      await outages;
    }
    harness.stack.simulator.clearFaults();
    storeServer.answerWith(() => 204);
    await Promise.all(processes.map((process) => process.settle()));
    onProgress('everything is repaired; what was begun may end now');

    for (const process of processes)
      for (const [cause, times] of process.deaths) counts.set(`death: ${cause}`, (counts.get(`death: ${cause}`) ?? 0) + times);
    return await judge({ harness, store, storeServer, promises, payments, amount: AMOUNT, seed, counts, settleMs: SETTLE_MS });
  } finally {
    for (const close of closers) await close();
  }
}

/** A relayer beside the simulated provider: a key of our own. */
const OWN_KEY_VARIABLE = 'CHAOS_RELAYER_KEY';

function relayersOf(harness: Harness): unknown[] {
  const { chains } = readChains(harness);
  return (chains[0]?.['relayers'] ?? []) as unknown[];
}

function readChains(harness: Harness): { readonly chains: readonly Record<string, unknown>[] } {
  const path = harness.environment()['MSQPAY_CHAINS_FILE'] ?? '';
  return JSON.parse(readFileSync(path, 'utf8')) as { chains: Record<string, unknown>[] };
}

/** The harness's environment, with a chains file of its own. */
function withChain(harness: Harness, changes: Readonly<Record<string, unknown>>) {
  const path = harness.environment()['MSQPAY_CHAINS_FILE'] ?? '';
  const parsed = readChains(harness);
  const privateKey = generatePrivateKey();
  const changed = join(path, '..', `chaos-${harness.config.queuePrefix.replaceAll(/[{}]/g, '')}.json`);
  writeFileSync(changed, JSON.stringify({ chains: parsed.chains.map((chain) => ({ ...chain, ...changes })) }));
  return {
    relayer: privateKeyToAccount(privateKey).address,
    environment: (overrides: Readonly<Record<string, string>>) =>
      harness.environment({ MSQPAY_CHAINS_FILE: changed, [OWN_KEY_VARIABLE]: privateKey, ...overrides }),
  };
}

async function planPayments(harness: Harness, count: number, random: Random): Promise<Plan[]> {
  const token = harness.tokens.TUSD;
  const share = (part: number) => Math.round(count * part);
  const plan = (way: Way, customers: readonly PrivateKeyAccount[], isFickle = false): Plan[] =>
    customers.map((customer) => ({ way, customer, isFickle }));
  const direct = await createCustomers(harness, { count: share(0.1), token, gasless: false });
  // Signs a permit with each payment.
  const permitting = await createCustomers(harness, { count: share(0.3), token, gasless: true });
  const fickle = await createCustomers(harness, { count: share(0.02), token, gasless: true });
  // Pay again and again, some of it at once.
  const regular = await createCustomers(harness, { count: Math.max(2, share(0.1)), token, gasless: false });
  const plans: Plan[] = [...plan('direct', direct), ...plan(random.pick(['forwarder', 'authorization']), fickle, true)];
  for (const [index, customer] of permitting.entries()) plans.push(...plan(index % 2 === 0 ? 'forwarder' : 'authorization', [customer]));
  for (let index = 0; plans.length < count; index++) {
    const customer = regular[index % regular.length];
    if (customer !== undefined) plans.push(...plan(index % 3 === 0 ? 'forwarder' : 'authorization', [customer]));
  }
  return shuffle(plans, random);
}

function shuffle<T>(items: readonly T[], random: Random): T[] {
  return items
    .map((item) => ({ item, at: random.next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

async function listen(client: StoreClient, storeServer: StoreServer, random: Random): Promise<void> {
  const endpoint = await client.api.POST('/webhook-endpoints', {
    params: { header: { 'Idempotency-Key': 'the-endpoint' } },
    body: { url: storeServer.url },
  });
  if (endpoint.data === undefined) throw new Error(`registering the endpoint: ${JSON.stringify(endpoint.error)}`);
  storeServer.trust(endpoint.data.secret);
  storeServer.answerWith(() => (random.next() < 0.1 ? random.pick([500, 503, 'none'] as const) : 204));
}

async function payAll(
  harness: Harness,
  client: StoreClient,
  plans: readonly Plan[],
  random: Random,
  onProgress: (message: string) => void,
): Promise<PlannedPayment[]> {
  const paid: PlannedPayment[] = [];
  // A customer signs one forward request after the other: the nonce of the next one is known when this one is accepted.
  const turns = new Map<string, Promise<unknown>>();
  const inTurn = async (plan: Plan, work: () => Promise<void>) => {
    const next = (turns.get(plan.customer.address) ?? Promise.resolve()).then(work);
    turns.set(
      plan.customer.address,
      next.catch(() => undefined),
    );
    await next;
  };
  const waiting = plans.entries();
  const lanes = Array.from({ length: LANES }, async () => {
    for (const [index, plan] of waiting) {
      const { paymentId, ...payment } = await client.createPayment({
        orderId: `order-${index}`,
        amount: String(AMOUNT),
        token: harness.tokens.TUSD,
      });
      if (plan.way === 'direct') await payFromWallet(harness, plan.customer, { paymentId, ...payment });
      else if (plan.way === 'forwarder') await inTurn(plan, async () => void (await client.relay(plan.customer, paymentId)));
      else await client.execute(plan.customer, paymentId);
      if (plan.isFickle) await moveTokensAway(harness, plan.customer);
      paid.push({ ...plan, paymentId: paymentId as Hash });
      if (paid.length % 50 === 0) onProgress(`${paid.length} payments are handed over`);
      await sleep(random.between(0, 400));
    }
  });
  await Promise.all(lanes);
  return paid;
}

async function moveTokensAway(harness: Harness, customer: PrivateKeyAccount): Promise<void> {
  const { testClient, publicClient } = harness.chain;
  await testClient.setBalance({ address: customer.address, value: 10n ** 18n });
  const { chain } = publicClient;
  if (chain === undefined) throw new Error('the chain is not known');
  const wallet = createWalletClient({ account: customer, chain, transport: http(harness.stack.chain.rpcUrl) });
  const balance = await harness.chain.balanceOf(harness.tokens.TUSD, customer.address);
  if (balance === 0n) return;
  const args = [privateKeyToAccount(generatePrivateKey()).address, balance] as const;
  await wallet.writeContract({ address: harness.tokens.TUSD, abi: testTokenAbi, functionName: 'transfer', args, gas: 100_000n, nonce: 0 });
}

interface Outages {
  readonly harness: Harness;
  readonly proxy: Awaited<ReturnType<typeof startChainProxy>>;
  readonly mining: Awaited<ReturnType<typeof startMining>>;
  readonly random: Random;
  readonly isOver: () => boolean;
  readonly count: (what: string) => void;
}

/** Resolves when all of them have ended. */
async function startOutages(outages: Outages): Promise<void> {
  const { harness, proxy, mining, isOver, count } = outages;
  const { simulator, databaseControl } = harness.stack;
  const redis = createRedis(harness.config.redisUrl, 'worker');
  /** At least once, then again and again. */
  async function repeatedly(fromMs: number, toMs: number, work: (random: Random) => Promise<void>): Promise<void> {
    const random = createRandom(outages.random.between(0, 2 ** 31));
    do {
      await sleep(random.between(fromMs, toMs));
      await work(random);
    } while (!isOver());
  }
  try {
    await Promise.all([
      repeatedly(200, 1_500, async (random) => {
        const fault = random.pick(FAULTS);
        simulator.setFault(fault);
        count(`relayer: ${fault.kind}`);
        await Promise.resolve();
      }),
      repeatedly(1_500, 5_000, async (random) => {
        const depth = random.between(1, DEEPEST_REORG);
        await mining.reorganise(depth, random);
        count(`reorganisation of ${depth}`);
      }),
      repeatedly(3_000, 9_000, async () => {
        await redis.flushall();
        count('Redis wiped');
      }),
      repeatedly(5_000, 14_000, async (random) => {
        proxy.cut();
        count('chain away');
        await sleep(random.between(500, 3_000));
        proxy.restore();
      }),
      repeatedly(8_000, 25_000, async (random) => {
        if (databaseControl === undefined) throw new Error('the database was given by DATABASE_URL; it cannot be restarted');
        await databaseControl.kill('SIGKILL');
        count('database killed');
        await sleep(random.between(200, 1_500));
        await databaseControl.restart();
      }),
    ]);
  } finally {
    proxy.restore();
    redis.disconnect();
  }
}
