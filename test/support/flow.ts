import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { PrivateKeyAccount } from 'viem/accounts';

import { paymentGatewayAbi } from '../../contracts/generated/PaymentGateway.ts';
import { expirePayment } from '../../domain/scan/expirePayment.ts';
import { selectRows } from '../../platform/db.ts';
import { asBytes32 } from '../../shared/hex.ts';
import type { Random } from './createRandom.ts';
import { createCustomers, payFromWallet } from './customers.ts';
import type { Harness, TestStore } from './harness.ts';
import type { PaymentResource, StoreClient } from './storeClient.ts';
import { startStoreServer, type StoreServer } from './storeServer.ts';
import { waitUntil } from './waitUntil.ts';
import { watchPromises } from './watchPromises.ts';

const AMOUNT = 1_500_000n;

/**
 * Many payments on their way at once, half of them paid directly and half gasless, and what must be
 * true of them in the end.
 */
export interface Flow {
  readonly storeServer: StoreServer;
  /**
   * Creates payments and pays them, a few at a time. Resolves when each is handed to the chain or
   * the relayer.
   */
  run(
    client: StoreClient,
    options: { readonly atOnce: number; readonly pauseMs: () => number },
  ): Promise<void>;
  /** Resolves when nothing is left to do. @throws Error saying what hangs where */
  waitForEnd(timeoutMs: number): Promise<void>;
  /**
   * Every paid payment completed exactly once, whoever is asked: the chain, the database, the
   * store, the relayer.
   */
  expectExactlyOnce(): Promise<void>;
  close(): Promise<void>;
}

interface Customer {
  readonly account: PrivateKeyAccount;
  readonly isGasless: boolean;
}

export async function prepareFlow(
  harness: Harness,
  store: TestStore,
  client: StoreClient,
  count: number,
): Promise<Flow> {
  const storeServer = await startStoreServer();
  const endpoint = await client.api.POST('/webhook-endpoints', { body: { url: storeServer.url } });
  if (endpoint.data === undefined)
    throw new Error(`registering the endpoint: ${JSON.stringify(endpoint.error)}`);
  storeServer.trust(endpoint.data.secret);
  const token = harness.tokens.TUSD;
  const direct = await createCustomers(harness, {
    count: Math.floor(count / 2),
    token,
    gasless: false,
  });
  const gasless = await createCustomers(harness, {
    count: count - direct.length,
    token,
    gasless: true,
  });
  const customers: Customer[] = gasless.flatMap((account, index) => {
    const partner = direct[index];
    return [
      ...(partner === undefined ? [] : [{ account: partner, isGasless: false }]),
      { account, isGasless: true },
    ];
  });
  const sentBefore = harness.stack.simulator.transactions().length;
  const payments: PaymentResource[] = [];
  const promises = watchPromises(harness);

  async function payOne(customer: Customer, index: number, payer: StoreClient): Promise<void> {
    const payment = await payer.createPayment({
      orderId: `order-${index}`,
      amount: String(AMOUNT),
      token,
    });
    payments.push(payment);
    if (customer.isGasless) await payer.relay(customer.account, payment.paymentId);
    else await payFromWallet(harness, customer.account, payment);
  }

  return {
    storeServer,
    async run(payer, { atOnce, pauseMs }) {
      const waiting = customers.entries();
      const lanes = Array.from({ length: atOnce }, async () => {
        for (const [index, customer] of waiting) {
          await payOne(customer, index, payer);
          await sleep(pauseMs());
        }
      });
      await Promise.all(lanes);
    },
    async waitForEnd(timeoutMs) {
      try {
        await waitUntil(async () => (await findUnfinished(harness, store)).length === 0, {
          timeoutMs,
          everyMs: 250,
          what: 'the end of all work',
        });
      } catch (error) {
        throw new Error(
          `unfinished after ${timeoutMs} ms:\n${(await findUnfinished(harness, store)).slice(0, 20).join('\n')}`,
          {
            cause: error,
          },
        );
      }
    },
    async expectExactlyOnce() {
      expect(payments, 'payments that the client knows of').to.have.length(count);
      await expectCompletedOnce(harness, store, payments);
      await expectPaidOnceOnChain(harness, store, payments);
      await expectToldOnce(harness, store, storeServer, count);
      await expectRelayedOnce(harness, { attempts: gasless.length, sentBefore, payments });
      await expectNothingLeft(harness, store, payments);
      expect(await promises.stop(), 'what nobody would have come back to').to.deep.equal([]);
    },
    async close() {
      await promises.close();
      await storeServer.close();
    },
  };
}

/**
 * Everything that is still under way, in words. Expiries are not: other tests' payments may wait
 * for theirs.
 */
async function findUnfinished({ ctx }: Harness, { storeId }: TestStore): Promise<string[]> {
  const payments = await selectRows<{ id: string; status: string }>(
    ctx.db,
    "SELECT id, status FROM payments WHERE store_id = ? AND status <> 'completed'",
    [storeId],
  );
  const deliveries = await selectRows<{ id: string; status: string; attempts: number }>(
    ctx.db,
    "SELECT id, status, attempts FROM webhook_deliveries WHERE status <> 'succeeded'",
  );
  const attempts = await selectRows<{ id: string; status: string; error_code: string | null }>(
    ctx.db,
    "SELECT id, status, error_code FROM relay_attempts WHERE status <> 'succeeded'",
  );
  const rows = await selectRows<{ queue: string; subject_id: string; generation: number }>(
    ctx.db,
    "SELECT queue, subject_id, generation FROM outbox WHERE queue <> 'expire'",
  );
  return [
    ...payments.map(({ id, status }) => `payment ${id} is ${status}`),
    ...attempts.map(
      ({ id, status, error_code }) =>
        `relay attempt ${id} is ${status} (${error_code ?? 'no error'})`,
    ),
    ...deliveries.map(
      ({ id, status, attempts: made }) => `delivery ${id} is ${status} after ${made} attempts`,
    ),
    ...rows.map(
      ({ queue, subject_id, generation }) =>
        `outbox: ${queue} ${subject_id}, generation ${generation}`,
    ),
  ];
}

async function expectCompletedOnce(
  { ctx }: Pick<Harness, 'ctx'>,
  { storeId }: Pick<TestStore, 'storeId'>,
  payments: readonly PaymentResource[],
): Promise<void> {
  const rows = await selectRows<{
    id: string;
    order_id: string;
    version: number;
    late: number;
    relay_attempt_id: string | null;
  }>(
    ctx.db,
    'SELECT id, order_id, version, late, relay_attempt_id FROM payments WHERE store_id = ?',
    [storeId],
  );
  expect(rows.map(({ id }) => id).sort(), 'one payment for each order').to.deep.equal(
    payments.map(({ paymentId }) => paymentId).sort(),
  );
  expect(new Set(rows.map((row) => row.order_id)).size).to.equal(rows.length);
  for (const { id, version, late, relay_attempt_id } of rows) {
    expect({ version, late, relay_attempt_id }, id).to.deep.equal({
      version: 3,
      late: 0,
      relay_attempt_id: null,
    });
  }
  const events = await selectRows<{ payment_id: string; kinds: string }>(
    ctx.db,
    "SELECT subject_id AS payment_id, GROUP_CONCAT(CONCAT(version, ':', type) ORDER BY version, id) AS kinds FROM events WHERE store_id = ? GROUP BY subject_id",
    [storeId],
  );
  expect(events).to.have.length(rows.length);
  for (const { payment_id, kinds } of events) {
    expect(kinds, payment_id).to.equal(
      '1:payment.created,2:payment.processing,3:payment.completed',
    );
  }
}

async function expectPaidOnceOnChain(
  harness: Harness,
  store: TestStore,
  payments: readonly PaymentResource[],
): Promise<void> {
  const { deployment } = harness.stack;
  const logs = await harness.chain.publicClient.getContractEvents({
    address: deployment.gateway,
    abi: paymentGatewayAbi,
    eventName: 'PaymentProcessed',
    fromBlock: deployment.blockNumber,
  });
  const timesPaid = new Map<string, number>();
  for (const { args } of logs)
    timesPaid.set(String(args.paymentId), (timesPaid.get(String(args.paymentId)) ?? 0) + 1);
  for (const { paymentId } of payments)
    expect(timesPaid.get(paymentId), `PaymentProcessed of ${paymentId}`).to.equal(1);
  const received = await harness.chain.balanceOf(harness.tokens.TUSD, store.payoutAddress);
  expect(received, 'what the merchant holds').to.equal(AMOUNT * BigInt(payments.length));
}

async function expectToldOnce(
  { ctx }: Harness,
  { storeId }: TestStore,
  storeServer: StoreServer,
  count: number,
): Promise<void> {
  expect(storeServer.refused).to.deep.equal([]);
  const events = await selectRows<{ id: string }>(
    ctx.db,
    'SELECT id FROM events WHERE store_id = ?',
    [storeId],
  );
  const bodies = new Map<string, Set<string>>();
  const told = new Map<string, Set<string>>();
  for (const { id, type, paymentId, body } of storeServer.received) {
    bodies.set(id, (bodies.get(id) ?? new Set()).add(body));
    const change = `${paymentId} ${type}`;
    told.set(change, (told.get(change) ?? new Set()).add(id));
  }
  expect([...bodies.keys()].sort(), 'event ids that the store has seen').to.deep.equal(
    events.map(({ id }) => id).sort(),
  );
  for (const [id, different] of bodies) expect(different.size, `bodies of ${id}`).to.equal(1);
  expect(told.size, 'kinds of events, over all payments').to.equal(count * 3);
  for (const [change, ids] of told) expect(ids.size, `event ids of ${change}`).to.equal(1);
}

/**
 * One attempt a payment, and each payment in one of the transactions that the relayer was given,
 * whatever else is in that.
 */
async function expectRelayedOnce(
  { ctx, stack }: Harness,
  expected: {
    readonly attempts: number;
    readonly sentBefore: number;
    readonly payments: readonly PaymentResource[];
  },
): Promise<void> {
  const own = new Set<string>(expected.payments.map(({ paymentId }) => paymentId));
  const all = await selectRows<{ payment_id: string }>(
    ctx.db,
    'SELECT payment_id FROM relay_attempts',
  );
  const attempts = all.filter(({ payment_id }) => own.has(payment_id));
  expect([
    attempts.length,
    new Set(attempts.map(({ payment_id }) => payment_id)).size,
  ]).to.deep.equal([expected.attempts, expected.attempts]);
  const sent = stack.simulator.transactions().slice(expected.sentBefore);
  const calls = sent.map(({ shown }) => `${String(shown.to)} ${String(shown.data)}`);
  expect(new Set(calls).size, 'calls that the relayer was given more than once').to.equal(
    calls.length,
  );
  for (const { payment_id } of attempts) {
    const salt =
      expected.payments.find(({ paymentId }) => paymentId === payment_id)?.terms.salt.slice(2) ??
      'none';
    const times = calls.filter((call) => call.includes(salt)).length;
    expect(times, `transactions of the relayer that carry ${payment_id}`).to.equal(1);
  }
}

/**
 * No promised work remains, and working on their expiry, at its date or at any other, changes
 * nothing.
 */
async function expectNothingLeft(
  { ctx }: Pick<Harness, 'ctx'>,
  { storeId }: Pick<TestStore, 'storeId'>,
  payments: readonly PaymentResource[],
): Promise<void> {
  const rows = await selectRows<{ queue: string; subject_id: string }>(
    ctx.db,
    "SELECT queue, subject_id FROM outbox WHERE queue <> 'expire' OR subject_id IN (SELECT id FROM payments WHERE store_id = ?)",
    [storeId],
  );
  expect(rows, 'promised work').to.deep.equal([]);
  for (const { paymentId } of payments)
    expect(await expirePayment(ctx, asBytes32(paymentId))).to.deep.equal({ kind: 'done' });
  await expectCompletedOnce({ ctx }, { storeId }, payments);
}

/** A pause of random length, for `run`. */
export function randomPause(random: Random, fromMs: number, toMs: number): () => number {
  return () => random.between(fromMs, toMs);
}
