import { setTimeout as sleep } from 'node:timers/promises';

import { createRedis } from '../../platform/redis.ts';
import { createRandom, type Random } from '../support/createRandom.ts';
import type { Harness } from '../support/harness.ts';
import { DEEPEST_REORG, type ChaosChains, type SendFault } from './chains/startChaosChains.ts';

/** Of a relayer, each for a request or a few. */
const FAULTS: readonly SendFault[] = [
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

interface Outages {
  readonly harness: Harness;
  readonly chaos: ChaosChains;
  readonly random: Random;
  readonly isOver: () => boolean;
  readonly count: (what: string) => void;
  /** Nothing but reorganisations. */
  readonly isCalm: boolean;
}

/** Everything but lies: what is away, is slow, or is lost. Resolves when all of it has ended. */
export async function startOutages({
  harness,
  chaos,
  random,
  isOver,
  count,
  isCalm,
}: Outages): Promise<void> {
  const { databaseControl } = harness.stack;
  const redis = createRedis(harness.config.redisUrl, 'worker');
  /** At least once, then again and again. */
  async function repeatedly(
    fromMs: number,
    toMs: number,
    work: (random: Random) => Promise<void>,
  ): Promise<void> {
    const own = createRandom(random.between(0, 2 ** 31));
    do {
      await sleep(own.between(fromMs, toMs));
      await work(own);
    } while (!isOver());
  }
  const nodes = chaos.chains.flatMap((chain) => chain.nodes);
  const reorganisations = chaos.chains.map((chain) =>
    repeatedly(1_500, 5_000, async (own) => {
      const depth = await chain.mining.reorganise(own.between(1, DEEPEST_REORG), own);
      if (depth > 0) count(`reorganisation of ${depth}`);
    }),
  );
  try {
    if (isCalm) {
      await Promise.all(reorganisations);
      return;
    }
    await Promise.all([
      ...reorganisations,
      ...chaos.relayers.map((relayer) =>
        repeatedly(200, 1_500, (own) => {
          const fault = own.pick(FAULTS);
          relayer.setFault(fault);
          count(`relayer ${relayer.id}: ${fault.kind}`);
          return Promise.resolve();
        }),
      ),
      repeatedly(3_000, 9_000, async () => {
        await redis.flushall();
        count('Redis wiped');
      }),
      repeatedly(5_000, 14_000, async (own) => {
        const { name, nodes: away } = own.pick(chaos.chains);
        for (const node of away) node.cut();
        count(`${name} chain away`);
        await sleep(own.between(500, 3_000));
        for (const node of away) node.restore();
      }),
      repeatedly(8_000, 25_000, async (own) => {
        if (databaseControl === undefined)
          throw new Error('the database was given by DATABASE_URL; it cannot be restarted');
        await databaseControl.kill('SIGKILL');
        count('database killed');
        await sleep(own.between(200, 1_500));
        await databaseControl.restart();
      }),
    ]);
  } finally {
    for (const node of nodes) node.restore();
    redis.disconnect();
  }
}
