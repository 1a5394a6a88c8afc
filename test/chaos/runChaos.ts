import { setTimeout as sleep } from 'node:timers/promises';
import { generatePrivateKey, privateKeyToAddress } from 'viem/accounts';

import { createRandom } from '../support/createRandom.ts';
import { watchPromises } from '../support/watchPromises.ts';
import { judge, type ChaosReport } from './judging/judge.ts';
import { keepEvidence } from './judging/keepEvidence.ts';
import { watchCursors } from './judging/watchCursors.ts';
import type { LieKind } from './nodes/lies.ts';
import { startLies } from './nodes/startLies.ts';
import { startOutages } from './outages.ts';
import { createHostileStore } from './people/hostileStore.ts';
import { payAll } from './people/payAll.ts';
import {
  HOSTILE_EXPIRY_SECONDS,
  LEAST_EXPIRY_SECONDS,
  planPayments,
  type PlannedPayment,
} from './people/planPayments.ts';
import { startRefunding } from './people/refundPayments.ts';
import { startWorld, type World } from './startWorld.ts';

/**
 * Payments on every rail of two chains, by store clients that never give up, while everything that
 * can fail fails (`outages.ts`), RPC nodes lie (`nodes/`), and payers, wallets and a store are
 * hostile (`people/`). Then everything is repaired, the server is given time to end what it began,
 * and `judge` asks chains, database, store and relayers.
 */
export interface ChaosOptions {
  /**
   * Decides who pays how, and which fault and lie comes when; how they meet is up to the machine.
   */
  readonly seed: number;
  readonly payments: number;
  /** How often each process dies, at most. */
  readonly deaths: number;
  /** Each of them is told at least once. */
  readonly lies: readonly LieKind[];
  /**
   * Beside the lies nothing fails, and only reorganisations happen: to find out what a lie does.
   */
  readonly isCalm: boolean;
  /**
   * Nobody pays just before a payment expires, and what cannot be paid expires as early as may be:
   * these take long by themselves.
   */
  readonly isShort: boolean;
  /**
   * A directory in which the logs of the server's processes and the tables of the database are
   * kept; absent: they are not.
   */
  readonly logs?: string | undefined;
  readonly onProgress: (message: string) => void;
}

const AMOUNT = 1_500_000n;
/** For what was begun to end, once nothing fails any more. */
const SETTLE_MS = 240_000;
/** Payments of the hostile store, for each of the honest one. */
const HOSTILE_SHARE = 0.5;
const HOSTILE_LANES = 6;

export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const random = createRandom(options.seed);
  const world = await startWorld({
    random: createRandom(random.between(0, 2 ** 31)),
    deaths: options.deaths,
    logs: options.logs,
  });
  const closers: (() => Promise<unknown>)[] = [() => world.close()];
  try {
    return await run(world, closers, options, () => createRandom(random.between(0, 2 ** 31)));
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

async function run(
  world: World,
  closers: (() => Promise<unknown>)[],
  options: ChaosOptions,
  own: () => ReturnType<typeof createRandom>,
): Promise<ChaosReport> {
  const { seed, onProgress, isCalm } = options;
  const { harness, chaos, storeServer, merchant, processes, client } = world;
  const { chains } = chaos;
  const counts = new Map<string, number>();
  const count = (what: string) => void counts.set(what, (counts.get(what) ?? 0) + 1);

  const promises = watchPromises(harness);
  closers.push(() => promises.close());
  const cursors = watchCursors(harness.ctx.db, chains);
  closers.push(() => cursors.close());
  const hostileExpirySeconds = options.isShort ? LEAST_EXPIRY_SECONDS : HOSTILE_EXPIRY_SECONDS;
  const planned = await planPayments({
    chains,
    payments: options.payments,
    random: own(),
    hostileExpirySeconds,
  });
  const plans = planned.filter(({ character }) => !options.isShort || character !== 'paysAtLast');
  const hostile = await world.openStore(
    'A hostile shop',
    privateKeyToAddress(generatePrivateKey()),
  );
  const hostilePayments = Math.round(options.payments * HOSTILE_SHARE);
  const burner = await createHostileStore({
    client: world.clientOf(hostile),
    chains,
    payments: hostilePayments,
    lanes: HOSTILE_LANES,
    expirySeconds: hostileExpirySeconds,
    random: own(),
    count,
  });
  closers.push(() => burner.close());
  const refunding = startRefunding({ client, merchant, amount: AMOUNT, random: own(), count });
  await world.startWorkers();
  const answers = own();
  storeServer.answerWith(() =>
    answers.next() < 0.1 ? answers.pick([500, 503, 'none'] as const) : 204,
  );
  onProgress(`the server is up, ${plans.length} payments are planned`);

  const flowing = new AbortController();
  const isOver = () => flowing.signal.aborted;
  const troubles = Promise.all([
    startOutages({ harness, chaos, random: own(), isOver, count, isCalm }),
    startLies({ chains, kinds: options.lies, random: own(), isOver, count }),
  ]);
  // Told below, when the payments were handed over.
  troubles.catch(() => undefined);
  const onPaid = createProgress<PlannedPayment>(plans.length, onProgress, (payment) =>
    refunding.consider(payment),
  );
  let payments: readonly PlannedPayment[];
  try {
    const paying = payAll({
      clients: [client],
      plans,
      amount: AMOUNT,
      random: own(),
      onPaid,
      count,
    });
    [payments] = await world.unlessOneFails(Promise.all([paying, burner.run()]));
    // What was accepted last goes through some of it too.
    await sleep(5_000);
  } finally {
    flowing.abort();
    await troubles;
  }
  for (const relayer of chaos.relayers) relayer.clearFaults();
  storeServer.answerWith(() => 204);
  burner.answerWebhooks();
  await Promise.all(processes.map((process) => process.settle()));
  world.endPatience();
  onProgress('everything is repaired; what was begun may end now');

  const unmade = await refunding.finish(SETTLE_MS);
  for (const { deaths } of processes)
    for (const [cause, times] of deaths) add(counts, `death: ${cause}`, times);
  for (const { name, mining } of chains)
    add(counts, `taken back on the ${name} chain`, mining.replacedTransactions());
  const report = await judge({
    ...{
      harness,
      chains,
      storeId: world.store.storeId,
      merchant,
      storeServer,
      promises,
      cursors,
      payments,
      seed,
      counts,
    },
    hostile: { storeId: hostile.storeId, payments: burner.payments },
    wishes: refunding.wishes,
    amount: AMOUNT,
    settleMs: SETTLE_MS,
  });
  if (options.logs !== undefined) await keepEvidence(harness.ctx.db, options.logs);
  return { ...report, breaches: [...report.breaches, ...unmade] };
}

function add(counts: Map<string, number>, what: string, times: number): void {
  counts.set(what, (counts.get(what) ?? 0) + times);
}

function createProgress<T>(
  total: number,
  onProgress: (message: string) => void,
  also: (payment: T) => void,
): (payment: T) => void {
  let paid = 0;
  return (payment) => {
    paid += 1;
    if (paid % Math.ceil(total / 10) === 0 || paid === total)
      onProgress(`${paid} payments are handed over`);
    also(payment);
  };
}
