import { expect } from 'chai';

import type { Payment } from '../../domain/payments/model.ts';
import { publishOutbox } from '../../domain/outbox/service.ts';
import type { QueuedJob } from '../../domain/outbox/ports.ts';
import { executePayment } from '../../domain/relay/executePayment.ts';
import type { Context } from '../../platform/context.ts';
import { execute, selectRows } from '../../platform/db.ts';
import { OUTBOX_GATES } from '../../workers/queues.ts';
import { signAuthorization } from '../support/gasless.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { startOwnChain, type OwnChain } from '../support/ownChain.ts';
import { endWaitingAttempts, readAttempt, readPayment } from '../support/relayFlow.ts';
import { runWorkers } from '../support/runWorkers.ts';
import { createFakeClock, withRelayers } from '../support/varyContext.ts';
import { waitUntil } from '../support/waitUntil.ts';

const BATCH = 4;
const WAITING = 12;

/** What waits for a relayer waits in the outbox, and costs one look at it now and then. */
describe('relay requests that wait in the outbox', function () {
  this.timeout(60_000);

  let chain: OwnChain;
  let harness: Harness;
  let ctx: Context;
  let chainId: number;
  let store: TestStore;
  let payments: Payment[];

  before(async function () {
    this.timeout(120_000);
    chain = await startOwnChain();
    const env = { MSQPAY_OUTBOX_REDRIVE_MS: '1000' };
    const config = chain.configure({ confirmations: 1 });
    harness = await createHarness({ config, env });
    ({ chainId } = chain);
  });
  after(async () => {
    await harness.close();
    await chain.close();
  });
  beforeEach(async () => {
    const relaying = withRelayers(harness.ctx, chainId, [await chain.createRelayer()]);
    ctx = {
      ...relaying,
      config: {
        ...relaying.config,
        chains: relaying.config.chains.map((config) => ({
          ...config,
          relayLimits: { ...config.relayLimits, maxBatchSize: BATCH },
          relayers: config.relayers.map((relayer) => ({ ...relayer, transactionsPerMinute: 50 })),
        })),
      },
    };
    await endWaitingAttempts(ctx);
    await execute(ctx.db, 'DELETE FROM outbox');
    store = await harness.createTestStore();
    payments = [];
    for (let index = 0; index < WAITING; index++) {
      const [customer, payment] = [
        await chain.createCustomer(),
        await harness.createTestPayment(store, { token: chain.token }),
      ];
      await executePayment(ctx, await signAuthorization(ctx, customer, payment));
      payments.push(payment);
    }
  });

  /** @returns the relay jobs of one look */
  async function publish(at: Context = ctx): Promise<QueuedJob[]> {
    const jobs: QueuedJob[] = [];
    const queues = {
      addAll: (added: readonly QueuedJob[]) => Promise.resolve(void jobs.push(...added)),
    };
    await publishOutbox(at, queues, 200, OUTBOX_GATES);
    return jobs.filter(({ queue }) => queue === 'relay');
  }

  const pauseRelayers = () => execute(ctx.db, "UPDATE relayers SET standing = 'paused'");
  const publishDates = async () =>
    (
      await selectRows<{ publish_at: Date }>(
        ctx.db,
        "SELECT publish_at FROM outbox WHERE queue = 'relay'",
      )
    ).map(({ publish_at: at }) => at);
  const idsOf = (which: readonly Payment[]) =>
    Promise.all(which.map(async (payment) => (await readAttempt(ctx, payment)).id));

  it('get as many jobs as they fill transactions; the others look again, each at a date of its own', async () => {
    const now = ctx.clock.now();
    const clock = createFakeClock(now);
    expect(await publish({ ...ctx, clock })).to.have.length(Math.ceil(WAITING / BATCH));
    const dates = (await publishDates()).map((at) => at.getTime());
    expect(new Set(dates).size).to.be.above(WAITING / 2);
    expect(Math.min(...dates)).to.be.above(now.getTime());
    expect(await publish({ ...ctx, clock }), 'at the same moment').to.deep.equal([]);
  });

  it('get no job while no relayer is free', async () => {
    const [{ id: relayerId } = { id: '' }] =
      ctx.config.chains.find((one) => one.chainId === chainId)?.relayers ?? [];
    await execute(
      ctx.db,
      "INSERT INTO relayers (id, standing) VALUES (?, 'paused') ON DUPLICATE KEY UPDATE standing = 'paused'",
      [relayerId],
    );
    try {
      expect(await publish()).to.deep.equal([]);
      await execute(ctx.db, "UPDATE relayers SET standing = 'ready'");
      const clock = createFakeClock(new Date(ctx.clock.now().getTime() + 60_000));
      expect(await publish({ ...ctx, clock })).to.have.length(Math.ceil(WAITING / BATCH));
    } finally {
      await execute(ctx.db, "UPDATE relayers SET standing = 'ready'");
    }
  });

  it('are let in all the same when they cannot be sent any more, or do not wait any more: that is for their jobs to see', async () => {
    const [late, ended, spent] = await idsOf(payments);
    await execute(ctx.db, 'UPDATE relay_attempts SET deadline = ? WHERE id = ?', [
      ctx.clock.now(),
      late ?? '',
    ]);
    await execute(
      ctx.db,
      "UPDATE relay_attempts SET status = 'failed', live_subject_id = NULL WHERE id = ?",
      [ended ?? ''],
    );
    await execute(ctx.db, 'UPDATE relay_attempts SET sends = 100 WHERE id = ?', [spent ?? '']);
    await pauseRelayers();
    const jobs = (await publish()).map(({ payload }) => payload.subjectId);
    expect(jobs).to.include.members([late, ended, spent]);
    await execute(ctx.db, "UPDATE relayers SET standing = 'ready'");
  });

  it('let those in first whose deadline is so near that nobody else takes them along', async () => {
    const [last] = await idsOf(payments.slice(-1));
    const deadline = new Date(
      ctx.clock.now().getTime() + (ctx.config.relay.minDeadlineSeconds - 5) * 1000,
    );
    await execute(ctx.db, 'UPDATE relay_attempts SET deadline = ? WHERE id = ?', [
      deadline,
      last ?? '',
    ]);
    const jobs = await publish();
    expect(jobs.map(({ payload }) => payload.subjectId)).to.include(last);
    expect(jobs.length).to.be.below(WAITING);
  });

  it('end some at a time when all are too late: what nobody can decide about takes no other chain’s places', async () => {
    const now = ctx.clock.now();
    await execute(ctx.db, "UPDATE relay_attempts SET deadline = ? WHERE status = 'queued'", [now]);
    expect(await publish({ ...ctx, clock: createFakeClock(now) })).to.have.length(10);
    const dates = (await publishDates()).map((at) => at.getTime() - now.getTime());
    expect(dates.filter((delayMs) => delayMs >= 1_000 && delayMs <= 3_000).length).to.be.at.least(
      2,
    );
  });

  it('look again before it is too late for them, however many wait', async () => {
    const deadline = new Date(ctx.clock.now().getTime() + 5_000);
    await execute(ctx.db, "UPDATE relay_attempts SET deadline = ? WHERE status = 'queued'", [
      deadline,
    ]);
    await publish();
    for (const at of await publishDates())
      expect(at.getTime()).to.be.at.most(deadline.getTime() - 1_000);
  });

  it('are all sent by workers, and each is paid once', async () => {
    const { chains, relayers, config } = ctx;
    const change = (own: Context): Context => ({ ...own, chains, relayers, config });
    const workers = await runWorkers(harness, ['relay', 'confirm', 'chain-scan'], { change });
    try {
      await waitUntil(
        async () => {
          await chain.mine();
          return (await Promise.all(payments.map((payment) => readPayment(ctx, payment)))).every(
            ({ status }) => status === 'completed',
          );
        },
        { what: 'the payments', timeoutMs: 30_000, everyMs: 200 },
      );
      for (const payment of payments) expect((await readAttempt(ctx, payment)).sends).to.equal(1);
    } finally {
      await workers.stop();
    }
  });
});
