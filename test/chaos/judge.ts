import { setTimeout as sleep } from 'node:timers/promises';

import { paymentGatewayAbi } from '../../contracts/generated/PaymentGateway.ts';
import { selectRows } from '../../platform/db.ts';
import type { Harness, TestStore } from '../support/harness.ts';
import type { StoreServer } from '../support/storeServer.ts';
import type { PromiseWatch } from '../support/watchPromises.ts';
import type { PlannedPayment } from './runChaos.ts';

/** What is true in the end. `breaches` is empty, or the server has broken a promise. */
export interface ChaosReport {
  readonly seed: number;
  /** By way of paying. */
  readonly payments: Readonly<Record<string, number>>;
  readonly statuses: Readonly<Record<string, number>>;
  /** Transfers that the gateway made, by how many a payment has. */
  readonly transfersPerPayment: Readonly<Record<string, number>>;
  /** Histories, by how many payments have them. */
  readonly histories: Readonly<Record<string, number>>;
  readonly attempts: Readonly<Record<string, number>>;
  /** Handed over, by relayer. */
  readonly relayTransactions: Readonly<Record<string, number>>;
  /** Payments for each transaction that was handed over. */
  readonly averageBatch: number;
  readonly attemptsSentAgain: number;
  readonly webhooks: { readonly received: number; readonly distinct: number };
  readonly misfortunes: Readonly<Record<string, number>>;
  readonly secondsToEnd: number;
  readonly breaches: readonly string[];
}

interface Input {
  readonly harness: Harness;
  readonly store: TestStore;
  readonly storeServer: StoreServer;
  readonly promises: PromiseWatch;
  readonly payments: readonly PlannedPayment[];
  readonly amount: bigint;
  readonly seed: number;
  readonly counts: ReadonlyMap<string, number>;
  readonly settleMs: number;
}

interface PaymentRow {
  readonly id: string;
  readonly status: string;
  readonly late: number;
  readonly relay_attempt_id: string | null;
}

/** Every event that a payment may have met on the way to its completion; `payment.completed` once, and last. */
const COMPLETED_HISTORY = /^created(,processing(,reorged)?)+,completed$/;
/** Of one whose customer moved the tokens away. */
const UNPAID_HISTORY = /^created(,processing(,reorged)?)*,relay_failed$/;

export async function judge(input: Input): Promise<ChaosReport> {
  const startedAt = Date.now();
  const stuck = await waitForEnd(input);
  const secondsToEnd = Math.round((Date.now() - startedAt) / 1000);
  const { harness, store, payments, storeServer } = input;
  const { ctx } = harness;
  const breaches: string[] = stuck.map((what) => `stuck: ${what}`);
  breaches.push(...(await input.promises.stop()));

  const rows = await selectRows<PaymentRow>(ctx.db, 'SELECT id, status, late, relay_attempt_id FROM payments WHERE store_id = ?', [
    store.storeId,
  ]);
  if (rows.length !== payments.length) breaches.push(`${payments.length} payments were created, the database has ${rows.length}`);
  const transfers = await countTransfers(harness);
  const histories = await readHistories(harness, store);
  const attempts = await selectRows<{
    payment_id: string;
    status: string;
    sends: number;
    error_code: string | null;
    transaction_id: string | null;
  }>(ctx.db, 'SELECT payment_id, status, sends, error_code, transaction_id FROM relay_attempts WHERE store_id = ?', [store.storeId]);

  for (const { paymentId, isFickle, way } of payments) {
    const row = rows.find(({ id }) => id === paymentId);
    const times = transfers.get(paymentId) ?? 0;
    const history = histories.get(paymentId) ?? '';
    const breach = (what: string) =>
      breaches.push(`${way} payment ${paymentId}: ${what} (${row?.status ?? 'gone'}; ${times} transfers; ${history})`);
    if (times > 1) breach('paid more than once');
    if (!isFickle && times === 0) breach('could be paid and was not');
    if (times === 1 && row?.status !== 'completed') breach('landed, and is not completed');
    if (times === 0 && row?.status === 'completed') breach('completed without a transfer');
    if (times === 1 && !COMPLETED_HISTORY.test(history))
      breach(history.includes('failed') ? 'was told as failed and landed' : 'has another history');
    if (times === 0 && isFickle && !UNPAID_HISTORY.test(history)) breach('was not paid and has another history');
    if (row?.status === 'completed' && (row.late !== 0 || row.relay_attempt_id !== null)) breach('is late, or still waits for an attempt');
    const own = attempts.filter((attempt) => attempt.payment_id === paymentId);
    if (own.length !== (way === 'direct' ? 0 : 1)) breach(`has ${own.length} relay attempts`);
  }

  const paid = [...transfers.entries()].filter(([id]) => payments.some(({ paymentId }) => paymentId === id));
  const received = await harness.chain.balanceOf(harness.tokens.TUSD, store.payoutAddress);
  const expected = input.amount * BigInt(paid.reduce((sum, [, times]) => sum + times, 0));
  if (received !== expected) breaches.push(`the merchant holds ${received}, its payments make ${expected}`);
  breaches.push(...(await judgeWebhooks(harness, store, storeServer)));

  const sent = await selectRows<{ relayer_id: string; items: string }>(ctx.db, 'SELECT relayer_id, items FROM relay_transactions');
  return {
    seed: input.seed,
    payments: tally(payments.map(({ way, isFickle }) => (isFickle ? `${way}, tokens moved away` : way))),
    statuses: tally(rows.map(({ status }) => status)),
    transfersPerPayment: tally(payments.map(({ paymentId }) => String(transfers.get(paymentId) ?? 0))),
    histories: tally([...histories.values()]),
    attempts: tally(attempts.map(({ status, error_code }) => (error_code === null ? status : `${status} (${error_code})`))),
    relayTransactions: tally(sent.map(({ relayer_id }) => relayer_id)),
    averageBatch: sent.reduce((sum, { items }) => sum + Number(items), 0) / Math.max(1, sent.length),
    attemptsSentAgain: attempts.filter(({ sends }) => Number(sends) > 1).length,
    webhooks: { received: storeServer.received.length, distinct: new Set(storeServer.received.map(({ id }) => id)).size },
    misfortunes: Object.fromEntries([...input.counts].sort(([a], [b]) => (a < b ? -1 : 1))),
    secondsToEnd,
    breaches,
  };
}

/** @returns what has not ended in time, in words */
async function waitForEnd({ harness, store, settleMs }: Input): Promise<string[]> {
  const deadline = Date.now() + settleMs;
  for (;;) {
    const open = await listOpen(harness, store);
    if (open.length === 0 || Date.now() > deadline) return open.slice(0, 30);
    await sleep(500);
  }
}

async function listOpen({ ctx }: Harness, { storeId }: TestStore): Promise<string[]> {
  const payments = await selectRows<{ id: string }>(ctx.db, "SELECT id FROM payments WHERE store_id = ? AND status = 'processing'", [
    storeId,
  ]);
  // A direct payment that a reorganisation took back and that is not seen again yet waits as `pending`; so does one whose relay has failed.
  const unseen = await selectRows<{ id: string }>(
    ctx.db,
    `SELECT p.id FROM payments p WHERE p.store_id = ? AND p.status = 'pending'
     AND NOT EXISTS (SELECT 1 FROM events e WHERE e.payment_id = p.id AND e.type = 'payment.relay_failed')`,
    [storeId],
  );
  const attempts = await selectRows<{ id: string; status: string; transaction_id: string | null }>(
    ctx.db,
    "SELECT id, status, transaction_id FROM relay_attempts WHERE status NOT IN ('succeeded', 'failed')",
  );
  const deliveries = await selectRows<{ id: string; status: string }>(
    ctx.db,
    "SELECT id, status FROM webhook_deliveries WHERE status <> 'succeeded'",
  );
  const outbox = await selectRows<{ queue: string; subject_id: string }>(
    ctx.db,
    // What was given up and may still be mined is looked at for as long as it would be valid.
    `SELECT queue, subject_id FROM outbox
     WHERE queue <> 'expire' AND subject_id NOT IN (SELECT id FROM relay_transactions WHERE abandoned_at IS NOT NULL)`,
  );
  return [
    ...payments.map(({ id }) => `payment ${id} is processing`),
    ...unseen.map(({ id }) => `payment ${id} is pending`),
    ...attempts.map(({ id, status, transaction_id }) => `attempt ${id} is ${status}, transaction ${transaction_id ?? 'none'}`),
    ...deliveries.map(({ id, status }) => `delivery ${id} is ${status}`),
    ...outbox.map(({ queue, subject_id }) => `work: ${queue} ${subject_id}`),
  ];
}

async function countTransfers(harness: Harness): Promise<ReadonlyMap<string, number>> {
  const { deployment } = harness.stack;
  const logs = await harness.chain.publicClient.getContractEvents({
    address: deployment.gateway,
    abi: paymentGatewayAbi,
    eventName: 'PaymentProcessed',
    fromBlock: deployment.blockNumber,
  });
  const times = new Map<string, number>();
  for (const { args } of logs) times.set(String(args.paymentId), (times.get(String(args.paymentId)) ?? 0) + 1);
  return times;
}

async function readHistories({ ctx }: Harness, { storeId }: TestStore): Promise<ReadonlyMap<string, string>> {
  const events = await selectRows<{ payment_id: string; type: string }>(
    ctx.db,
    'SELECT payment_id, type FROM events WHERE store_id = ? ORDER BY payment_id, version',
    [storeId],
  );
  const histories = new Map<string, string>();
  for (const { payment_id, type } of events) {
    const before = histories.get(payment_id);
    const name = type.replace('payment.', '');
    histories.set(payment_id, before === undefined ? name : `${before},${name}`);
  }
  return histories;
}

/** Each event reached the store, as one message, however often that was delivered. */
async function judgeWebhooks({ ctx }: Harness, { storeId }: TestStore, storeServer: StoreServer): Promise<string[]> {
  const breaches = storeServer.refused.map((refused) => `the store refused a webhook: ${refused.slice(0, 200)}`);
  const events = await selectRows<{ id: string }>(ctx.db, 'SELECT id FROM events WHERE store_id = ?', [storeId]);
  const bodies = new Map<string, Set<string>>();
  for (const { id, body } of storeServer.received) bodies.set(id, (bodies.get(id) ?? new Set()).add(body));
  const unknown = [...bodies.keys()].filter((id) => !events.some((event) => event.id === id));
  const missing = events.filter(({ id }) => !bodies.has(id));
  if (unknown.length > 0) breaches.push(`${unknown.length} webhooks tell of no event`);
  if (missing.length > 0) breaches.push(`${missing.length} events were never told`);
  for (const [id, different] of bodies) if (different.size > 1) breaches.push(`event ${id} was told with ${different.size} bodies`);
  return breaches;
}

function tally(values: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const value of [...values].sort()) counts[value] = (counts[value] ?? 0) + 1;
  return counts;
}
