import { expect } from 'chai';
import { pino } from 'pino';

import { createChain } from '../../adapters/chain/createChain.ts';
import { reportScans } from '../../domain/chain/service.ts';
import { findCursor } from '../../domain/chain/store.ts';
import type { Payment } from '../../domain/payments/model.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import { getPayment } from '../../domain/payments/service.ts';
import { scanAnew } from '../../domain/scan/beginAnew.ts';
import { allowWithdrawals } from '../../domain/scan/allowWithdrawals.ts';
import type { Context } from '../../platform/context.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { startOwnChain, type OwnChain } from '../support/ownChain.ts';
import { withChain } from '../support/varyContext.ts';

const CONFIRMATIONS = 2;
const MAX_WITHDRAWALS = 2;
/** More than the scanner remembers the hashes of. */
const LONG = 600;

describe('a scan that waits for an operator', () => {
  let chain: OwnChain;
  let foreign: OwnChain;
  let harness: Harness;
  let store: TestStore;
  let chainId: number;

  before(async function () {
    this.timeout(120_000);
    chain = await startOwnChain();
    // The same deployer with the same nonces: our gateway's address, and none of our blocks.
    foreign = await startOwnChain();
    await foreign.mine(LONG + 100);
    const configure = chain.configure({ confirmations: CONFIRMATIONS, maxBlockRange: 1_000 });
    harness = await createHarness({
      config: (config) => {
        const own = configure(config);
        return {
          ...own,
          chains: own.chains.map((one) => ({
            ...one,
            development: false,
            maxWithdrawals: MAX_WITHDRAWALS,
          })),
        };
      },
    });
    store = await harness.createTestStore();
    chainId = harness.config.chains[0]?.chainId ?? 0;
  });
  after(async () => {
    await harness.close();
    await chain.close();
    await foreign.close();
  });

  const createPayment = () => harness.createTestPayment(store, { token: chain.token });
  const read = ({ id }: Pick<Payment, 'id'>) =>
    getPayment(harness.ctx, { storeId: store.storeId, paymentId: id });
  const statusesOf = (payments: readonly Payment[]) =>
    Promise.all(payments.map(async (payment) => (await read(payment)).status));
  const scan = (ctx: Context = harness.ctx) => scanChain(ctx, chainId);
  const readHalt = async () => (await findCursor(harness.ctx.db, chainId))?.halt;
  const report = async () =>
    (await reportScans(harness.ctx)).find((one) => one.chainId === chainId);

  function onForeignChain(): Context {
    const [config] = foreign.configure({ confirmations: CONFIRMATIONS, maxBlockRange: 1_000 })(
      harness.config,
    ).chains;
    if (config === undefined) throw new Error('the configuration has no chain');
    return withChain(harness.ctx, chainId, () =>
      createChain({ chain: config, clock: harness.ctx.clock, log: harness.ctx.log }),
    );
  }

  async function payMany(count: number): Promise<Payment[]> {
    const customer = await chain.createCustomer();
    const payments: Payment[] = [];
    for (let index = 0; index < count; index++) {
      const payment = await createPayment();
      await chain.pay(customer, payment);
      payments.push(payment);
    }
    await chain.mine(CONFIRMATIONS);
    await scan();
    expect(new Set(await statusesOf(payments))).to.deep.equal(new Set(['completed']));
    return payments;
  }

  it('withdraws as many as the chain’s configuration allows', async () => {
    await chain.mine();
    await scan();
    const goBack = await chain.takeSnapshot();
    const payments = await payMany(MAX_WITHDRAWALS);
    await goBack();
    await chain.mine(CONFIRMATIONS + 2);
    await scan();
    expect(new Set(await statusesOf(payments))).to.deep.equal(new Set(['pending']));
    expect(await readHalt()).to.equal(null);
  });

  it('withdraws none of more than that, says so, and goes on at an operator’s word', async () => {
    await chain.mine();
    await scan();
    const goBack = await chain.takeSnapshot();
    const payments = await payMany(MAX_WITHDRAWALS + 2);
    await goBack();
    await chain.mine(CONFIRMATIONS + 2);
    const told: Record<string, unknown>[] = [];
    const log = pino(
      { level: 'error' },
      { write: (line: string) => void told.push(JSON.parse(line) as Record<string, unknown>) },
    );
    for (let tries = 0; tries < 3; tries++) await scan({ ...harness.ctx, log });
    expect(new Set(await statusesOf(payments))).to.deep.equal(new Set(['completed']));
    expect(await readHalt()).to.include({ reason: 'withdrawals', count: MAX_WITHDRAWALS + 2 });
    // Once, however often it is scanned meanwhile.
    const alerts = told.filter(({ alert }) => alert === 'scan_halted');
    expect(alerts).to.have.lengthOf(1);
    expect(alerts[0]).to.include({ chainId, reason: 'withdrawals', count: MAX_WITHDRAWALS + 2 });
    expect(await report()).to.include({ haltReason: 'withdrawals' });

    await allowWithdrawals(harness.ctx, { chainId, count: MAX_WITHDRAWALS + 1 });
    await scan();
    expect(new Set(await statusesOf(payments))).to.deep.equal(new Set(['completed']));
    expect(
      await allowWithdrawals(harness.ctx, { chainId, count: MAX_WITHDRAWALS + 2 }),
    ).to.deep.equal({ allowed: 4, withdrawn: 0 });
    await scan();
    expect(new Set(await statusesOf(payments))).to.deep.equal(new Set(['pending']));
    expect(await report()).to.deep.include({ haltReason: null, blocksBehind: 0 });
    // The word was for this once.
    expect(await findCursor(harness.ctx.db, chainId)).to.include({
      withdrawalsAllowed: null,
      withdrawn: 0,
      withdraw: null,
    });
  });

  it('counts what several chunks of one rescan withdraw together', async () => {
    const single = {
      ...harness.ctx,
      config: {
        ...harness.config,
        chains: harness.config.chains.map((one) => ({ ...one, maxBlockRange: 3 })),
      },
    };
    await chain.mine();
    await scan();
    const goBack = await chain.takeSnapshot();
    const payments = [
      ...(await payMany(1)),
      ...(await payMany(1)),
      ...(await payMany(1)),
      ...(await payMany(1)),
    ];
    await goBack();
    await chain.mine(30);
    await scan(single);
    const statuses = await statusesOf(payments);
    expect(statuses.filter((status) => status === 'pending')).to.have.length(MAX_WITHDRAWALS);
    expect(await readHalt()).to.include({ reason: 'withdrawals' });
    await allowWithdrawals(harness.ctx, { chainId, count: 4 });
    await scan();
    expect(new Set(await statusesOf(payments))).to.deep.equal(new Set(['pending']));
  });

  it('withdraws nothing for an RPC URL of another chain that has our gateway, and goes on when the right one is back', async () => {
    const payments = await payMany(1);
    await chain.mine(LONG);
    await scan();
    await chain.mine();
    await scan();
    const cursor = await findCursor(harness.ctx.db, chainId);
    for (let tries = 0; tries < 3; tries++) await scan(onForeignChain());
    expect(await statusesOf(payments)).to.deep.equal(['completed']);
    expect(await readHalt()).to.include({ reason: 'begunAnew', count: null });
    await chain.mine();
    await scan();
    expect(await statusesOf(payments)).to.deep.equal(['completed']);
    expect(await findCursor(harness.ctx.db, chainId)).to.include({
      halt: null,
      nextBlock: (cursor?.nextBlock ?? 0n) + 1n,
    });
  });

  it('scans a chain anew at an operator’s word, and withdraws what it does not show within what is allowed', async () => {
    const before = await harness.ctx
      .db('payments')
      .where({ status: 'completed' })
      .count<{ count: string | number }[]>('* as count');
    const completed = Number(before[0]?.count);
    expect(completed).to.equal(1);
    await scan(onForeignChain());
    expect(await readHalt()).to.include({ reason: 'begunAnew' });
    await scanAnew(harness.ctx, { chainId });
    await scan(onForeignChain());
    const after = await harness.ctx
      .db('payments')
      .where({ status: 'completed' })
      .count<{ count: string | number }[]>('* as count');
    expect(Number(after[0]?.count)).to.equal(0);
    expect((await findCursor(harness.ctx.db, chainId))?.nextBlock).to.equal(
      (await foreign.getHeadNumber()) + 1n,
    );
  });
});
