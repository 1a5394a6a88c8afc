import { copyFileSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { startChain } from './chain.ts';
import { claimDirectory, DirectoryInUseError } from './childProcess.ts';
import { startDatabase } from './database/startDatabase.ts';
import { DEV_CHAIN_ID, deployOnce } from './deployOnce.ts';
import { startRedis } from './redis.ts';
import { SHARED_STACK_DIRECTORY, stopSharedStack, writeSharedStack } from './sharedStack.ts';

/**
 * `npm run stack`: a database server, Redis, and a chain with the contracts on it, kept for runs of
 * named test files until Ctrl-C or `npm run stack -- --stop`.
 *
 * Each run makes databases of its own there, and queues with a prefix of its own. The chain is kept
 * as a file that each run starts a node and a relayer from, in a quarter of a second: tests move
 * time, mine and reorganise, which must not reach each other.
 */
const { values } = parseArgs({ options: { stop: { type: 'boolean', default: false } } });
const path = (...names: string[]) => join(SHARED_STACK_DIRECTORY, ...names);
const closers: (() => Promise<void>)[] = [];

if (values.stop) {
  const wasThere = await stopSharedStack(SHARED_STACK_DIRECTORY);
  console.log(wasThere ? 'The test stack has ended.' : 'No test stack is running.');
} else {
  try {
    await keep();
  } catch (error) {
    await closeAll();
    if (!(error instanceof DirectoryInUseError)) throw error;
    console.error(`A test stack runs already: process ${error.ownerPid}`);
    process.exit(1);
  }
}

async function keep(): Promise<void> {
  const claim = claimDirectory(SHARED_STACK_DIRECTORY);
  closers.push(() => Promise.resolve(claim.release()));
  const stopping = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => resolve());
  });
  mkdirSync(path('logs'), { recursive: true });
  // Nothing of an earlier one is wanted: its databases are of tests that are over, and its schema
  // may be another server's.
  for (const name of ['state.json', 'redis', 'chain', 'schema'])
    rmSync(path(name), { recursive: true, force: true });
  const [database, redis] = await Promise.all([
    startDatabase({
      dataDir: path('database'),
      logPath: path('logs', 'database.log'),
      isDisposable: true,
    }).then(keepCloser),
    startRedis({ dataDir: path('redis'), logPath: path('logs', 'redis.log') }).then(keepCloser),
    deployToFile(),
  ]);
  writeSharedStack(SHARED_STACK_DIRECTORY, {
    pid: process.pid,
    databaseUrl: database.url,
    redisUrl: redis.url,
    chainStatePath: path('chain', 'deployed.json'),
    deploymentPath: path('chain', 'deployment.json'),
  });
  console.log(`The test stack runs: ${database.description}, Redis, the contracts of the chain.`);
  console.log('`npm test -- test/api/cancelPayment.test.ts` uses it; Ctrl-C ends it.');
  await stopping;
  rmSync(path('state.json'), { force: true });
  await closeAll();
}

/** The state is written when the node ends. */
async function deployToFile(): Promise<void> {
  const chain = await startChain({
    chainId: DEV_CHAIN_ID,
    blockTimeSeconds: 0.25,
    statePath: path('chain', 'state.json'),
    logPath: path('logs', 'chain.log'),
  });
  try {
    await deployOnce(chain.rpcUrl, path('chain', 'deployment.json'), console.log);
  } finally {
    await chain.close();
  }
  copyFileSync(path('chain', 'state.json'), path('chain', 'deployed.json'));
}

function keepCloser<T extends { close(): Promise<void> }>(server: T): T {
  closers.push(() => server.close());
  return server;
}

async function closeAll(): Promise<void> {
  for (const close of closers.splice(0).reverse()) await close();
}
