import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';

import { getChain } from '../../domain/chain/service.ts';
import { relayPayment } from '../../domain/relay/relayPayment.ts';
import { createWebhookEndpoint } from '../../domain/webhooks/service.ts';
import type { Config, RelayerConfig } from '../../platform/config.ts';
import { selectRows } from '../../platform/db.ts';
import { addMs } from '../../shared/clock.ts';
import { asBytes32 } from '../../shared/hex.ts';
import { createCustomers } from '../support/customers.ts';
import { signGasless } from '../support/gasless.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { runWorkers, type RunningWorkers } from '../support/runWorkers.ts';
import { startStoreServer } from '../support/storeServer.ts';
import { waitUntil } from '../support/waitUntil.ts';

const WINDOW_MS = 60_000;

function limitRelayer(
  limits: Partial<Pick<RelayerConfig, 'transactionsPerMinute' | 'maxInFlight'>>,
): (config: Config) => Config {
  return (config) => ({
    ...config,
    // One request a transaction: batches would make the limits hard to reach.
    chains: config.chains.map((chain) => ({
      ...chain,
      relayLimits: { ...chain.relayLimits, maxBatchSize: 1 },
      relayers: chain.relayers.map((relayer) => ({ ...relayer, ...limits })),
    })),
  });
}

describe('the limits of a relayer, with two workers processes at once', function () {
  this.timeout(60_000);

  let harness: Harness;
  let running: RunningWorkers[] = [];
  let sentBefore: number;

  afterEach(async () => {
    await Promise.all(running.map((workers) => workers.stop()));
    running = [];
    harness.stack.simulator.clearFaults();
    await harness.close();
  });

  async function prepare(limits: Parameters<typeof limitRelayer>[0], count: number): Promise<void> {
    harness = await createHarness({
      config: limitRelayer(limits),
      env: { MSQPAY_OUTBOX_REDRIVE_MS: '1000' },
    });
    sentBefore = harness.stack.simulator.transactions().length;
    const store = await harness.createTestStore();
    const customers = await createCustomers(harness, {
      count,
      token: harness.tokens.TUSD,
      gasless: true,
    });
    for (const customer of customers)
      await relayPayment(
        harness.ctx,
        await signGasless(harness.ctx, customer, await harness.createTestPayment(store)),
      );
  }
  const sent = () => harness.stack.simulator.transactions().slice(sentBefore);
  async function countAttempts(): Promise<Record<string, number>> {
    const rows = await selectRows<{ status: string; count: string }>(
      harness.ctx.db,
      'SELECT status, COUNT(*) AS count FROM relay_attempts GROUP BY status',
    );
    return Object.fromEntries(rows.map(({ status, count }) => [status, Number(count)]));
  }

  /**
   * As the chain has it: the relayer itself looks later than we do whether its transactions are
   * mined.
   */
  async function countOnTheirWay(): Promise<number> {
    const hashes = sent().map(({ shown }) => (shown.hash === null ? null : asBytes32(shown.hash)));
    const chain = getChain(harness.ctx, harness.config.chains[0]!.chainId);
    const receipts = await Promise.all(
      hashes.map(async (hash) => (hash === null ? undefined : chain.findReceipt(hash))),
    );
    return receipts.filter((receipt) => receipt === undefined).length;
  }

  it('half of a minute’s transactions at once and not one more; the others wait their turn and none fails', async () => {
    // The other three are spread over the minute, the first of them 20 seconds later than this
    // looks.
    const atOnce = 3;
    await prepare({ transactionsPerMinute: 2 * atOnce }, 8);
    let shiftMs = 0;
    const clock = { now: () => addMs(new Date(), shiftMs) };
    const start = () =>
      runWorkers(harness, ['relay', 'confirm', 'chain-scan'], {
        change: (ctx) => ({ ...ctx, clock }),
      });
    for (let window = 1; window <= 3; window++) {
      const expected = Math.min(8, window * atOnce);
      running = await Promise.all([start(), start()]);
      await waitUntil(() => sent().length >= expected, { what: `${expected} transactions` });
      // Longer than the outbox waits before it sends the same jobs again.
      await sleep(harness.config.outboxRedriveMs + 1_000);
      expect(sent(), `transactions after ${window} windows`).to.have.length(expected);
      if (expected === 8) break;
      expect((await countAttempts())['queued']).to.equal(8 - expected);
      // The next minute. Workers begin anew, since what waits would not look before its own time is
      // over.
      await Promise.all(running.map((workers) => workers.stop()));
      shiftMs += WINDOW_MS;
    }
    await waitUntil(async () => (await countAttempts())['succeeded'] === 8, {
      what: 'all attempts',
    });
    expect(await harness.queues.get('relay').getFailed()).to.deep.equal([]);
  });

  it('no more transactions on their way than it takes', async () => {
    const limit = 2;
    await prepare({ maxInFlight: limit }, 8);
    // Each stays on its way for a while.
    harness.stack.simulator.setFault({ kind: 'intent', count: -1, delayMs: 600 });
    const start = () => runWorkers(harness, ['relay', 'confirm', 'chain-scan']);
    running = await Promise.all([start(), start()]);
    let mostAtOnce = 0;
    await waitUntil(
      async () => {
        mostAtOnce = Math.max(mostAtOnce, await countOnTheirWay());
        return (await countAttempts())['succeeded'] === 8;
      },
      { timeoutMs: 40_000, everyMs: 20, what: 'all attempts' },
    );
    expect(mostAtOnce).to.equal(limit);
    expect(sent()).to.have.length(8);
    expect(await harness.queues.get('relay').getFailed()).to.deep.equal([]);
  });
});

/** How long a POST to an endpoint that hangs takes. */
const HANGS_MS = 60_000;

describe('a webhook endpoint that hangs', function () {
  this.timeout(120_000);

  let harness: Harness;
  before(async function () {
    this.timeout(120_000);
    harness = await createHarness({ env: { MSQPAY_WEBHOOK_TIMEOUT_MS: String(HANGS_MS) } });
  });
  after(() => harness.close());

  it('delays no other store’s webhooks', async () => {
    const hanging = await startStoreServer();
    const healthy = await startStoreServer();
    const workers = await runWorkers(harness, ['webhook']);
    try {
      const listen = async (store: TestStore, server: typeof hanging) =>
        server.trust(
          (
            await createWebhookEndpoint(harness.ctx, {
              storeId: store.storeId,
              url: server.url,
              eventTypes: null,
            })
          ).secret,
        );
      const [slowStore, quickStore] = [
        await harness.createTestStore(),
        await harness.createTestStore(),
      ];
      await listen(slowStore, hanging);
      await listen(quickStore, healthy);
      hanging.answerWith(() => sleep(2 * HANGS_MS, 204, { ref: false }));
      // Several times as many as one process works on at once.
      for (let batch = 0; batch < 10; batch++) {
        await Promise.all(Array.from({ length: 20 }, () => harness.createTestPayment(slowStore)));
      }
      await waitUntil(() => hanging.received.length > 0, { what: 'the first hanging POST' });

      const delays: number[] = [];
      for (let count = 0; count < 20; count++) {
        const createdAt = Date.now();
        const payment = await harness.createTestPayment(quickStore);
        const [webhook] = await waitUntil(
          () =>
            healthy.ofPayment(payment.id).length > 0 ? healthy.ofPayment(payment.id) : undefined,
          {
            everyMs: 5,
            timeoutMs: HANGS_MS,
          },
        );
        delays.push(webhook!.receivedAt - createdAt);
      }
      expect(Math.max(...delays), `slowest of ${delays.join(', ')} ms`).to.be.below(HANGS_MS / 3);
    } finally {
      // Breaks off what hangs, so that the workers can stop.
      await hanging.close();
      await workers.stop();
      await healthy.close();
    }
  });
});
