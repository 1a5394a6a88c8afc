import { expect } from 'chai';

import { createChain } from '../../adapters/chain/createChain.ts';
import { DONE } from '../../domain/outbox/model.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import { sendAttempt } from '../../domain/relay/sendAttempt.ts';
import { toUnixSeconds } from '../../shared/clock.ts';
import { askFor, createAskNode } from '../chaos/nodes/rpc.ts';
import { startOrphanFork } from '../chaos/nodes/startOrphanFork.ts';
import { createHarness, type Harness } from '../support/harness.ts';
import { startOwnChain, type OwnChain } from '../support/ownChain.ts';
import { readHistory } from '../support/paymentHistory.ts';
import { acceptRelay, confirmOnce, readAttempt, readPayment } from '../support/relayFlow.ts';
import { withRelayers } from '../support/varyContext.ts';

const CONFIRMATIONS = 2;

describe('a relay that was mined in vain on a branch that one RPC URL takes for the chain', function () {
  this.timeout(60_000);

  let chain: OwnChain;
  let harness: Harness;

  before(async function () {
    this.timeout(120_000);
    chain = await startOwnChain();
    harness = await createHarness({
      config: chain.configure({ confirmations: CONFIRMATIONS, maxBlockRange: 100 }),
    });
  });
  after(async () => {
    await harness.close();
    await chain.close();
  });

  it('is not called failed while another one has no such block yet, which comes by itself', async () => {
    const { chainId } = chain;
    const relayer = await chain.createRelayer();
    const ctx = withRelayers(harness.ctx, chainId, [relayer]);
    const payment = await harness.createTestPayment(await harness.createTestStore(), {
      token: chain.token,
    });
    const { id } = await acceptRelay(ctx, await chain.createCustomer(), payment);
    const fork = await startOrphanFork(createAskNode(chain.rpcUrl), chainId);
    try {
      expect(await sendAttempt(ctx, id)).to.deep.equal(DONE);
      // There the token takes nothing.
      await askFor(fork.ask, 'anvil_setCode', [chain.token, '0x60006000fd']);
      await fork.mine(relayer.sent.map(({ raw }) => raw));
      for (let blocks = 0; blocks < CONFIRMATIONS + 3; blocks++) await fork.mine([]);

      const [config] = harness.config.chains;
      if (config === undefined) throw new Error('there is no chain');
      const port = createChain({
        chain: { ...config, rpcUrls: [fork.rpcUrl, chain.rpcUrl] },
        log: ctx.log,
        clock: ctx.clock,
      });
      const forked = { ...ctx, chains: new Map([[chainId, port]]) };
      expect(
        (await port.findReceipt(relayer.sent[0]!.hash))?.succeeded,
        'as the first URL says',
      ).to.equal(false);
      expect((await confirmOnce(forked, payment)).kind).to.equal('later');
      expect(await readAttempt(ctx, payment)).to.include({ status: 'mined', errorCode: null });
      // Nor once the other one has come as far.
      await chain.mine(1);
      expect((await confirmOnce(forked, payment)).kind).to.equal('later');
      expect(await readHistory(ctx, await readPayment(ctx, payment))).to.deep.equal([
        'payment.created',
        'payment.processing',
      ]);
    } finally {
      await fork.close();
    }
    await chain.mine(CONFIRMATIONS);
    await scanChain(ctx, chainId);
    expect(await confirmOnce(ctx, payment)).to.deep.equal(DONE);
    expect(await readAttempt(ctx, payment)).to.include({ status: 'succeeded' });
  });

  it('is not called failed while another one has another block there, and is told as it is', async () => {
    const { chainId } = chain;
    const relayer = await chain.createRelayer();
    const ctx = withRelayers(harness.ctx, chainId, [relayer]);
    const payment = await harness.createTestPayment(await harness.createTestStore(), {
      token: chain.token,
    });
    const { id, deadline } = await acceptRelay(ctx, await chain.createCustomer(), payment);
    const fork = await startOrphanFork(createAskNode(chain.rpcUrl), chainId);
    try {
      expect(await sendAttempt(ctx, id)).to.deep.equal(DONE);
      // Its blocks come when the signature is over.
      await askFor(fork.ask, 'evm_setNextBlockTimestamp', [toUnixSeconds(deadline) + 10]);
      await fork.mine(relayer.sent.map(({ raw }) => raw));
      await fork.mine([]);
      await fork.mine([]);
      await chain.mine(CONFIRMATIONS);

      const [config] = harness.config.chains;
      if (config === undefined) throw new Error('there is no chain');
      const port = createChain({
        chain: { ...config, rpcUrls: [fork.rpcUrl, chain.rpcUrl] },
        log: ctx.log,
        clock: ctx.clock,
      });
      const forked = { ...ctx, chains: new Map([[chainId, port]]) };
      expect(
        (await port.findReceipt(relayer.sent[0]!.hash))?.succeeded,
        'as the first URL says',
      ).to.equal(false);
      expect((await confirmOnce(forked, payment)).kind).to.equal('later');
      expect(await readAttempt(ctx, payment)).to.include({ status: 'mined', errorCode: null });
      expect(await readHistory(ctx, await readPayment(ctx, payment))).to.deep.equal([
        'payment.created',
        'payment.processing',
      ]);

      await scanChain(ctx, chainId);
      expect(await confirmOnce(ctx, payment)).to.deep.equal(DONE);
      expect(await readHistory(ctx, await readPayment(ctx, payment))).to.deep.equal([
        'payment.created',
        'payment.processing',
        'payment.completed',
      ]);
      expect(await readAttempt(ctx, payment)).to.include({ status: 'succeeded' });
    } finally {
      await fork.close();
    }
  });
});
