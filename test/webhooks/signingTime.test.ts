import { expect } from 'chai';

import { attemptDelivery } from '../../domain/webhooks/attemptDelivery.ts';
import { decideSigningTime } from '../../domain/webhooks/findSigningTime.ts';
import { createWebhookEndpoint } from '../../domain/webhooks/service.ts';
import type { Config } from '../../platform/config.ts';
import type { Context } from '../../platform/context.ts';
import { execute, selectRows } from '../../platform/db.ts';
import { addMs } from '../../shared/clock.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { startStoreServer, type StoreServer } from '../support/storeServer.ts';

const MINUTE_MS = 60_000;

describe('the time that a webhook is signed with', () => {
  /** As chains are in production. */
  const real = (config: Config): Config => ({
    ...config,
    chains: config.chains.map((chain) => ({ ...chain, development: false })),
  });
  let harness: Harness;
  let testStore: TestStore;
  /** Verifies by the real time, with the published library. */
  let store: StoreServer;

  before(async function () {
    this.timeout(120_000);
    harness = await createHarness({
      config: real,
      env: { MSQPAY_WEBHOOK_ALLOW_PRIVATE_NETWORKS: 'true' },
    });
    testStore = await harness.createTestStore();
    store = await startStoreServer();
    store.trust(
      (
        await createWebhookEndpoint(harness.ctx, {
          storeId: testStore.storeId,
          url: store.url,
          eventTypes: null,
        })
      ).secret,
    );
  });
  after(async () => {
    await store.close();
    await harness.close();
  });

  /** A process whose machine and database are ahead of the real time by so much. */
  function withClocks({
    ownMs,
    databaseMs,
  }: {
    readonly ownMs: number;
    readonly databaseMs: number;
  }): Context {
    return {
      ...harness.ctx,
      clock: { now: () => addMs(new Date(), databaseMs) },
      readClockAheadMs: () => ownMs - databaseMs,
    };
  }

  /** The chain was scanned up to its head just now, and tells the real time. */
  async function scanNow(ctx: Context, { behindBlocks = 0, agoMs = 0 } = {}): Promise<void> {
    const { chainId, gateway } = harness.config.chains[0]!;
    const scannedAt = addMs(ctx.clock.now(), -agoMs);
    await execute(
      ctx.db,
      'REPLACE INTO chain_cursors (chain_id, gateway, next_block, head_number, scanned_timestamp, updated_at) VALUES (?, ?, ?, ?, ?, ?)',
      [chainId, gateway, 101, 100 + behindBlocks, addMs(new Date(), -agoMs), scannedAt],
    );
  }

  /** @returns whether the store's server has taken it */
  async function deliver(ctx: Context): Promise<boolean> {
    const [refusedBefore, payment] = [
      store.refused.length,
      await harness.createTestPayment(testStore),
    ];
    const [delivery] = await selectRows<{ id: string }>(
      ctx.db,
      'SELECT d.id FROM webhook_deliveries d JOIN events e ON e.id = d.event_id WHERE e.subject_id = ?',
      [payment.id],
    );
    if (delivery === undefined) throw new Error('nothing is to be delivered');
    await execute(
      ctx.db,
      "UPDATE webhook_deliveries SET next_attempt_at = '2020-01-01' WHERE id = ?",
      [delivery.id],
    );
    await attemptDelivery(ctx, delivery.id);
    const isTaken = store.ofPayment(payment.id).length === 1;
    expect(store.refused.length - refusedBefore).to.equal(isTaken ? 0 : 1);
    return isTaken;
  }

  for (const { name, ownMs, databaseMs } of [
    {
      name: 'the database’s clock is twenty minutes behind',
      ownMs: 0,
      databaseMs: -20 * MINUTE_MS,
    },
    { name: 'the database’s clock is twenty minutes ahead', ownMs: 0, databaseMs: 20 * MINUTE_MS },
    {
      name: 'this machine’s clock is twenty minutes behind',
      ownMs: -20 * MINUTE_MS,
      databaseMs: 0,
    },
    { name: 'this machine’s clock is twenty minutes ahead', ownMs: 20 * MINUTE_MS, databaseMs: 0 },
    {
      name: 'both are wrong, and this machine’s is a little',
      ownMs: 2 * MINUTE_MS,
      databaseMs: -30 * MINUTE_MS,
    },
  ]) {
    it(`is one that its receiver takes, though ${name}`, async () => {
      const ctx = withClocks({ ownMs, databaseMs });
      await scanNow(ctx);
      expect(await deliver(ctx)).to.equal(true);
    });
  }

  it('is the database’s while no chain can tell: one that stands still, or is being caught up with, is no clock', async () => {
    const ctx = withClocks({ ownMs: 20 * MINUTE_MS, databaseMs: 0 });
    await execute(ctx.db, 'DELETE FROM chain_cursors');
    expect(await deliver(ctx), 'none was scanned').to.equal(true);
    const behind = withClocks({ ownMs: 0, databaseMs: 20 * MINUTE_MS });
    await scanNow(behind, { agoMs: 3 * MINUTE_MS });
    expect(await deliver(behind), 'it stands still').to.equal(false);
    await scanNow(behind, { behindBlocks: 5 });
    expect(await deliver(behind), 'it is being caught up with').to.equal(false);
    const development = {
      ...behind,
      config: {
        ...behind.config,
        chains: behind.config.chains.map((one) => ({ ...one, development: true })),
      },
    };
    await scanNow(behind);
    expect(await deliver(development), 'anybody may move its clock').to.equal(false);
    expect(await deliver(behind)).to.equal(true);
  });

  describe('is decided', () => {
    const at = (ms: number) => new Date(Date.UTC(2026, 0, 1) + ms);
    for (const [name, ownMs, databaseMs, chainsMs, expected] of [
      ['as the database’s, where both may be right', 20_000, 0, [20_000], 'database'],
      ['as the one that a chain agrees with', 600_000, 0, [3_000], 'database'],
      ['as the other one, where a chain agrees with that', 600_000, 0, [595_000], 'own'],
      ['by the chain that is nearest to either', 600_000, 0, [-4_000_000, 590_000], 'own'],
      ['as the database’s, without a chain', 600_000, 0, [], 'database'],
    ] as const) {
      it(name, () => {
        const signedAt = decideSigningTime({
          own: at(ownMs),
          database: at(databaseMs),
          chains: chainsMs.map(at),
        });
        expect(signedAt).to.deep.equal(at(expected === 'own' ? ownMs : databaseMs));
      });
    }
  });
});
