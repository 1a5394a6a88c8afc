import { expect } from 'chai';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import { scanChain } from '../../domain/payments/scanChain.ts';
import type { Payment } from '../../domain/payments/model.ts';
import { sendAttempt } from '../../domain/relay/sendAttempt.ts';
import { executePayment } from '../../domain/relay/service.ts';
import { getRelayWeight, setRelayWeight } from '../../domain/stores/service.ts';
import type { Context } from '../../platform/context.ts';
import { inTransaction } from '../../platform/db.ts';
import { PROJECT_ROOT } from '../../platform/projectRoot.ts';
import { signAuthorization } from '../support/gasless.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { startOwnChain, type OwnChain } from '../support/ownChain.ts';
import { confirmOnce, endWaitingAttempts, readAttempt, readPayment } from '../support/relayFlow.ts';
import { withRelayer, withRelayers } from '../support/varyContext.ts';

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
    const base = withRelayers(harness.ctx, chainId, [await chain.createRelayer()]);
    const chains = base.config.chains.map((config) => ({ ...config, relayLimits: { ...config.relayLimits, maxBatchSize: BATCH } }));
    ctx = { ...base, config: { ...base.config, chains } };
    await endWaitingAttempts(ctx);
  });

  async function accept(store: TestStore, count: number): Promise<Payment[]> {
    const payments: Payment[] = [];
    for (let index = 0; index < count; index++) {
      const [customer, payment] = [await chain.createCustomer(), await harness.createTestPayment(store, { token: chain.token })];
      await executePayment(ctx, await signAuthorization(ctx, customer, payment));
      payments.push(payment);
    }
    return payments;
  }

  const idOf = async (payment: Payment) => (await readAttempt(ctx, payment)).id;
  const countWaiting = async (payments: readonly Payment[]) =>
    (await Promise.all(payments.map((payment) => readAttempt(ctx, payment)))).filter(({ status }) => status === 'queued').length;

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

  it('are given weights by an operator; none that could not be meant', async function () {
    this.timeout(60_000);
    const { storeId } = await harness.createTestStore();
    const env = harness.environment();
    const weightOf = (store: string) => inTransaction(ctx.db, (trx) => getRelayWeight(trx, store));
    const run = (weight: string, store = storeId) =>
      promisify(execFile)(process.execPath, ['--import', 'tsx', 'cli/main.ts', 'set-store-weight', '--store', store, '--weight', weight], {
        cwd: PROJECT_ROOT,
        env,
      }).then(
        ({ stdout }) => JSON.parse(stdout) as unknown,
        (error: unknown) => (error as { code: number }).code,
      );
    expect(await run('250')).to.deep.equal({ weight: 250 });
    expect(await weightOf(storeId)).to.equal(250);
    expect(await Promise.all([run('0'), run('10001'), run('1.5')])).to.deep.equal([2, 2, 2]);
    expect(await run('100', 'st_01ARZ3NDEKTSV4RRFFQ69G5FAV')).to.not.equal(0);
    expect(await weightOf(storeId)).to.equal(250);
  });

  it('keep their turns when they come back', async () => {
    const [first, second] = [await accept(await harness.createTestStore(), 4), await accept(await harness.createTestStore(), 6)];
    const busy = withRelayer(ctx, chainId, () => ({ send: () => Promise.resolve({ kind: 'refused', reason: 'busy', retryAfterMs: 0 }) }));
    const { turn } = await readAttempt(ctx, first[0]!);
    await sendAttempt(busy, await idOf(first[0]!));
    expect(await readAttempt(ctx, first[0]!)).to.include({ status: 'queued', turn });
    await sendAttempt(ctx, await idOf(second[5]!));
    expect([await countWaiting(first), await countWaiting(second)]).to.deep.equal([2, 4]);
  });
});
