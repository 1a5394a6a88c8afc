import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

import { PROJECT_ROOT } from '../platform/projectRoot.ts';
import { startProcess, type ManagedProcess } from './childProcess.ts';
import { DEV_KEYS } from './devKeys.ts';
import { findFreePort } from './freePort.ts';
import { makeDemoPayments } from './makeDemoPayments.ts';
import { provisionDatabase } from './provisionDatabase.ts';
import { DEV_ADMIN_USER, startStack, type Stack } from './startStack.ts';

/**
 * `npm start`: everything on this machine. Brings up the stack, migrates, seeds a demo store,
 * starts api, workers and the demo shop as processes of their own, makes one direct and one gasless
 * payment, and stays up. `--once` ends after the payments: 0 when both were completed and their
 * webhooks verified, 1 otherwise.
 */
const { values } = parseArgs({ options: { once: { type: 'boolean', default: false } } });

const DIRECTORY = join(PROJECT_ROOT, '.dev', 'start');
const DATABASE = 'msqpay';
const CUSTOMER_KEY = DEV_KEYS.customer;
const startedAt = Date.now();

function step(message: string): void {
  console.log(`[${((Date.now() - startedAt) / 1000).toFixed(1).padStart(5)} s] ${message}`);
}

const processes: ManagedProcess[] = [];
let stack: Stack | undefined;
let isStopping = false;

async function stopAll(): Promise<void> {
  if (isStopping) return;
  isStopping = true;
  // The server's own processes first, while what they depend on is still there.
  await Promise.allSettled(processes.map((process) => process.stop()));
  await stack?.close();
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (isStopping) return;
    console.log('\nstopping …');
    void stopAll().then(
      () => process.exit(values.once ? 130 : 0),
      (error: unknown) => {
        console.error(error);
        process.exit(1);
      },
    );
  });
}

try {
  await run();
} catch (error) {
  if (!isStopping) {
    console.error(`\nstart failed: ${error instanceof Error ? error.message : String(error)}`);
    await stopAll();
    process.exit(1);
  }
}

async function run(): Promise<void> {
  step('bringing up database, Redis, chain and relayer');
  stack = await startStack({
    directory: DIRECTORY,
    blockTimeSeconds: 1,
    confirmations: 2,
    transactionsPerMinute: 50,
    onProgress: step,
  });
  const databaseUrl = await stack.createDatabase(DATABASE);
  const apiPort = await findFreePort(3000);
  const workersPort = await findFreePort(3001);
  const shopPort = await findFreePort(4000);
  const shopUrl = `http://127.0.0.1:${shopPort}`;
  const apiUrl = `http://127.0.0.1:${apiPort}`;
  const environment = stack.environment(databaseUrl, {
    MSQPAY_PORT: String(apiPort),
    MSQPAY_WORKERS_PORT: String(workersPort),
    MSQPAY_CHECKOUT_URL: `${shopUrl}/checkout/{paymentId}`,
    MSQPAY_WEBHOOK_SCHEDULE_SECONDS: '0,1,5,30,300,1800,7200,18000,36000,86400',
  });

  const { apiKey } = await provisionDatabase(
    { ...environment, MSQPAY_LOG_LEVEL: 'warn' },
    join(DIRECTORY, 'store.json'),
  );
  step('database migrated, demo store ready');

  await Promise.all([
    startOwnProcess('api', ['api/main.ts'], environment, `${apiUrl}/healthz`).then(() =>
      step(`api at ${apiUrl}`),
    ),
    startOwnProcess(
      'workers',
      ['workers/main.ts'],
      { ...environment, ...stack.relayerKeys },
      `http://127.0.0.1:${workersPort}/healthz`,
    ).then(() => step('workers are running')),
  ]);
  await startOwnProcess(
    'demo shop',
    ['demo/shop/main.ts'],
    {
      ...process.env,
      SHOP_PORT: String(shopPort),
      SHOP_API_URL: `${apiUrl}/api/v1`,
      SHOP_API_KEY: apiKey,
      SHOP_STATE_PATH: join(DIRECTORY, 'shop.json'),
      SHOP_DEMO_CUSTOMER_KEY: CUSTOMER_KEY,
      SHOP_RPC_URL: stack.chain.rpcUrl,
    },
    `${shopUrl}/healthz`,
  );
  step(`demo shop at ${shopUrl}, its webhook endpoint is registered`);

  await makeDemoPayments({
    apiUrl: `${apiUrl}/api/v1`,
    apiKey,
    shopUrl,
    rpcUrl: stack.chain.rpcUrl,
    onStep: step,
  });
  step('both payments completed, their webhooks verified by the shop');

  if (values.once) {
    await stopAll();
    return;
  }
  console.log(`
  API             ${apiUrl}/api/v1
  API docs        ${apiUrl}/api/v1/docs
  Bull Board      ${apiUrl}/admin/queues   (user ${DEV_ADMIN_USER}, password ${stack.secrets.adminPassword})
  Demo shop       ${shopUrl}
  Chain           ${stack.chain.rpcUrl}   (id ${stack.chain.chainId})
  API key         ${apiKey}
  Logs and data   ${join('.dev', 'start')}

  Ctrl-C stops everything.
`);
  await watchProcesses();
}

async function startOwnProcess(
  name: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  healthUrl: string,
): Promise<void> {
  const started = await startProcess({
    name: `the ${name}`,
    command: process.execPath,
    args: ['--enable-source-maps', '--import', 'tsx', ...args],
    cwd: PROJECT_ROOT,
    env,
    logPath: join(DIRECTORY, 'logs', `${name.replace(' ', '-')}.log`),
    pidPath: join(DIRECTORY, `${name.replace(' ', '-')}.pid`),
    readyTimeoutMs: 60_000,
    isReady: async () => (await fetch(healthUrl)).ok,
  });
  processes.push(started);
}

/** A process that ends by itself is a failure to be told, not to be hidden by a restart. */
async function watchProcesses(): Promise<void> {
  const { name, exit } = await Promise.race(
    processes.map(async (process) => ({ name: process.name, exit: await process.exited })),
  );
  // Ctrl-C reaches the children too; then they end because we do.
  await sleep(200);
  if (isStopping) return;
  throw new Error(
    `${name} ended by itself (${exit.signal ?? `code ${String(exit.code)}`}); see ${join('.dev', 'start', 'logs')}`,
  );
}
