import { randomBytes } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { buildContracts } from '../contracts/build.ts';
import type { Deployment } from '../contracts/deploy.ts';
import { parseDatabaseUrl } from '../platform/databaseUrl.ts';
import { connectionOptions } from '../platform/db.ts';
import { parseRedisUrl } from '../platform/redisUrl.ts';
import { startChain, type Chain } from './chain.ts';
import { startDatabase } from './database/startDatabase.ts';
import { DEV_CHAIN_ID, deployOnce, describeChains } from './deployOnce.ts';
import {
  startDefenderSimulator,
  type DefenderSimulator,
} from '../simulators/defender/startDefenderSimulator.ts';
import { DEV_KEYS } from './devKeys.ts';
import { startRedis } from './redis.ts';
import type { SharedStack } from './sharedStack.ts';
import { writeAtomically } from './writeAtomically.ts';

/**
 * A server that we started ourselves can be killed and brought back; one that was given to us
 * cannot.
 */
export interface EngineControl {
  kill(signal?: NodeJS.Signals): Promise<void>;
  restart(): Promise<void>;
}

export interface Stack {
  /** Creates a database of that name unless it is there. @returns its url */
  createDatabase(name: string): Promise<string>;
  readonly redisUrl: string;
  readonly chain: Chain;
  readonly simulator: DefenderSimulator;
  readonly deployment: Deployment;
  readonly secrets: StackSecrets;
  readonly databaseControl: EngineControl | undefined;
  readonly redisControl: EngineControl | undefined;
  /**
   * What the server's processes read from their environment, but for what is to be different for
   * each of them.
   * @param databaseUrl of createDatabase
   */
  environment(databaseUrl: string, overrides?: Readonly<Record<string, string>>): NodeJS.ProcessEnv;
  /** What the workers alone read besides. */
  readonly relayerKeys: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/** Made once and kept with the stack's data. */
export interface StackSecrets {
  readonly encryptionKey: string;
  readonly adminPassword: string;
  readonly defenderApiKey: string;
  readonly defenderApiSecret: string;
}

export interface StackOptions {
  /** Where everything is kept; the same folder brings the same stack back. */
  readonly directory: string;
  /** Seconds between blocks, fractions allowed. */
  readonly blockTimeSeconds: number;
  readonly confirmations: number;
  readonly transactionsPerMinute: number;
  readonly maxInFlight?: number;
  /** Nobody wants its data once the machine was switched off: the database waits for no disk. */
  readonly isDisposable?: boolean;
  /**
   * Its database server and Redis are used, and its chain is copied: nothing of it can be killed,
   * and what this stack made there is removed when it is closed.
   */
  readonly shared?: SharedStack;
  readonly onProgress: (message: string) => void;
}

export const DEV_ADMIN_USER = 'admin';

/**
 * Brings up everything that the server needs and cannot bring itself: a database, Redis, a chain
 * with the contracts on it, and a relayer that speaks Defender's protocol. DATABASE_URL and
 * REDIS_URL are used when given; the database's user must then be allowed to create databases.
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  const { directory, onProgress } = options;
  mkdirSync(directory, { recursive: true });
  const path = (...names: string[]) => join(directory, ...names);
  const secrets = keepJson(path('secrets.json'), makeSecrets);
  const { shared } = options;
  if (shared !== undefined) {
    mkdirSync(path('chain'), { recursive: true });
    copyFileSync(shared.chainStatePath, path('chain', 'state.json'));
    copyFileSync(shared.deploymentPath, path('deployment.json'));
  }

  // What was started must not outlive a failure of what comes after it.
  const closers: (() => Promise<void>)[] = [];
  const closeAll = async () => {
    for (const close of closers.splice(0).reverse()) await close();
  };
  try {
    const [database, redis, chain] = await Promise.all([
      openDatabase(path('database'), path('logs', 'database.log'), options).then((opened) =>
        keepCloser(opened, closers),
      ),
      openRedis(path('redis'), path('logs', 'redis.log'), options).then((opened) =>
        keepCloser(opened, closers),
      ),
      startChain({
        chainId: DEV_CHAIN_ID,
        blockTimeSeconds: options.blockTimeSeconds,
        statePath: path('chain', 'state.json'),
        logPath: path('logs', 'chain.log'),
      }).then((opened) => keepCloser(opened, closers)),
      buildContracts().then((build) => {
        if (build.status === 'compiled')
          onProgress(`contracts compiled (${build.files.length} files)`);
      }),
    ]);
    onProgress(`chain ${DEV_CHAIN_ID} at ${chain.rpcUrl}`);

    const deployment = await deployOnce(chain.rpcUrl, path('deployment.json'), onProgress);
    const simulator = await startDefenderSimulator({
      rpcUrl: chain.rpcUrl,
      chainId: DEV_CHAIN_ID,
      privateKey: DEV_KEYS.relayer,
      apiKey: secrets.defenderApiKey,
      apiSecret: secrets.defenderApiSecret,
      statePath: path('simulator', 'transactions.jsonl'),
      logPath: path('logs', 'simulator.log'),
      pollMs: Math.max(100, options.blockTimeSeconds * 500),
    });
    closers.push(() => simulator.close());
    onProgress(`Defender-compatible relayer at ${simulator.url}, its account ${simulator.address}`);

    const chainsFile = path('chains.json');
    writeFileSync(
      chainsFile,
      JSON.stringify(describeChains({ rpcUrl: chain.rpcUrl, deployment, ...options }), null, 2),
    );

    return {
      createDatabase: database.createDatabase,
      redisUrl: redis.url,
      chain,
      simulator,
      deployment,
      secrets,
      databaseControl: database.control,
      redisControl: redis.control,
      relayerKeys: {
        DEFENDER_API_URL: simulator.url,
        DEFENDER_API_KEY: secrets.defenderApiKey,
        DEFENDER_API_SECRET: secrets.defenderApiSecret,
      },
      environment: (databaseUrl, overrides = {}) => ({
        ...inheritedEnvironment(),
        DATABASE_URL: databaseUrl,
        REDIS_URL: redis.url,
        MSQPAY_CHAINS_FILE: chainsFile,
        MSQPAY_ENCRYPTION_KEY: secrets.encryptionKey,
        MSQPAY_ADMIN_USER: DEV_ADMIN_USER,
        MSQPAY_ADMIN_PASSWORD: secrets.adminPassword,
        MSQPAY_WEBHOOK_ALLOW_PRIVATE_NETWORKS: 'true',
        ...overrides,
      }),
      close: closeAll,
    };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

function keepCloser<T extends { close(): Promise<void> }>(
  opened: T,
  closers: (() => Promise<void>)[],
): T {
  closers.push(() => opened.close());
  return opened;
}

/**
 * Our own variables are set here; a stray one of the shell's would make the configuration refuse to
 * start.
 */
function inheritedEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('MSQPAY_')),
  );
}

function makeSecrets(): StackSecrets {
  return {
    encryptionKey: randomBytes(32).toString('base64'),
    adminPassword: randomBytes(12).toString('base64url'),
    defenderApiKey: randomBytes(16).toString('hex'),
    defenderApiSecret: randomBytes(24).toString('hex'),
  };
}

interface OpenedDatabase {
  createDatabase(name: string): Promise<string>;
  readonly control: EngineControl | undefined;
  close(): Promise<void>;
}

async function openDatabase(
  dataDir: string,
  logPath: string,
  options: StackOptions,
): Promise<OpenedDatabase> {
  const { onProgress, isDisposable = false, shared } = options;
  if (shared !== undefined) return openSharedDatabase(shared.databaseUrl);
  const given = process.env['DATABASE_URL'];
  if (given === undefined || given === '') {
    const server = await startDatabase({ dataDir, logPath, onProgress, isDisposable });
    onProgress(`database (${server.description}) on port ${server.port}`);
    return {
      createDatabase: (name) => server.createDatabase(name),
      control: server,
      close: () => server.close(),
    };
  }
  onProgress(`database: the one given in DATABASE_URL (${parseDatabaseUrl(given).host})`);
  return {
    createDatabase: (name) => createDatabaseOn(given, name),
    control: undefined,
    close: () => Promise.resolve(),
  };
}

/** Others use the server too, for as long as it runs: nothing is left there. */
function openSharedDatabase(serverUrl: string): OpenedDatabase {
  const created = new Set<string>();
  return {
    createDatabase(name) {
      created.add(name);
      return createDatabaseOn(serverUrl, name);
    },
    control: undefined,
    async close() {
      for (const name of created) await executeOn(serverUrl, 'DROP DATABASE IF EXISTS ??', [name]);
    },
  };
}

async function executeOn(serverUrl: string, sql: string, values: string[]): Promise<void> {
  const { createConnection } = await import('mysql2/promise');
  const connection = await createConnection(connectionOptions(serverUrl));
  try {
    await connection.query(sql, values);
  } finally {
    await connection.end();
  }
}

async function createDatabaseOn(serverUrl: string, name: string): Promise<string> {
  await executeOn(serverUrl, 'CREATE DATABASE IF NOT EXISTS ?? CHARACTER SET utf8mb4', [name]);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return url.href;
}

async function openRedis(dataDir: string, logPath: string, { onProgress, shared }: StackOptions) {
  const given = shared?.redisUrl ?? process.env['REDIS_URL'];
  if (given === undefined || given === '') {
    const server = await startRedis({ dataDir, logPath, onProgress });
    onProgress(`Redis on port ${server.port}`);
    return {
      url: server.url,
      control: server as EngineControl | undefined,
      close: () => server.close(),
    };
  }
  onProgress(`Redis: the one given in REDIS_URL (${hostsOf(given)})`);
  return { url: given, control: undefined, close: () => Promise.resolve() };
}

function hostsOf(redisUrl: string): string {
  const address = parseRedisUrl(redisUrl);
  const nodes =
    address.kind === 'single'
      ? [address.node]
      : address.kind === 'sentinel'
        ? address.sentinels
        : address.nodes;
  return nodes.map(({ host }) => host).join(', ');
}

/** The file's content, or what `make` makes, which is then kept. */
function keepJson<T>(path: string, make: () => T): T {
  if (existsSync(path)) return JSON.parse(readFileSync(path, 'utf8')) as T;
  const made = make();
  writeAtomically(path, JSON.stringify(made, null, 2));
  return made;
}
