import { expect } from 'chai';

import { findCursor } from '../../domain/chain/store.ts';
import type { Payment } from '../../domain/payments/model.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import { askFor, createAskNode } from '../chaos/nodes/rpc.ts';
import { startOrphanFork, type OrphanFork } from '../chaos/nodes/startOrphanFork.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { startOddNode, type OddNode } from '../support/startOddNode.ts';
import { startOwnChain, type OwnChain } from '../support/ownChain.ts';
import { passTime } from '../support/passTime.ts';
import { readHistory } from '../support/paymentHistory.ts';
import { readPayment } from '../support/relayFlow.ts';
import { withRpcUrls } from '../support/varyContext.ts';

const CONFIRMATIONS = 2;
const PAID = ['payment.created', 'payment.processing', 'payment.completed'];
const NOWHERE = 'http://127.0.0.1:9';

/** Each is another node, with blocks, state and logs of its own. */
describe('a payment that one RPC URL does not have, on a branch that grows faster than the chain', function () {
  this.timeout(60_000);

  let chain: OwnChain;
  let harness: Harness;
  let store: TestStore;
  let chainId: number;
  let fork: OrphanFork;
  let payment: Payment;
  let odd: OddNode;

  before(async function () {
    this.timeout(120_000);
    chain = await startOwnChain();
    harness = await createHarness({
      config: chain.configure({ confirmations: CONFIRMATIONS, maxBlockRange: 100 }),
    });
    store = await harness.createTestStore();
    ({ chainId } = chain);
  });
  after(async () => {
    await harness.close();
    await chain.close();
  });

  beforeEach(async () => {
    const customer = await chain.createCustomer();
    await scanChain(harness.ctx, chainId);
    fork = await startOrphanFork(createAskNode(chain.rpcUrl), chainId);
    payment = await harness.createTestPayment(store, { token: chain.token });
    await chain.pay(customer, payment);
    await chain.mine(CONFIRMATIONS);
    await scanChain(harness.ctx, chainId);
    expect(await historyOf()).to.deep.equal(PAID);
    odd = await startOddNode(chain.rpcUrl);
    await odd.standStill();
    await growFork(CONFIRMATIONS + 3);
  });
  afterEach(async () => {
    await odd.close();
    await goOn();
    await fork.close();
    expect(await findCursor(harness.ctx.db, chainId)).to.deep.include({
      withdraw: null,
      halt: null,
    });
  });

  const historyOf = async () => readHistory(harness.ctx, await readPayment(harness.ctx, payment));

  async function growFork(blocks: number): Promise<void> {
    for (let count = 0; count < blocks; count++) await fork.mine([]);
  }

  /** The chain has come further than the branch, and whatever was withdrawn, it shows again. */
  async function goOn(): Promise<void> {
    const ahead =
      Number(await askFor<string>(fork.ask, 'eth_blockNumber')) -
      Number(await chain.getHeadNumber());
    if (ahead >= 0) await chain.mine(ahead + 1);
    await scanChain(harness.ctx, chainId);
    expect((await historyOf()).at(-1)).to.equal('payment.completed');
  }

  /** The first one is asked first. */
  const through = (...rpcUrls: string[]) => withRpcUrls(harness.ctx, chainId, rpcUrls);

  it('stays completed while another one has it, which is asked first from then on', async () => {
    const ctx = through(fork.rpcUrl, chain.rpcUrl);
    await scanChain(ctx, chainId);
    expect(await historyOf()).to.deep.equal(PAID);
    expect(
      (await findCursor(ctx.db, chainId))?.withdraw,
      'that is to be found out yet',
    ).not.to.equal(null);
    await scanChain(ctx, chainId);
    expect(await historyOf()).to.deep.equal(PAID);
    expect(await findCursor(ctx.db, chainId)).to.deep.include({
      nextBlock: (await chain.getHeadNumber()) + 1n,
      withdraw: null,
    });
  });

  it('stays completed however often that one is asked alone and with the other', async () => {
    for (let scans = 0; scans < 3; scans++)
      await scanChain(through(fork.rpcUrl, chain.rpcUrl), chainId);
    expect(await historyOf()).to.deep.equal(PAID);
  });

  it('is withdrawn when two say so, and one does not', async () => {
    const second = await startOddNode(fork.rpcUrl);
    await scanChain(through(fork.rpcUrl, chain.rpcUrl, second.url), chainId);
    await second.close();
    expect(await historyOf()).to.deep.equal([...PAID, 'payment.reorged']);
  });

  it('is withdrawn when nobody else has answered for a minute, or only one that is stuck', async () => {
    const ctx = through(fork.rpcUrl, NOWHERE);
    const time = passTime();
    try {
      for (let seconds = 0; seconds < 60; seconds += 20) {
        await scanChain(ctx, chainId);
        expect(await historyOf(), `after ${seconds} seconds`).to.deep.equal(PAID);
        time.pass(20_000);
      }
      await scanChain(ctx, chainId);
    } finally {
      time.end();
    }
    expect((await historyOf()).at(-1)).to.equal('payment.reorged');
    await goOn();
    await growFork(CONFIRMATIONS + 3);
    odd.ageBy(3_600_000);
    await scanChain(through(fork.rpcUrl, odd.url), chainId);
    expect((await historyOf()).at(-1)).to.equal('payment.reorged');
  });

  it('is withdrawn when the chain itself has left it', async () => {
    const other = await startOddNode(fork.rpcUrl);
    await scanChain(through(other.url, fork.rpcUrl), chainId);
    await other.close();
    expect((await historyOf()).at(-1)).to.equal('payment.reorged');
  });
});
