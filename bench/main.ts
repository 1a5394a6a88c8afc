import { fork, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { findFreePort } from '../dev/freePort.ts';
import { startStack } from '../dev/startStack.ts';
import { createStore, issueApiKey } from '../domain/stores/service.ts';
import { loadConfig } from '../platform/config.ts';
import { EVENT_SINKS } from '../domain/modules.ts';
import { createContext } from '../platform/createContext.ts';
import { migrate } from '../db/migrate.ts';
import { PROJECT_ROOT } from '../platform/projectRoot.ts';
import { measureApplying, type Applying } from './measureApplying.ts';
import { measureCompletions } from './measureCompletions.ts';
import { measureRequests, type RequestMeasurement } from './measureRequests.ts';

/**
 * `npm run bench`: what one API process does at 32 connections, each figure beside its floor from
 * the same run, and how many payments a second go from creation to completion. Absolute figures are
 * the machine's; the ratios are what to compare.
 */
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '5' },
    payments: { type: 'string', default: '300' },
    applied: { type: 'string', default: '20000' },
    only: { type: 'string' },
  },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
const CONNECTIONS = 32;
const POOL = 16;
/** As in the Dockerfile. */
const SERVER_FLAGS = ['--max-semi-space-size=32'];
const STATUS_PAYMENTS = 100;

const parent = join(PROJECT_ROOT, '.dev', 'bench');
mkdirSync(parent, { recursive: true });
const directory = mkdtempSync(join(parent, 'run-'));
const children: ChildProcess[] = [];
const stack = await startStack({
  directory,
  blockTimeSeconds: 0.5,
  confirmations: 2,
  transactionsPerMinute: 1_000_000,
  maxInFlight: 1_000,
  onProgress: () => undefined,
});

try {
  if (values.only !== 'applying') await run();
  await runApplying();
} finally {
  for (const child of children) child.kill('SIGKILL');
  await stack.close();
  rmSync(directory, { recursive: true, force: true });
}

async function run(): Promise<void> {
  const databaseUrl = await stack.createDatabase('bench');
  const apiPort = await findFreePort();
  const environment = stack.environment(databaseUrl, {
    NODE_ENV: 'production',
    MSQPAY_PORT: String(apiPort),
    MSQPAY_WORKERS_PORT: '0',
    MSQPAY_CHECKOUT_URL: 'http://shop.example/checkout/{paymentId}',
    MSQPAY_RATE_LIMIT_PER_MINUTE: '100000000',
    MSQPAY_DATABASE_POOL: String(POOL),
    MSQPAY_LOG_LEVEL: 'warn',
  });
  const { ctx, close } = await createContext(loadConfig(environment), {
    name: 'cli',
    eventSinks: EVENT_SINKS,
  });
  await migrate(ctx.db);
  const store = await createStore(ctx, { name: 'Bench', payoutAddress: stack.simulator.address });
  const { key: apiKey } = await issueApiKey(ctx, {
    storeId: store.id,
    role: 'store',
    environment: 'test',
  });
  await close();

  const floorUrl = await startFloor({
    DATABASE_URL: databaseUrl,
    REDIS_URL: stack.redisUrl,
    FLOOR_POOL: String(POOL),
  });
  startNode('api/main.ts', environment);
  const apiUrl = `http://127.0.0.1:${apiPort}/api/v1`;
  await waitForHealth(`${apiUrl}/healthz`);

  const token = stack.deployment.tokens[0]?.address ?? '';
  const body = JSON.stringify({ orderId: 'bench-order', amount: '1500000', token });
  const headers = { 'x-api-key': apiKey, 'content-type': 'application/json' };
  // Not one payment asked for over and over: as many as a checkout page or two would wait for.
  const statusPaths: string[] = [];
  for (let index = 0; index < STATUS_PAYMENTS; index++) {
    const created = (await (
      await fetch(`${apiUrl}/payments`, { method: 'POST', headers, body })
    ).json()) as { paymentId: string };
    statusPaths.push(`/api/v1/payments/${created.paymentId}/status`);
  }

  const pairs = [
    {
      name: 'POST /payments',
      floorName: 'bare node:http + one durable insert',
      floor: {
        url: floorUrl,
        method: 'POST' as const,
        headers: { 'content-type': 'application/json' },
        body,
      },
      api: { url: `${apiUrl}/payments`, method: 'POST' as const, headers, body },
    },
    {
      name: 'GET /payments/{id}/status',
      floorName: 'bare node:http + one Redis GET',
      // The same paths, so that the load generator has the same work with both.
      floor: { url: floorUrl, method: 'GET' as const, headers, paths: statusPaths },
      api: { url: apiUrl, method: 'GET' as const, headers, paths: statusPaths },
    },
  ];
  console.log(
    `${CONNECTIONS} connections, ${rounds} rounds of ${seconds} s each, one API process, pool of ${POOL}; medians over the rounds\n`,
  );
  for (const pair of pairs) {
    const floors: RequestMeasurement[] = [];
    const apis: RequestMeasurement[] = [];
    // Warm both up, then in turn: a machine that gets slower gets slower for both.
    await measureRequests(pair.floor, CONNECTIONS, 2);
    await measureRequests(pair.api, CONNECTIONS, 3);
    for (let round = 0; round < rounds; round++) {
      floors.push(await measureRequests(pair.floor, CONNECTIONS, seconds));
      apis.push(await measureRequests(pair.api, CONNECTIONS, seconds));
    }
    const ratios = apis.map(
      (api, index) => api.perSecond / (floors[index]?.perSecond ?? Number.NaN),
    );
    printRow(pair.floorName, floors);
    printRow(pair.name, apis);
    console.log(
      `  ${'ratio'.padEnd(38)} ${median(ratios).toFixed(2)}  (${ratios.map((ratio) => ratio.toFixed(2)).join(', ')})\n`,
    );
  }

  startNode('workers/main.ts', { ...environment, ...stack.relayerKeys });
  const count = Number(values.payments);
  const completions = await measureCompletions({ apiUrl, apiKey, stack, token, count });
  console.log(
    `payments completed end to end: ${completions.perSecond.toFixed(1)}/s (${count} direct payments created, paid, confirmed by ` +
      `2 blocks of 0.5 s and told by ${completions.webhooks} webhooks in ${completions.seconds.toFixed(1)} s)`,
  );
}

/** What the scanner does with many payments at once: each round in a database of its own. */
async function runApplying(): Promise<void> {
  const count = Number(values.applied);
  const measured: Applying[] = [];
  for (let round = 0; round < rounds; round++) {
    const environment = stack.environment(await stack.createDatabase(`applying_${round}`), {
      NODE_ENV: 'production',
      MSQPAY_CHECKOUT_URL: 'http://shop.example/checkout/{paymentId}',
      MSQPAY_LOG_LEVEL: 'warn',
    });
    measured.push(await measureApplying(loadConfig(environment), stack.simulator.address, count));
  }
  const of = (pick: (one: Applying) => number) => median(measured.map(pick)).toFixed(0).padStart(6);
  const ratios = measured.map(({ applied, inserted }) => applied / inserted);
  console.log(
    `\n${count} payments whose logs come at once, an endpoint that is told; medians over ${rounds} rounds\n`,
  );
  console.log(
    `  ${'the same rows by bare inserts'.padEnd(38)} ${of(({ inserted }) => inserted)}/s`,
  );
  console.log(`  ${'payments found and applied'.padEnd(38)} ${of(({ applied }) => applied)}/s`);
  console.log(`  ${'payments completed'.padEnd(38)} ${of(({ completed }) => completed)}/s`);
  console.log(
    `  ${'ratio of found to inserted'.padEnd(38)} ${median(ratios).toFixed(2)}  (${ratios.map((ratio) => ratio.toFixed(2)).join(', ')})`,
  );
}

function printRow(name: string, measurements: readonly RequestMeasurement[]): void {
  const of = (pick: (measurement: RequestMeasurement) => number) => median(measurements.map(pick));
  const perSecond = of((measurement) => measurement.perSecond).toFixed(0);
  console.log(
    `  ${name.padEnd(38)} ${perSecond.padStart(6)}/s   p50 ${of((m) => m.p50Ms).toFixed(1)} ms   p99 ${of((m) => m.p99Ms).toFixed(1)} ms`,
  );
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function startNode(program: string, env: NodeJS.ProcessEnv): ChildProcess {
  const child = fork(join(PROJECT_ROOT, program), {
    env,
    execArgv: ['--import', 'tsx', ...SERVER_FLAGS],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  children.push(child);
  return child;
}

function startFloor(env: NodeJS.ProcessEnv): Promise<string> {
  const child = startNode('bench/floor.ts', { ...process.env, ...env });
  return new Promise((resolve, reject) => {
    child.once('message', (message) => resolve((message as { url: string }).url));
    child.once('exit', (code) => reject(new Error(`the floor server ended with ${String(code)}`)));
  });
}

async function waitForHealth(url: string): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    // Refused while it is starting.
    const answer = await fetch(url).catch(() => undefined);
    if (answer?.ok === true) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${url} did not answer in time`);
}
