import { expect } from 'chai';

import { createChain } from '../../adapters/chain/createChain.ts';
import type { ChainPort } from '../../domain/chain/ports.ts';
import { DONE } from '../../domain/outbox/model.ts';
import type { Payment } from '../../domain/payments/model.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import { confirmTransaction } from '../../domain/relay/confirmTransaction.ts';
import { readRelayerLoads } from '../../domain/relay/readRelayerLoads.ts';
import { sendAttempt } from '../../domain/relay/sendAttempt.ts';
import { findTransaction } from '../../domain/relay/attempts/transactionStore.ts';
import type { Context } from '../../platform/context.ts';
import { addMs } from '../../shared/clock.ts';
import { expectTrueFlights } from '../support/expectTrueFlights.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { startOwnChain, type OwnChain, type OwnRelayer } from '../support/ownChain.ts';
import { readHistory } from '../support/paymentHistory.ts';
import { acceptRelay, confirmOnce, readAttempt, readPayment } from '../support/relayFlow.ts';
import { startOddNode, type OddNode } from '../support/startOddNode.ts';
import { atTime, setSettledTime, withRelayers } from '../support/varyContext.ts';

const HOUR_MS = 3_600_000;

type Fields = Record<string, unknown>;

describe('a relay whose receipt is damaged', function () {
  this.timeout(60_000);

  let chain: OwnChain;
  let harness: Harness;
  let chainId: number;
  let store: TestStore;
  let relayer: OwnRelayer;
  let node: OddNode;
  /** Asks the node that damages it, and no other. */
  let ctx: Context;
  /** Asks another one after that. */
  let both: ChainPort;

  before(async function () {
    this.timeout(120_000);
    chain = await startOwnChain();
    node = await startOddNode(chain.rpcUrl);
    harness = await createHarness({ config: chain.configure({ confirmations: 1 }) });
    chainId = harness.config.chains[0]?.chainId ?? 0;
    store = await harness.createTestStore();
  });
  after(async () => {
    await harness.close();
    await node.close();
    await chain.close();
  });
  beforeEach(async () => {
    node.changeResults(undefined);
    relayer = await chain.createRelayer();
    const [config] = harness.config.chains;
    if (config === undefined) throw new Error('there is no chain');
    const alone = createChain({
      chain: { ...config, rpcUrls: [node.url] },
      clock: harness.ctx.clock,
      log: harness.ctx.log,
    });
    both = createChain({
      chain: { ...config, rpcUrls: [node.url, chain.rpcUrl] },
      clock: harness.ctx.clock,
      log: harness.ctx.log,
    });
    ctx = { ...withRelayers(harness.ctx, chainId, [relayer]), chains: new Map([[chainId, alone]]) };
  });
  afterEach(() => expectTrueFlights(harness.ctx.db));

  /** Paid by its relay, and told so by the scanner. */
  async function relay(): Promise<Payment> {
    const payment = await harness.createTestPayment(store, { token: chain.token });
    const { id } = await acceptRelay(ctx, await chain.createCustomer(), payment);
    expect(await sendAttempt(ctx, id)).to.deep.equal(DONE);
    await chain.mine();
    await scanChain(harness.ctx, chainId);
    expect((await readPayment(ctx, payment)).status).to.equal('completed');
    return payment;
  }

  const damage = (change: (receipt: Fields) => Fields) =>
    node.changeResults((method, result) =>
      method === 'eth_getTransactionReceipt' && result !== null ? change(result as Fields) : result,
    );

  async function load(): Promise<number> {
    const [of] = await readRelayerLoads(ctx.db, [{ id: relayer.id }], new Date());
    return (of?.inFlight ?? 0) + (of?.abandoned ?? 0);
  }

  async function expectSucceeded(payment: Payment): Promise<void> {
    const attempt = await readAttempt(ctx, payment);
    expect(attempt).to.include({ status: 'succeeded', errorCode: null });
    expect(attempt.gasUsed > 0n && attempt.gasCost > 0n, 'what it used is charged').to.equal(true);
    expect(await load()).to.equal(0);
    expect(await readHistory(ctx, await readPayment(ctx, payment))).to.deep.equal([
      'payment.created',
      'payment.processing',
      'payment.completed',
    ]);
  }

  const without = (name: string) => (receipt: Fields) => ({ ...receipt, [name]: undefined });
  const logOf = (change: (log: Fields) => Fields) => (receipt: Fields) => ({
    ...receipt,
    logs: (receipt['logs'] as Fields[]).map(change),
  });
  const DAMAGES: readonly (readonly [name: string, change: (receipt: Fields) => Fields])[] = [
    ['without a status', without('status')],
    ['with a status that is no number', (receipt) => ({ ...receipt, status: 'ok' })],
    ['without what it used', without('gasUsed')],
    ['without its logs', without('logs')],
    ['of a block without a hash', without('blockHash')],
    ['with a log that has half a byte of data', logOf((log) => ({ ...log, data: '0x1' }))],
    [
      'with logs of another transaction',
      logOf((log) => ({ ...log, transactionHash: `0x${'ab'.repeat(32)}` })),
    ],
  ];

  it('without a price ends it all the same, and is charged what its transaction shows', async () => {
    const payment = await relay();
    damage(without('effectiveGasPrice'));
    expect(await confirmOnce(ctx, payment)).to.deep.equal(DONE);
    await expectSucceeded(payment);
  });

  for (const [name, change] of DAMAGES) {
    it(`${name} is read from another URL; with a single one it waits, as a failure that is counted, and ends when that shows it whole`, async () => {
      const payments = [await relay(), await relay()] as const;
      damage(change);
      const several = { ...ctx, chains: new Map([[chainId, both]]) };
      expect(await confirmOnce(several, payments[1])).to.deep.equal(DONE);

      const waits = await confirmOnce(ctx, payments[0]);
      if (waits.kind !== 'later') throw new Error('nothing is known of it');
      expect(waits.failure, 'after some of these there is an alert').to.include({
        code: 'PAY_020',
      });
      expect(await readAttempt(ctx, payments[0])).to.include({
        status: 'submitted',
        errorCode: null,
      });
      expect(await load()).to.equal(1);

      node.changeResults(undefined);
      expect(await confirmOnce(ctx, payments[0])).to.deep.equal(DONE);
      for (const payment of payments) await expectSucceeded(payment);
    });
  }

  describe('for ever', () => {
    it('ends with its payment’s fate once its time is over, and takes no place of its relayer then', async () => {
      const payment = await relay();
      damage(without('status'));
      const { deadline, transactionId } = await readAttempt(ctx, payment);
      await setSettledTime(ctx, chainId, addMs(deadline, 31_000));
      const after = atTime(ctx, addMs(deadline, HOUR_MS - 1));
      expect(
        (await confirmOnce(after, payment)).kind,
        'the scanner has seen it, and by which transaction nobody tells',
      ).to.equal('later');
      await confirmOnce(atTime(ctx, addMs(deadline, HOUR_MS)), payment);
      expect(await readAttempt(ctx, payment)).to.include({
        status: 'failed',
        errorCode: 'PAY_003',
      });
      expect(await readHistory(ctx, await readPayment(ctx, payment)))
        .to.include('payment.completed')
        .and.not.include('payment.relay_failed');

      // Its relayer has it as pending.
      expect(await load()).to.equal(1);
      const { validUntil } = (await findTransaction(ctx.db, transactionId ?? ''))!;
      expect(
        await confirmTransaction(atTime(ctx, addMs(validUntil, HOUR_MS)), transactionId ?? ''),
      ).to.deep.equal(DONE);
      expect(await load()).to.equal(0);
    });

    it('ends as failed when the chain shows that it did nothing', async () => {
      const [customer, payment] = [
        await chain.createCustomer(),
        await harness.createTestPayment(store, { token: chain.token }),
      ];
      const { id } = await acceptRelay(ctx, customer, payment);
      await chain.moveTokensAway(customer);
      expect(await sendAttempt(ctx, id)).to.deep.equal(DONE);
      await chain.mine();
      await scanChain(harness.ctx, chainId);
      damage(without('logs'));
      const { deadline } = await readAttempt(ctx, payment);
      expect((await confirmOnce(atTime(ctx, deadline), payment)).kind).to.equal('later');
      expect(await readAttempt(ctx, payment)).to.include({ status: 'submitted' });
      await setSettledTime(ctx, chainId, addMs(deadline, 31_000));
      await confirmOnce(atTime(ctx, addMs(deadline, 31_000)), payment);
      expect(await readAttempt(ctx, payment)).to.include({
        status: 'failed',
        errorCode: 'PAY_019',
      });
      expect((await readPayment(ctx, payment)).status).to.equal('failed');
      await harness.ctx
        .db('chain_cursors')
        .update({ settled_block: null, settled_timestamp: null });
    });
  });
});
