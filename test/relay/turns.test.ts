import { expect } from 'chai';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import { scanChain } from '../../domain/scan/scanChain.ts';
import type { Payment } from '../../domain/payments/model.ts';
import { endUnsent } from '../../domain/relay/send/endUnsent.ts';
import { sendAttempt } from '../../domain/relay/sendAttempt.ts';
import { executePayment } from '../../domain/relay/executePayment.ts';
import { relayPayment } from '../../domain/relay/relayPayment.ts';
import { withClaim } from '../../domain/relay/send/withClaim.ts';
import type { RelayPriority } from '../../domain/stores/model.ts';
import { getRelayShare, setRelayPriority, setRelayWeight } from '../../domain/stores/service.ts';
import type { Context } from '../../platform/context.ts';
import { execute, inTransaction } from '../../platform/db.ts';
import { PROJECT_ROOT } from '../../platform/projectRoot.ts';
import { expectRefusal } from '../support/expectRefusal.ts';
import { signAuthorization, signGasless } from '../support/gasless.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { startOwnChain, type OwnChain } from '../support/ownChain.ts';
import { confirmOnce, endWaitingAttempts, readAttempt, readPayment } from '../support/relayFlow.ts';
import { withRelayer, withRelayers } from '../support/varyContext.ts';
import { programArguments } from '../support/programArguments.ts';

const BATCH = 4;

describe('stores that wait beside each other', function () {
  this.timeout(60_000);

  let chain: OwnChain;
  let harness: Harness;
  let ctx: Context;
  let chainId: number;

  before(async function () {
    this.timeout(120_000);
    chain = await startOwnChain();
    harness = await createHarness({ config: chain.configure({ confirmations: 1 }) });
    ({ chainId } = chain);
  });
  after(async () => {
    await harness.close();
    await chain.close();
  });
  beforeEach(async () => {
    ctx = withRelayers(harness.ctx, chainId, [await chain.createRelayer()]);
    ctx = withBatchSize(BATCH);
    await endWaitingAttempts(ctx);
  });

  const withBatchSize = (maxBatchSize: number): Context => ({
    ...ctx,
    config: {
      ...ctx.config,
      chains: ctx.config.chains.map((config) => ({
        ...config,
        relayLimits: { ...config.relayLimits, maxBatchSize },
      })),
    },
  });
  const createPayment = (store: TestStore) =>
    harness.createTestPayment(store, { token: chain.token });

  async function accept(
    store: TestStore,
    count: number,
    priority?: RelayPriority,
  ): Promise<Payment[]> {
    const payments: Payment[] = [];
    for (let index = 0; index < count; index++) {
      const [customer, payment] = [await chain.createCustomer(), await createPayment(store)];
      await executePayment(ctx, { ...(await signAuthorization(ctx, customer, payment)), priority });
      payments.push(payment);
    }
    return payments;
  }

  const idOf = async (payment: Payment) => (await readAttempt(ctx, payment)).id;
  const countWaiting = async (payments: readonly Payment[]) =>
    (await Promise.all(payments.map((payment) => readAttempt(ctx, payment)))).filter(
      ({ status }) => status === 'queued',
    ).length;

  it('take turns, though all jobs that run are those of the one that came first; and every one is paid', async () => {
    const large = await accept(await harness.createTestStore(), 14);
    const small = await accept(await harness.createTestStore(), 3);
    const jobs = await Promise.all([...large].reverse().map(idOf));
    await sendAttempt(ctx, jobs[0]!);
    await sendAttempt(ctx, jobs[1]!);
    expect(await countWaiting(small)).to.equal(0);
    expect(await countWaiting(large)).to.equal(9);
    // One that others went before comes back later.
    for (const job of [...jobs, ...jobs]) await sendAttempt(ctx, job);
    await chain.mine();
    await scanChain(ctx, chainId);
    for (const payment of [...large, ...small]) {
      await confirmOnce(ctx, payment);
      expect((await readPayment(ctx, payment)).status).to.equal('completed');
    }
  });

  it('have turns by their weights', async () => {
    const [heavy, light] = [await harness.createTestStore(), await harness.createTestStore()];
    await setRelayWeight(ctx, { storeId: heavy.storeId, weight: 300 });
    const of = { light: await accept(light, 6), heavy: await accept(heavy, 6) };
    await sendAttempt(ctx, await idOf(of.light[5]!));
    expect([await countWaiting(of.heavy), await countWaiting(of.light)]).to.deep.equal([3, 5]);
  });

  it('keep their turns when they come back', async () => {
    const [first, second] = [
      await accept(await harness.createTestStore(), 4),
      await accept(await harness.createTestStore(), 6),
    ];
    const busy = withRelayer(ctx, chainId, () => ({
      send: () => Promise.resolve({ kind: 'refused', reason: 'busy', retryAfterMs: 0 }),
    }));
    const { turn } = await readAttempt(ctx, first[0]!);
    await sendAttempt(busy, await idOf(first[0]!));
    expect(await readAttempt(ctx, first[0]!)).to.include({ status: 'queued', turn });
    await sendAttempt(ctx, await idOf(second[5]!));
    expect([await countWaiting(first), await countWaiting(second)]).to.deep.equal([2, 4]);
  });

  describe('do not pay for turns that they never had', () => {
    const end = async (payment: Payment) => {
      const result = await endUnsent(ctx, await readAttempt(ctx, payment), {
        code: 'PAY_029',
        detail: 'Nothing waits for it.',
      });
      expect(result.kind).to.equal('done');
    };
    const turnOf = async (payment: Payment) => (await readAttempt(ctx, payment)).turn;

    it('when all that waited died unsent', async () => {
      const [died, other] = [await harness.createTestStore(), await harness.createTestStore()];
      for (const payment of await accept(died, 10)) await end(payment);
      const others = await accept(other, 4);
      const [next] = await accept(died, 1);
      expect(await turnOf(next!)).to.equal(await turnOf(others[0]!));
      await sendAttempt(ctx, await idOf(others[3]!));
      expect([await countWaiting([next!]), await countWaiting(others)]).to.deep.equal([0, 1]);
    });

    it('when some in the middle did', async () => {
      const [died, other] = [await harness.createTestStore(), await harness.createTestStore()];
      const payments = await accept(died, 8);
      for (const payment of payments.slice(1, 7)) await end(payment);
      const others = await accept(other, 3);
      const [next] = await accept(died, 1);
      expect(await turnOf(next!)).to.equal(await turnOf(others[2]!));
    });

    it('and are given back just what they took, however many digits that has', async () => {
      const store = await harness.createTestStore();
      await setRelayWeight(ctx, { storeId: store.storeId, weight: 200 });
      // Of 5,000 each, an eighth of 40,000. As text, that is more than 45,000.
      for (const [last, left] of [
        [45_000, 40_000],
        [5_000, 0],
        [3_000, 0],
      ] as const) {
        const [payment] = await accept(store, 1);
        expect((await readAttempt(ctx, payment!)).turnStep).to.equal(5_000n);
        await execute(
          ctx.db,
          'UPDATE relay_quotas SET last_turn = ? WHERE chain_id = ? AND holder = ?',
          [last, chainId, store.storeId],
        );
        await end(payment!);
        const quota = { chain_id: chainId, holder: store.storeId };
        expect(
          Number((await ctx.db('relay_quotas').where(quota).first('last_turn'))?.last_turn),
        ).to.equal(left);
      }
    });

    it('though they pay for those that they had, as long as these are on their way', async () => {
      const [store, other] = [await harness.createTestStore(), await harness.createTestStore()];
      const payments = await accept(store, 4);
      await sendAttempt(ctx, await idOf(payments[0]!));
      const [next] = await accept(store, 1);
      expect((await turnOf(next!)) > (await turnOf(payments[3]!))).to.equal(true);
      await chain.mine();
      await scanChain(ctx, chainId);
      for (const payment of payments) await confirmOnce(ctx, payment);
      await end(next!);
      // Everything has ended: it begins where anybody would.
      expect(await turnOf((await accept(store, 1))[0]!)).to.equal(
        await turnOf((await accept(other, 1))[0]!),
      );
    });
  });

  describe('and say what is urgent', () => {
    it('send that first, and what is called low last', async () => {
      const store = await harness.createTestStore();
      const low = await accept(store, 2, 'low');
      const normal = await accept(store, 3);
      const high = await accept(store, 2, 'high');
      await sendAttempt(ctx, await idOf(low[0]!));
      expect([
        await countWaiting(high),
        await countWaiting(normal),
        await countWaiting(low),
      ]).to.deep.equal([0, 1, 2]);
      await sendAttempt(ctx, await idOf(low[0]!));
      expect(await countWaiting([...low, ...normal])).to.equal(0);
    });

    it('have no more turns for it: everything urgent is as nothing urgent', async () => {
      const urgent = await accept(await harness.createTestStore(), 6, 'high');
      const modest = await accept(await harness.createTestStore(), 6);
      await sendAttempt(ctx, await idOf(modest[0]!));
      expect([await countWaiting(urgent), await countWaiting(modest)]).to.deep.equal([4, 4]);
    });

    it('have more turns, or fewer, when an operator says so', async () => {
      const [high, normal] = [await harness.createTestStore(), await harness.createTestStore()];
      await setRelayPriority(ctx, { storeId: high.storeId, priority: 'high' });
      const of = { normal: await accept(normal, 5), high: await accept(high, 5) };
      await sendAttempt(ctx, await idOf(of.normal[4]!));
      // The fourth of the one has the turn of the first of the other, which came before it.
      expect([await countWaiting(of.high), await countWaiting(of.normal)]).to.deep.equal([2, 4]);
      const unknown = { storeId: 'st_01ARZ3NDEKTSV4RRFFQ69G5FAV', priority: 'low' } as const;
      expect((await expectRefusal(setRelayPriority(ctx, unknown))).code).to.equal('PAY_009');
    });

    it('do not starve what is called low, however many urgent ones keep coming', async () => {
      const store = await harness.createTestStore();
      ctx = withBatchSize(2);
      const job = await idOf((await accept(store, 2, 'high'))[0]!);
      const [low] = await accept(store, 1, 'low');
      let rounds = 0;
      while ((await countWaiting([low!])) > 0) {
        const [urgent] = await accept(store, 2, 'high');
        await sendAttempt(ctx, rounds === 0 ? job : await idOf(urgent!));
        rounds += 1;
        // It gives way three times.
        expect(rounds).to.be.at.most(5);
      }
    });

    it('leave alone what a worker is choosing, and a payer’s earlier nonce', async () => {
      const store = await harness.createTestStore();
      const waiting = await accept(store, 3);
      const turns = await Promise.all(
        waiting.map(async (payment) => (await readAttempt(ctx, payment)).turn),
      );
      ctx = withBatchSize(2);
      const [urgent] = await withClaim(
        ctx,
        { own: await readAttempt(ctx, waiting[0]!), isOwnAside: true },
        () => accept(store, 1, 'high'),
      );
      expect((await readAttempt(ctx, urgent!)).turn).to.equal(turns[2]);
      for (const index of [0, 1])
        expect((await readAttempt(ctx, waiting[index]!)).turn).to.equal(turns[index]);

      const customer = await chain.createCustomer();
      const [first, second] = [await createPayment(store), await createPayment(store)];
      await relayPayment(ctx, await signGasless(ctx, customer, first));
      const before = (await readAttempt(ctx, first)).turn;
      await relayPayment(ctx, { ...(await signGasless(ctx, customer, second)), priority: 'high' });
      expect((await readAttempt(ctx, first)).turn).to.equal(before);
      expect((await readAttempt(ctx, second)).turn > before).to.equal(true);
    });
  });

  it('are given weights and priorities by an operator', async function () {
    const { storeId } = await harness.createTestStore();
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [
        ...programArguments('cli/main.ts'),
        'set-store-priority',
        '--store',
        storeId,
        '--priority',
        'low',
      ],
      { cwd: PROJECT_ROOT, env: harness.environment() },
    );
    expect(JSON.parse(stdout)).to.deep.equal({ priority: 'low' });
    await setRelayWeight(ctx, { storeId, weight: 250 });
    expect(await inTransaction(ctx.db, (trx) => getRelayShare(trx, storeId))).to.deep.equal({
      weight: 250,
      priority: 'low',
    });
    const unknown = { storeId: 'st_01ARZ3NDEKTSV4RRFFQ69G5FAV', weight: 100 };
    expect((await expectRefusal(setRelayWeight(ctx, unknown))).code).to.equal('PAY_009');
  });
});
