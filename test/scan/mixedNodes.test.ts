import { expect } from 'chai';

import type { Payment } from '../../domain/payments/model.ts';
import { rescanBlocks } from '../../domain/scan/rescanBlocks.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import type { Hex } from '../../shared/hex.ts';
import { addMs } from '../../shared/clock.ts';
import { askFor, createAskNode } from '../chaos/nodes/rpc.ts';
import { startOrphanFork, type OrphanFork } from '../chaos/nodes/startOrphanFork.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { startOwnChain, type OwnChain } from '../support/ownChain.ts';
import { readHistory } from '../support/paymentHistory.ts';
import { readPayment } from '../support/relayFlow.ts';
import { startMixedNode, type MixedNode } from '../support/startMixedNode.ts';
import { atTime, withRpcUrls } from '../support/varyContext.ts';

const CONFIRMATIONS = 3;
/** After this completed ones are looked at again. */
const NEXT_LOOK_MS = 16_000;
const SEEN = ['payment.created', 'payment.processing'];

/**
 * A provider has many nodes behind one URL, and some of them are still on a branch that all others
 * have left.
 */
describe('one RPC URL whose nodes do not follow the same branch', function () {
  this.timeout(60_000);

  let chain: OwnChain;
  let harness: Harness;
  let store: TestStore;
  let chainId: number;
  let payment: Payment;
  let fork: OrphanFork;
  let mixed: MixedNode;
  let raw: Hex;
  /**
   * Of requests for blocks by their number, without logs: those that are answered on the branch.
   */
  let isOnBranch: (request: number) => boolean = () => false;
  let requests = 0;

  before(async function () {
    this.timeout(120_000);
    chain = await startOwnChain();
    harness = await createHarness({
      config: chain.configure({ confirmations: CONFIRMATIONS, maxBlockRange: 100 }),
    });
    store = await harness.createTestStore();
    ({ chainId } = chain);
    mixed = await startMixedNode((questions) => {
      const isAboutBlocks =
        questions.every(
          ({ method }) => method === 'eth_chainId' || method === 'eth_getBlockByNumber',
        ) && questions.some(({ params }) => String(params?.[0]).startsWith('0x'));
      return isAboutBlocks && isOnBranch(requests++) ? fork.rpcUrl : chain.rpcUrl;
    });
  });
  after(async () => {
    await mixed.close();
    await harness.close();
    await chain.close();
  });

  /**
   * Paid on a branch, where it is not deep enough; on the chain, which is a block longer, it is not
   * paid.
   */
  beforeEach(async () => {
    isOnBranch = () => false;
    requests = 0;
    payment = await harness.createTestPayment(store, {
      token: chain.token,
      expiresInSeconds: 3_600,
    });
    const customer = await chain.createCustomer();
    await scanThrough(chain.rpcUrl);
    fork = await startOrphanFork(createAskNode(chain.rpcUrl), chainId);
    const restore = await chain.takeSnapshot();
    ({ raw } = await chain.pay(customer, payment));
    await restore();
    await fork.mine([raw]);
    for (let block = 2; block < CONFIRMATIONS; block++) await fork.mine([]);
    await scanThrough(fork.rpcUrl);
    expect(await historyOf()).to.deep.equal(SEEN);
    await chain.mine(CONFIRMATIONS);
  });
  afterEach(() => fork.close());

  const historyOf = async () => readHistory(harness.ctx, await readPayment(harness.ctx, payment));
  const scanThrough = (url: string, afterMs = 0) =>
    scanChain(
      withRpcUrls(atTime(harness.ctx, addMs(new Date(), afterMs)), chainId, [url]),
      chainId,
    );

  it('completes nothing that only the branch has, deep enough by the head of the chain', async () => {
    isOnBranch = () => true;
    for (let scans = 0; scans < 4; scans++) {
      await scanThrough(mixed.url, scans * NEXT_LOOK_MS);
      expect(await historyOf()).to.deep.equal(SEEN);
      await chain.mine();
    }
    isOnBranch = () => false;
    await scanThrough(mixed.url);
    expect(await historyOf()).to.deep.equal([...SEEN, 'payment.reorged']);
  });

  it('completes nothing so when only some of its questions are answered on the branch', async () => {
    isOnBranch = (request) => request % 3 !== 2;
    for (let scans = 0; scans < 6; scans++) {
      await scanThrough(mixed.url, scans * NEXT_LOOK_MS);
      expect(await historyOf()).not.to.include('payment.completed');
    }
    isOnBranch = () => false;
    await scanThrough(mixed.url, 6 * NEXT_LOOK_MS);
    expect(await historyOf()).to.deep.equal([...SEEN, 'payment.reorged']);
  });

  it('does not move what is paid on the chain to where it stands on the branch, when blocks are read again there', async () => {
    await scanThrough(chain.rpcUrl);
    await chain.mine();
    await askFor(createAskNode(chain.rpcUrl), 'eth_sendRawTransaction', [raw]);
    await chain.mine(CONFIRMATIONS);
    await scanThrough(chain.rpcUrl);
    const { position } = await readPayment(harness.ctx, payment);
    expect(position?.blockNumber).to.equal(BigInt(fork.base) + 1n + BigInt(CONFIRMATIONS) + 1n);
    const branch = await startMixedNode((questions) =>
      questions.some(({ params }) => params?.[0] === 'latest') ? chain.rpcUrl : fork.rpcUrl,
    );
    try {
      const ctx = withRpcUrls(harness.ctx, chainId, [branch.url]);
      const fromBlock = BigInt(fork.base);
      const outcome = await rescanBlocks(ctx, {
        chainId,
        fromBlock,
        toBlock: fromBlock + 2n,
        reason: 'rescan',
      }).catch((error: unknown) => error);
      expect(outcome, 'it is to be tried again').to.have.property('code', 'PAY_020');
    } finally {
      await branch.close();
    }
    expect((await readPayment(harness.ctx, payment)).position).to.deep.equal(position);
  });

  it('completes what is paid on the chain, as soon as a node of the chain is asked, and takes nothing back', async () => {
    await scanThrough(chain.rpcUrl);
    await chain.pay(await chain.createCustomer(), payment);
    await chain.mine(CONFIRMATIONS);
    isOnBranch = (request) => request % 3 === 0;
    for (let scans = 0; scans < 6; scans++) await scanThrough(mixed.url, scans * NEXT_LOOK_MS);
    const completed = [...SEEN, 'payment.reorged', 'payment.processing', 'payment.completed'];
    expect(await historyOf()).to.deep.equal(completed);
    isOnBranch = () => true;
    for (let scans = 6; scans < 10; scans++) {
      await chain.mine();
      await scanThrough(mixed.url, scans * NEXT_LOOK_MS);
    }
    expect(await historyOf()).to.deep.equal(completed);
  });
});
