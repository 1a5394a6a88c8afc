import { fork, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createTestClient, createWalletClient, defineChain, http, publicActions } from 'viem';
import { generatePrivateKey, privateKeyToAccount, type PrivateKeyAccount } from 'viem/accounts';

import { testTokenAbi } from '../contracts/generated/TestToken.ts';
import { startStack, type Stack } from '../dev/startStack.ts';
import { createPayment } from '../domain/payments/service.ts';
import { executePayment } from '../domain/relay/executePayment.ts';
import { getAuthorizationRequest } from '../domain/relay/getAuthorizationRequest.ts';
import { createStore } from '../domain/stores/service.ts';
import { loadConfig } from '../platform/config.ts';
import type { Context } from '../platform/context.ts';
import { EVENT_SINKS } from '../domain/modules.ts';
import { createContext } from '../platform/createContext.ts';
import { migrate } from '../db/migrate.ts';
import { selectRows } from '../platform/db.ts';
import { PROJECT_ROOT } from '../platform/projectRoot.ts';
import type { Address } from '../shared/hex.ts';
import { parseAmountUnits } from '../shared/money.ts';

/**
 * The second part of `npm run bench`: what a relayer that takes 50 transactions a minute gets done.
 * 1, 100 and 1,000 signed payments wait when the workers start; counted is what is completed in the
 * minute after that, and how many transactions it took. One transaction a payment would make 50.
 */
const WAITING = [1, 100, 1_000] as const;
const TRANSACTIONS_PER_MINUTE = 50;
const MINUTE_MS = 60_000;
const PARALLEL = 16;

const parent = join(PROJECT_ROOT, '.dev', 'bench');
mkdirSync(parent, { recursive: true });
const directory = mkdtempSync(join(parent, 'run-'));
const stack = await startStack({
  directory,
  blockTimeSeconds: 0.5,
  confirmations: 2,
  transactionsPerMinute: TRANSACTIONS_PER_MINUTE,
  onProgress: () => undefined,
});
try {
  console.log(
    `payments completed in the first minute, one relayer with ${TRANSACTIONS_PER_MINUTE} transactions a minute, batches of at most 20\n`,
  );
  for (const waiting of WAITING) await measure(waiting);
} finally {
  await stack.close();
  rmSync(directory, { recursive: true, force: true });
}

async function measure(waiting: number): Promise<void> {
  const databaseUrl = await stack.createDatabase(`relaying_${waiting}`);
  const environment = stack.environment(databaseUrl, {
    NODE_ENV: 'production',
    MSQPAY_PORT: '0',
    MSQPAY_WORKERS_PORT: '0',
    MSQPAY_QUEUE_PREFIX: `{relaying-${waiting}}`,
    MSQPAY_CHECKOUT_URL: 'http://shop.example/checkout/{paymentId}',
    MSQPAY_LOG_LEVEL: 'warn',
  });
  const { ctx, close } = await createContext(loadConfig(environment), {
    name: 'cli',
    eventSinks: EVENT_SINKS,
  });
  let workers: ChildProcess | undefined;
  try {
    await migrate(ctx.db);
    await handOver(ctx, waiting);
    const startedAt = Date.now();
    workers = fork(join(PROJECT_ROOT, 'workers/main.ts'), {
      env: { ...environment, ...stack.relayerKeys },
      execArgv: ['--import', 'tsx'],
    });
    const done = await waitUntilDone(ctx, waiting, startedAt);
    const [sent] = await selectRows<{ count: string }>(
      ctx.db,
      'SELECT COUNT(*) AS count FROM relay_transactions',
    );
    const transactions = Number(sent?.count ?? 0);
    const inMinute = done.completedInMinute;
    console.log(
      `  ${String(waiting).padStart(5)} waiting   ${String(inMinute).padStart(5)} completed in the first minute   ${String(transactions).padStart(3)} transactions` +
        `   ${(inMinute / Math.max(1, transactions)).toFixed(1)} payments each   ` +
        (done.seconds === undefined
          ? 'not all in that minute'
          : `all after ${done.seconds.toFixed(1)} s`),
    );
  } finally {
    if (workers !== undefined) await stop(workers);
    await close();
  }
}

/** Each by a payer of its own, who has approved the gateway. */
async function handOver(ctx: Context, count: number): Promise<void> {
  const token = stack.deployment.tokens[0]?.address;
  if (token === undefined) throw new Error('the stack has no token');
  const store = await createStore(ctx, {
    name: 'Bench',
    payoutAddress: privateKeyToAccount(generatePrivateKey()).address,
  });
  const payers = await fundPayers(stack, token, count);
  await inParallel(payers, async (payer, index) => {
    const payment = await createPayment(ctx, {
      storeId: store.id,
      orderId: `bench-${index}`,
      amount: parseAmountUnits('1500000'),
      token,
      expiresInSeconds: 3_600,
    });
    const request = { storeId: store.id, paymentId: payment.id, payer: payer.address };
    const { typedData } = await getAuthorizationRequest(ctx, request);
    const types = Object.fromEntries(
      Object.entries(typedData.types)
        .filter(([name]) => name !== 'EIP712Domain')
        .map(([name, fields]) => [name, [...fields]]),
    );
    const signature = await payer.signTypedData({ ...typedData, types });
    await executePayment(ctx, { ...request, signature, permit: null });
  });
}

async function fundPayers(
  { chain: { rpcUrl, chainId }, deployment }: Stack,
  token: Address,
  count: number,
): Promise<PrivateKeyAccount[]> {
  const chain = defineChain({
    id: chainId,
    name: 'bench',
    nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
    rpcUrls: { default: { http: [rpcUrl] } },
  });
  const anvil = createTestClient({ mode: 'anvil', chain, transport: http(rpcUrl) }).extend(
    publicActions,
  );
  const payers = Array.from({ length: count }, () => privateKeyToAccount(generatePrivateKey()));
  const fees = { gas: 200_000n, maxFeePerGas: 10n ** 11n, maxPriorityFeePerGas: 10n ** 9n };
  await inParallel(payers, async (account) => {
    await anvil.setBalance({ address: account.address, value: 10n ** 20n });
    const wallet = createWalletClient({ account, chain, transport: http(rpcUrl) });
    const mint = [account.address, 10n ** 18n] as const;
    const approve = [deployment.gateway, 10n ** 18n] as const;
    await wallet.writeContract({
      address: token,
      abi: testTokenAbi,
      functionName: 'mint',
      args: mint,
      nonce: 0,
      ...fees,
    });
    const hash = await wallet.writeContract({
      address: token,
      abi: testTokenAbi,
      functionName: 'approve',
      args: approve,
      nonce: 1,
      ...fees,
    });
    await anvil.waitForTransactionReceipt({ hash, pollingInterval: 200 });
  });
  return payers;
}

async function waitUntilDone(
  ctx: Context,
  waiting: number,
  startedAt: number,
): Promise<{ readonly completedInMinute: number; readonly seconds: number | undefined }> {
  for (;;) {
    const completed = await countCompleted(ctx);
    const elapsedMs = Date.now() - startedAt;
    if (completed === waiting) return { completedInMinute: completed, seconds: elapsedMs / 1000 };
    if (elapsedMs >= MINUTE_MS) return { completedInMinute: completed, seconds: undefined };
    await sleep(Math.min(100, MINUTE_MS - elapsedMs));
  }
}

async function countCompleted(ctx: Context): Promise<number> {
  const [row] = await selectRows<{ count: string }>(
    ctx.db,
    "SELECT COUNT(*) AS count FROM payments WHERE status = 'completed'",
  );
  return Number(row?.count ?? 0);
}

async function stop(child: ChildProcess): Promise<void> {
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await exited;
}

async function inParallel<T>(
  items: readonly T[],
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  const entries = items.entries();
  await Promise.all(
    Array.from({ length: PARALLEL }, async () => {
      for (const [index, item] of entries) await work(item, index);
    }),
  );
}
