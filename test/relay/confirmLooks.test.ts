import { expect } from 'chai';

import { scanChain } from '../../domain/scan/scanChain.ts';
import type { WorkResult } from '../../domain/outbox/model.ts';
import type { Payment } from '../../domain/payments/model.ts';
import { confirmTransaction } from '../../domain/relay/confirmTransaction.ts';
import { sendAttempt } from '../../domain/relay/sendAttempt.ts';
import type { Context } from '../../platform/context.ts';
import { addMs } from '../../shared/clock.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { startOwnChain, type OwnChain, type OwnRelayer } from '../support/ownChain.ts';
import { acceptRelay, readAttempt, readPayment } from '../support/relayFlow.ts';
import { createFakeClock, withRelayers } from '../support/varyContext.ts';

const CONFIRMATIONS = 12;
const BLOCK_TIME_MS = 12_000;
const BATCH = 3;

/**
 * Twelve blocks of twelve seconds: 132 seconds until a transaction that is in a block is deep
 * enough.
 */
describe('a transaction on a slow chain', function () {
  this.timeout(60_000);

  let chain: OwnChain;
  let harness: Harness;
  let store: TestStore;
  let chainId: number;
  let relayer: OwnRelayer;
  let ctx: Context;
  let clock: ReturnType<typeof createFakeClock>;
  let payments: Payment[];

  before(async function () {
    this.timeout(120_000);
    chain = await startOwnChain();
    const configure = chain.configure({ confirmations: CONFIRMATIONS });
    harness = await createHarness({
      config: (config) => {
        const configured = configure(config);
        return {
          ...configured,
          chains: configured.chains.map((one) => ({ ...one, blockTimeMs: BLOCK_TIME_MS })),
        };
      },
    });
    store = await harness.createTestStore();
    chainId = harness.config.chains[0]?.chainId ?? 0;
  });
  after(async () => {
    await harness.close();
    await chain.close();
  });
  beforeEach(async () => {
    relayer = await chain.createRelayer();
    clock = createFakeClock(new Date());
    ctx = { ...withRelayers(harness.ctx, chainId, [relayer]), clock };
    payments = [];
    for (let index = 0; index < BATCH; index++) {
      const payment = await harness.createTestPayment(store, { token: chain.token });
      await acceptRelay(ctx, await chain.createCustomer(), payment);
      payments.push(payment);
    }
    const [first] = payments;
    if (first === undefined) throw new Error('no payment');
    await sendAttempt(ctx, (await readAttempt(ctx, first)).id);
    expect(relayer.sent, 'all of them go together').to.have.length(1);
  });

  const readAll = () => Promise.all(payments.map((payment) => readAttempt(ctx, payment)));
  const transactionId = async () => (await readAll())[0]?.transactionId ?? '';
  const statuses = async () => [...new Set((await readAll()).map(({ status }) => status))];

  /**
   * What a look writes and locks in the tables of relaying: in statements, of which one changes all
   * attempts.
   */
  async function look(): Promise<{
    result: WorkResult;
    attempts: number;
    transactions: number;
    locks: number;
  }> {
    const statements: string[] = [];
    const note = ({ sql }: { readonly sql: string }) => void statements.push(sql);
    ctx.db.on('query', note);
    try {
      const result = await confirmTransaction(ctx, await transactionId());
      const count = (pattern: RegExp) => statements.filter((sql) => pattern.test(sql)).length;
      return {
        result,
        attempts: count(/UPDATE .*relay_attempts/s),
        transactions: count(/UPDATE relay_transactions/),
        locks: count(/FOR UPDATE/),
      };
    } finally {
      ctx.db.removeListener('query', note);
    }
  }

  const waitOf = (result: WorkResult) =>
    result.kind === 'later' ? result.at.getTime() - clock.now().getTime() : undefined;

  it('is written when something changed, and only then, however often it is looked at', async () => {
    await chain.mine();
    await scanChain(ctx, chainId);
    const mined = await look();
    expect(mined).to.include({ attempts: 1 });
    expect(mined.transactions).to.be.above(0);
    expect(await statuses()).to.deep.equal(['mined']);
    const before = await readAll();
    for (let depth = 2; depth < CONFIRMATIONS; depth++) {
      await chain.mine();
      const again = await look();
      expect(again, `at depth ${depth}`).to.include({ attempts: 0, transactions: 0, locks: 0 });
    }
    await chain.mine();
    expect(await look(), 'deep enough, and the scanner has not completed it yet').to.include({
      attempts: 0,
      transactions: 0,
      locks: 0,
    });
    expect(await readAll()).to.deep.equal(before);
    await scanChain(ctx, chainId);
    await scanChain(ctx, chainId);
    expect(await look()).to.deep.include({ result: { kind: 'done' }, attempts: 1 });
    expect(await statuses()).to.deep.equal(['succeeded']);
    for (const payment of payments)
      expect((await readPayment(ctx, payment)).status).to.equal('completed');
  });

  it('is looked at about when it is deep enough, and every half minute until then', async () => {
    let minedBlocks = 0;
    let looks = 0;
    const startedAt = clock.now();
    const mineUntilNow = async () => {
      const due = 1 + Math.floor((clock.now().getTime() - startedAt.getTime()) / BLOCK_TIME_MS);
      if (due > minedBlocks) await chain.mine(due - minedBlocks);
      minedBlocks = due;
      await scanChain(ctx, chainId);
      await scanChain(ctx, chainId);
    };
    for (;;) {
      await mineUntilNow();
      const { result } = await look();
      looks++;
      if (result.kind === 'done') break;
      expect(waitOf(result)).to.be.within(5_000, 30_000);
      clock.set(result.at);
    }
    expect(await statuses()).to.deep.equal(['succeeded']);
    expect(looks).to.be.within(2, 7);
    expect(
      clock.now().getTime() - startedAt.getTime(),
      'not later than two blocks after it is',
    ).to.be.below((CONFIRMATIONS + 1) * BLOCK_TIME_MS);
  });

  it('is looked at as soon as it may be in a block, and again at that pace when a reorganisation took it away', async () => {
    expect(waitOf((await look()).result), 'in no block').to.equal(5_000);
    await scanChain(ctx, chainId);
    const goBack = await chain.takeSnapshot();
    await chain.mine();
    await scanChain(ctx, chainId);
    await look();
    expect(await statuses()).to.deep.equal(['mined']);
    await goBack();
    await chain.mine(2);
    const gone = await look();
    expect(gone).to.include({ attempts: BATCH });
    expect(waitOf(gone.result)).to.equal(5_000);
    expect(await statuses()).to.deep.equal(['submitted']);
    await chain.send(relayer.sent[0]!);
    await chain.mine();
    expect(await look()).to.include({ attempts: 1 });
    expect(await statuses()).to.deep.equal(['mined']);
    clock.set(addMs(clock.now(), 1));
    await chain.mine(CONFIRMATIONS);
    await scanChain(ctx, chainId);
    await scanChain(ctx, chainId);
    await look();
    expect(await statuses()).to.deep.equal(['succeeded']);
  });
});
