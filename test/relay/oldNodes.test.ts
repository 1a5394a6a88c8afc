import { expect } from 'chai';

import { createChain } from '../../adapters/chain/createChain.ts';
import type { ChainPort } from '../../domain/chain/ports.ts';
import { DONE } from '../../domain/outbox/model.ts';
import type { Payment } from '../../domain/payments/model.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import { checkRelayers } from '../../domain/relayers/checkRelayers.ts';
import { endUnsent } from '../../domain/relay/send/endUnsent.ts';
import { listRelayers } from '../../domain/relayers/state/relayerStore.ts';
import { sendAttempt } from '../../domain/relay/sendAttempt.ts';
import { getGaslessRequest } from '../../domain/relay/getGaslessRequest.ts';
import { relayPayment } from '../../domain/relay/relayPayment.ts';
import type { Context } from '../../platform/context.ts';
import { addMs } from '../../shared/clock.ts';
import { expectRefusal } from '../support/expectRefusal.ts';
import { signGasless } from '../support/gasless.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { startOwnChain, type OwnChain, type OwnRelayer } from '../support/ownChain.ts';
import { readHistory } from '../support/paymentHistory.ts';
import { acceptRelay, confirmOnce, readAttempt, readPayment } from '../support/relayFlow.ts';
import { startOddNode, type OddNode } from '../support/startOddNode.ts';
import { atTime, withChain, withRelayers } from '../support/varyContext.ts';
import { readRelayerLoads } from '../../domain/relay/readRelayerLoads.ts';

const CONFIRMATIONS = 2;

describe('a relay whose chain is asked through a URL that lags', function () {
  this.timeout(30_000);

  let chain: OwnChain;
  let harness: Harness;
  let chainId: number;
  let store: TestStore;
  let relayer: OwnRelayer;
  let ctx: Context;
  let node: OddNode;
  /** Through the URL that lags, and nothing else. */
  let old: ChainPort;
  /** Through it first, and then through one that does not. */
  let both: ChainPort;

  before(async function () {
    this.timeout(120_000);
    chain = await startOwnChain();
    node = await startOddNode(chain.rpcUrl);
    harness = await createHarness({
      config: chain.configure({ confirmations: CONFIRMATIONS, maxBlockRange: 100 }),
    });
    chainId = harness.config.chains[0]?.chainId ?? 0;
    store = await harness.createTestStore();
    await scanChain(harness.ctx, chainId);
  });
  after(async () => {
    await harness.close();
    await node.close();
    await chain.close();
  });
  beforeEach(async () => {
    node.catchUp();
    node.ageBy(0);
    relayer = await chain.createRelayer();
    ctx = withRelayers(harness.ctx, chainId, [relayer]);
    const [config] = harness.config.chains;
    if (config === undefined) throw new Error('there is no chain');
    old = createChain({
      chain: { ...config, rpcUrls: [node.url] },
      clock: harness.ctx.clock,
      log: harness.ctx.log,
    });
    both = createChain({
      chain: { ...config, rpcUrls: [node.url, chain.rpcUrl] },
      clock: harness.ctx.clock,
      log: harness.ctx.log,
    });
  });

  const through = (port: ChainPort, base: Context = ctx): Context => ({
    ...base,
    chains: new Map([[chainId, port]]),
  });
  const createPayment = () => harness.createTestPayment(store, { token: chain.token });
  const withGrace = (refusalGraceMs: number, base = ctx): Context => ({
    ...base,
    config: { ...base.config, relay: { ...base.config.relay, refusalGraceMs } },
  });

  /** The scanner passes what was mined, and is shown no event of it. */
  async function scanWithoutLogs(): Promise<void> {
    const hiding = withChain(ctx, chainId, (port) => ({
      listGatewayLogs: async (range) => ({
        ...(await port.listGatewayLogs(range)),
        payments: [],
        refunds: [],
      }),
    }));
    await scanChain(hiding, chainId);
  }

  async function expectNoWordOfFailure(payment: Payment): Promise<void> {
    const history = await readHistory(ctx, await readPayment(ctx, payment));
    expect(history).to.deep.equal(['payment.created', 'payment.processing']);
  }

  /** In the end it is told as it is. */
  async function expectPaid(payment: Payment): Promise<void> {
    await chain.mine(CONFIRMATIONS);
    await scanChain(ctx, chainId);
    const paid = await readPayment(ctx, payment);
    expect(await readHistory(ctx, paid)).to.deep.equal([
      'payment.created',
      'payment.processing',
      'payment.completed',
    ]);
    expect(await chain.countPayments(payment.id)).to.equal(1);
  }

  it('is not called failed when its transaction was in vain since the payment was made before it', async () => {
    const [customer, payment] = [await chain.createCustomer(), await createPayment()];
    const { id } = await acceptRelay(ctx, customer, payment);
    await chain.pay(customer, payment);
    expect(await sendAttempt(ctx, id)).to.deep.equal(DONE);
    await node.standStill();
    await chain.mine(CONFIRMATIONS);
    // One who answers shows the receipt, and another one who paid.
    const mixed = withChain(ctx, chainId, () => ({ findPayer: old.findPayer }));
    expect((await confirmOnce(mixed, payment)).kind).to.equal('later');
    expect(await readAttempt(ctx, payment)).to.include({ status: 'mined', errorCode: null });
    await expectNoWordOfFailure(payment);
    const several = withChain(ctx, chainId, () => ({ findPayer: both.findPayer }));
    await confirmOnce(several, payment);
    await scanChain(ctx, chainId);
    expect(await confirmOnce(several, payment)).to.deep.equal(DONE);
    expect(await readAttempt(ctx, payment)).to.include({ status: 'failed', errorCode: 'PAY_003' });
    await expectPaid(payment);
  });

  it('is not sent again when the payment was made, and neither a receipt nor a log shows it', async () => {
    const payment = await createPayment();
    const { id } = await acceptRelay(ctx, await chain.createCustomer(), payment);
    expect(await sendAttempt(ctx, id)).to.deep.equal(DONE);
    await node.standStill();
    await chain.mine(CONFIRMATIONS);
    await scanWithoutLogs();
    const impatient = {
      ...ctx,
      config: { ...ctx.config, relay: { ...ctx.config.relay, resendAfterMs: 1 } },
    };
    expect((await confirmOnce(through(old, impatient), payment)).kind).to.equal('later');
    expect(await readAttempt(ctx, payment)).to.include({ status: 'submitted' });
    await confirmOnce(ctx, payment);
    expect((await readPayment(ctx, payment)).position?.txHash).to.equal(relayer.sent[0]?.hash);
    await expectPaid(payment);
    expect(await confirmOnce(ctx, payment)).to.deep.equal(DONE);
  });

  it('keeps its relayer, whose coins such a URL has not seen', async () => {
    await node.standStill();
    await chain.mine();
    const rich = await chain.createRelayer();
    const standingThrough = async (port: ChainPort) => {
      const base = through(port, withRelayers(harness.ctx, chainId, [rich]));
      await checkRelayers(base, readRelayerLoads);
      return (await listRelayers(base.db, [rich.id]))[0]?.standing;
    };
    expect(await standingThrough(old), 'with no other one to ask').to.equal('poor');
    expect(await standingThrough(both)).to.equal('ready');
  });

  describe('that cannot be sent', () => {
    const REFUSED = { code: 'PAY_029', detail: 'The chain would refuse the request.' };

    it('is not ended while the URL lacks what was scanned: the payment may have been made there', async () => {
      const [customer, payment] = [await chain.createCustomer(), await createPayment()];
      const attempt = await acceptRelay(ctx, customer, payment);
      await node.standStill();
      await chain.pay(customer, payment);
      await chain.mine();
      await scanWithoutLogs();
      expect((await endUnsent(through(old), attempt, REFUSED)).kind).to.equal('later');
      expect(await readAttempt(ctx, payment)).to.include({ status: 'queued' });
      await expectNoWordOfFailure(payment);
      await expectPaid(payment);
      expect(
        (await endUnsent(through(both), attempt, REFUSED)).kind,
        'asked so soon again',
      ).to.equal('later');
      const then = atTime(through(both), addMs(ctx.clock.now(), 5_000));
      expect(await endUnsent(then, attempt, REFUSED)).to.deep.equal(DONE);
      expect(await readAttempt(ctx, payment)).to.include({
        status: 'failed',
        errorCode: 'PAY_003',
      });
    });

    it('is not ended on the word of one URL that has one block more than the others, whose word is that it is paid', async () => {
      const [customer, payment] = [await chain.createCustomer(), await createPayment()];
      const attempt = await acceptRelay(ctx, customer, payment);
      await chain.pay(customer, payment);
      await chain.mine();
      await scanWithoutLogs();
      node.runAhead(1);
      node.changeResults((method, result) =>
        method === 'eth_call' ? `0x${'00'.repeat(32)}` : result,
      );
      // Later than what an earlier test found unclear is remembered.
      expect(
        (await endUnsent(atTime(through(both), addMs(ctx.clock.now(), 60_000)), attempt, REFUSED))
          .kind,
      ).to.equal('later');
      node.changeResults(undefined);
      node.runAhead(0);
      expect(await readAttempt(ctx, payment)).to.include({ status: 'queued' });
      await expectNoWordOfFailure(payment);
      await expectPaid(payment);
      await endUnsent(ctx, await readAttempt(ctx, payment), REFUSED);
    });

    it('is not ended for its deadline on the word of one URL that says that it is later than the others do', async () => {
      const payment = await createPayment();
      const attempt = await acceptRelay(ctx, await chain.createCustomer(), payment);
      await scanChain(ctx, chainId);
      const { timestamp } = await ctx.chains.get(chainId)!.getHead();
      const overdue = { ...attempt, deadline: addMs(timestamp, 10_000) };
      const later = (block: { timestamp: string }) => ({
        ...block,
        timestamp: `0x${(Number(block.timestamp) + 20).toString(16)}`,
      });
      node.changeResults((method, result) =>
        method === 'eth_getBlockByNumber' ? later(result as { timestamp: string }) : result,
      );
      const then = atTime(through(both), addMs(ctx.clock.now(), 120_000));
      expect(
        (await endUnsent(then, overdue, { code: 'PAY_019', detail: 'It is too late.' })).kind,
      ).to.equal('later');
      node.changeResults(undefined);
      expect(await readAttempt(ctx, payment)).to.include({ status: 'queued' });
      await expectNoWordOfFailure(payment);
      await endUnsent(ctx, await readAttempt(ctx, payment), REFUSED);
    });

    it('is not ended for its deadline while the URL lacks the block that is later', async () => {
      const [customer, payment] = [await chain.createCustomer(), await createPayment()];
      const attempt = await acceptRelay(ctx, customer, payment);
      await node.standStill();
      await chain.pay(customer, payment);
      await chain.mine();
      const overdue = withChain(ctx, chainId, (port) => ({
        findPayer: old.findPayer,
        getHead: async () => ({
          ...(await port.getHead()),
          timestamp: addMs(attempt.deadline, 1_000),
        }),
      }));
      const later = atTime(overdue, addMs(attempt.deadline, 1_000));
      expect(
        (await endUnsent(later, attempt, { code: 'PAY_019', detail: 'It is too late.' })).kind,
      ).to.equal('later');
      await expectNoWordOfFailure(payment);
      await expectPaid(payment);
      await endUnsent(ctx, await readAttempt(ctx, payment), REFUSED);
    });

    it('waits for its nonce while the URL does not know that the one before it was used', async () => {
      const [customer, first, second] = [
        await chain.createCustomer(),
        await createPayment(),
        await createPayment(),
      ];
      const { id } = await acceptRelay(ctx, customer, first);
      expect(await sendAttempt(ctx, id)).to.deep.equal(DONE);
      const attempt = await acceptRelay(ctx, customer, second);
      await node.standStill();
      await expectPaid(first);
      await confirmOnce(ctx, first);
      expect((await sendAttempt(through(old), attempt.id)).kind).to.equal('later');
      expect(await readAttempt(ctx, second)).to.include({ status: 'queued' });
      await expectNoWordOfFailure(second);
      // It stood aside until then.
      expect(await sendAttempt(atTime(ctx, addMs(new Date(), 6_000)), attempt.id)).to.deep.equal(
        DONE,
      );
      await expectPaid(second);
      await confirmOnce(ctx, second);
    });
  });

  describe('that one URL refuses', () => {
    const aged = async (old: OddNode) => {
      await old.standStill();
      old.ageBy(3_600_000);
    };
    const refuses = (method: string, result: unknown) =>
      ['eth_call', 'eth_estimateGas'].includes(method)
        ? new Error('execution reverted: no')
        : result;

    afterEach(() => node.changeResults(undefined));

    it('is not ended while another one would take it, which it is sent through then', async () => {
      const payment = await createPayment();
      const { id } = await acceptRelay(ctx, await chain.createCustomer(), payment);
      await scanChain(ctx, chainId);
      node.changeResults(refuses);
      expect((await sendAttempt(through(both), id)).kind).to.equal('later');
      expect(await readAttempt(ctx, payment)).to.include({ status: 'queued', errorCode: null });
      await expectNoWordOfFailure(payment);
      // It stood aside until then.
      expect(await sendAttempt(atTime(through(both), addMs(new Date(), 6_000)), id)).to.deep.equal(
        DONE,
      );
      expect(relayer.sent).to.have.length(1);
      await expectPaid(payment);
      await confirmOnce(ctx, payment);
    });

    it('is ended by its word when nobody else answers who knows the chain', async () => {
      const [lagging, alone] = [await createPayment(), await createPayment()];
      for (const payment of [lagging, alone])
        await acceptRelay(ctx, await chain.createCustomer(), payment);
      await aged(node);
      const liar = await startOddNode(chain.rpcUrl);
      liar.changeResults((method, result) =>
        method === 'eth_estimateGas' ? new Error('execution reverted: no') : result,
      );
      await chain.mine();
      await scanChain(ctx, chainId);
      const portOf = (...rpcUrls: string[]) =>
        createChain({
          chain: { ...harness.config.chains[0]!, rpcUrls },
          log: ctx.log,
          clock: ctx.clock,
        });
      const lag = await readAttempt(ctx, lagging);
      // The one that would take it lacks what was scanned, and is stuck.
      await sendAttempt(through(portOf(liar.url, node.url)), lag.id);
      await sendAttempt(through(portOf(liar.url)), (await readAttempt(ctx, alone)).id);
      await liar.close();
      for (const payment of [lagging, alone])
        expect(await readAttempt(ctx, payment)).to.include({ status: 'failed', sends: 0 });
    });

    it('waits while nobody answers who knows the chain', async () => {
      const [customer, payment] = [await chain.createCustomer(), await createPayment()];
      const { id } = await acceptRelay(ctx, customer, payment);
      await node.standStill();
      await chain.mine();
      await scanChain(ctx, chainId);
      node.changeResults(refuses);
      const second = await startOddNode(node.url);
      const [config] = harness.config.chains;
      const port = createChain({
        chain: { ...config!, rpcUrls: [node.url, second.url] },
        log: ctx.log,
        clock: ctx.clock,
      });
      expect((await sendAttempt(through(port), id)).kind).to.equal('later');
      await second.close();
      expect(await readAttempt(ctx, payment)).to.include({ status: 'queued', errorCode: null });
      node.changeResults(undefined);
      expect(await sendAttempt(atTime(ctx, addMs(new Date(), 40_000)), id)).to.deep.equal(DONE);
      await expectPaid(payment);
      await confirmOnce(ctx, payment);
    });
  });

  describe('that is asked for', () => {
    it('is never given a nonce that one of the payer’s requests has used just now', async () => {
      const [customer, first, second] = [
        await chain.createCustomer(),
        await createPayment(),
        await createPayment(),
      ];
      const { id } = await acceptRelay(ctx, customer, first);
      expect(await sendAttempt(ctx, id)).to.deep.equal(DONE);
      await node.standStill();
      await expectPaid(first);
      await confirmOnce(ctx, first);
      const request = { storeId: store.storeId, paymentId: second.id, payer: customer.address };
      const patient = withGrace(15_000);
      expect(
        (await expectRefusal(getGaslessRequest(through(old, patient), request))).code,
      ).to.equal('PAY_020');
      expect((await getGaslessRequest(through(both, patient), request)).nonce).to.equal(1n);
    });

    it('is told by no such URL that its nonce is not the next one, or that its payer is short of tokens', async () => {
      await node.standStill();
      const [customer, first, second] = [
        await chain.createCustomer(),
        await createPayment(),
        await createPayment(),
      ];
      const { id } = await acceptRelay(ctx, customer, first);
      expect(await sendAttempt(ctx, id)).to.deep.equal(DONE);
      await expectPaid(first);
      await confirmOnce(ctx, first);
      const signed = await signGasless(ctx, customer, second);
      expect(
        (await expectRefusal(relayPayment(through(old), signed))).code,
        'neither is known',
      ).to.equal('PAY_020');
      const rich = { ...old, findRefusal: both.findRefusal };
      expect((await expectRefusal(relayPayment(through(rich), signed))).code, 'the nonce').to.equal(
        'PAY_020',
      );
      expect(await relayPayment(through(both), signed)).to.include({ status: 'processing' });
      const attempt = await readAttempt(ctx, second);
      expect(await sendAttempt(ctx, attempt.id)).to.deep.equal(DONE);
      await expectPaid(second);
      await confirmOnce(ctx, second);
    });
  });
});
