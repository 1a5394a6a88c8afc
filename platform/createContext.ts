import { createChain } from '../adapters/chain/createChain.ts';
import { createDefenderRelayer } from '../adapters/relayers/defender/createDefenderRelayer.ts';
import { createLocalRelayer } from '../adapters/relayers/local/createLocalRelayer.ts';
import { createOzRelayer } from '../adapters/relayers/ozRelayer/createOzRelayer.ts';
import { createWebhookSender } from '../adapters/webhookHttp/createWebhookSender.ts';
import type { ChainPort } from '../domain/chain/ports.ts';
import type { EventSink } from '../domain/events/ports.ts';
import type { RelayerPort } from '../domain/relayers/ports.ts';
import type { Clock } from '../shared/clock.ts';
import { newId } from '../shared/ids.ts';
import { randomBytes } from '../shared/randomBytes.ts';
import { assertLockOrder } from './assertLockOrder.ts';
import type { ChainConfig, Config } from './config.ts';
import type { Context } from './context.ts';
import { createDatabaseClock, type DatabaseClock } from './databaseClock.ts';
import { createDatabase, type Database } from './db.ts';
import { createLogger, type Logger } from './logger.ts';
import { createRedis } from './redis.ts';
import type { RelayerKeys, RelayerWithKeys } from './relayerKeys.ts';
import { createSecretBox } from './secretBox.ts';
import { createSignals } from './signals.ts';

export interface ContextOptions {
  readonly name: 'api' | 'workers' | 'cli' | 'test';
  /** All that there are: `EVENT_SINKS`. An event is told to those alone. */
  readonly eventSinks: readonly EventSink[];
  /**
   * Without them there are no relayers in the context: only workers have something to ask of one.
   */
  readonly relayerKeys?: RelayerKeys;
  readonly log?: Logger;
}

/** One that is away is tried again every few seconds. */
const TELL_OF_SENTINEL_MS = 60_000;

/** The one place that knows which adapter stands behind which port. */
export async function createContext(
  config: Config,
  options: ContextOptions,
): Promise<{ ctx: Context; close: () => Promise<void> }> {
  const log = options.log ?? createLogger(config, options.name);
  // Nothing is opened yet that would have to be closed again.
  const db = createDatabase(config.databaseUrl, config.databasePool, log);
  if (config.environment === 'test') assertLockOrder(db);
  const clock = createDatabaseClock(db, log);
  const chains = new Map<number, ChainPort>();
  const relayers = new Map<string, RelayerPort>();
  for (const chain of config.chains) {
    chains.set(chain.chainId, createChain({ chain, clock, log }));
  }
  await compareAtStart(clock, log);
  clock.start();
  const redis = createRedis(config.redisUrl, 'command');
  let redisWasDown = false;
  let isClosing = false;
  redis.on('error', (error: Error) => {
    // That we hang up ourselves, before it was connected perhaps, says nothing of Redis.
    if (isClosing) return;
    if (!redisWasDown) log.warn({ err: error }, 'Redis does not answer');
    redisWasDown = true;
  });
  redis.on('ready', () => {
    if (redisWasDown) log.info('Redis answers again');
    redisWasDown = false;
  });
  let toldOfSentinelAt = -Infinity;
  redis.on('sentinelError', (error: Error) => {
    if (performance.now() - toldOfSentinelAt < TELL_OF_SENTINEL_MS) return;
    toldOfSentinelAt = performance.now();
    log.warn({ err: error }, 'a sentinel does not answer');
  });
  const signals = createSignals({
    redis,
    subscribe: () => createRedis(config.redisUrl, 'subscriber'),
    prefix: config.queuePrefix,
    log,
  });

  for (const chain of config.chains) {
    for (const { id } of chain.relayers) {
      const relayer = options.relayerKeys?.get(id);
      if (relayer !== undefined)
        relayers.set(id, createRelayer({ chain, relayer, config, db, clock, log }));
    }
  }

  const webhookSender = createWebhookSender({
    allowPrivateNetworks: config.webhooks.allowPrivateNetworks,
    clock,
  });

  const ctx: Context = {
    config,
    db,
    redis,
    log,
    clock,
    readClockAheadMs: clock.readAheadMs,
    whenClockCompared: clock.whenCompared,
    newId: (prefix) => newId(prefix, clock.now()),
    randomBytes,
    random: Math.random,
    secretBox: createSecretBox(config.encryptionKey),
    signals,
    chains,
    relayers,
    webhookSender,
    eventSinks: options.eventSinks,
    requestId: null,
  };
  return {
    ctx,
    async close() {
      isClosing = true;
      clock.stop();
      await signals.close();
      await webhookSender.close();
      redis.disconnect();
      await db.destroy();
    },
  };
}

/**
 * A process starts without its database too: who dates anything waits for the first comparison
 * (`whenClockCompared`).
 */
const COMPARE_AT_START_MS = 2_000;

async function compareAtStart(clock: DatabaseClock, log: Logger): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, COMPARE_AT_START_MS);
  });
  const compared = clock
    .compare()
    .catch((error: unknown) =>
      log.warn(
        { err: error },
        'the database does not answer: this machine’s clock could not be compared with its',
      ),
    );
  await Promise.race([compared, patience]);
  clearTimeout(timer);
}

function createRelayer(options: {
  readonly chain: ChainConfig;
  readonly relayer: RelayerWithKeys;
  readonly config: Config;
  readonly db: Database;
  readonly clock: Clock;
  readonly log: Logger;
}): RelayerPort {
  const { chain, relayer, config, db, clock, log } = options;
  const { timeoutMs } = config.relay;
  switch (relayer.provider) {
    case 'defender':
      return createDefenderRelayer({ relayer, timeoutMs, clock, log });
    case 'ozRelayer':
      return createOzRelayer({ relayer, timeoutMs, clock, log });
    case 'local':
      return createLocalRelayer({ relayer, chain, timeoutMs, db, clock, log });
  }
}
