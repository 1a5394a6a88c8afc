import { expect } from 'chai';
import { pino } from 'pino';

import { measureDepth } from '../../domain/chain/service.ts';
import { checkCompletions } from '../../domain/scan/checkCompletions.ts';
import { isFinal, lastFinalBlock } from '../../domain/chain/decide.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import { getPayment } from '../../domain/payments/service.ts';
import { expirePayment } from '../../domain/scan/expirePayment.ts';
import type { Context } from '../../platform/context.ts';
import { addMs } from '../../shared/clock.ts';
import { asBytes32 } from '../../shared/hex.ts';
import { askFor, createAskNode } from '../chaos/nodes/rpc.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { startOwnChain, type OwnChain } from '../support/ownChain.ts';
import { startOddNode } from '../support/startOddNode.ts';
import { readHistory } from '../support/paymentHistory.ts';
import { atTime, withChain, withRpcUrls } from '../support/varyContext.ts';

/** Anvil calls a block final that is two epochs of 32 blocks below the head. */
const FINALITY_DEPTH = 64;

describe('when a payment counts', () => {
  it('by number: its block and so many minus one on top of it', () => {
    const at = (head: bigint) => isFinal({ blockNumber: 10n }, { head, finalized: undefined }, 3);
    expect([9n, 10n, 11n, 12n, 13n].map(at)).to.deep.equal([false, false, false, true, true]);
    expect(isFinal({ blockNumber: 10n }, { head: 10n, finalized: undefined }, 1)).to.equal(true);
    // What the chain calls final changes nothing then.
    expect(isFinal({ blockNumber: 10n }, { head: 10n, finalized: 10n }, 3)).to.equal(false);
    expect(lastFinalBlock({ head: 1n, finalized: undefined }, 5)).to.equal(-3n);
  });

  it('by finality: its block is the newest final one or older, however deep it is', () => {
    const at = (finalized: bigint | undefined) =>
      isFinal({ blockNumber: 10n }, { head: 1_000n, finalized }, 'finalized');
    expect([9n, 10n, 11n].map(at)).to.deep.equal([false, true, true]);
    expect(at(undefined)).to.equal(false);
  });
});

describe('a chain whose payments wait for finality', () => {
  let chain: OwnChain;
  let harness: Harness;
  let store: TestStore;
  let chainId: number;

  before(async function () {
    this.timeout(120_000);
    chain = await startOwnChain();
    harness = await createHarness({
      config: chain.configure({ confirmations: 'finalized', maxBlockRange: 100 }),
    });
    store = await harness.createTestStore();
    chainId = harness.config.chains[0]?.chainId ?? 0;
  });
  after(async () => {
    await harness.close();
    await chain.close();
  });

  const createPayment = () => harness.createTestPayment(store, { token: chain.token });
  const read = (paymentId: `0x${string}`) =>
    getPayment(harness.ctx, { storeId: store.storeId, paymentId });
  const blockAt = (number: bigint) =>
    askFor<{ number: string }>(createAskNode(chain.rpcUrl), 'eth_getBlockByNumber', [
      `0x${number.toString(16)}`,
      false,
    ]);
  const scan = () => scanChain(harness.ctx, chainId);
  const depthOf = async (ctx: Context, blockNumber: bigint) => {
    const block = await ctx.chains.get(chainId)?.findBlock(blockNumber);
    return (
      await measureDepth(ctx, chainId, {
        blockNumber,
        blockHash: block?.hash ?? asBytes32(`0x${'00'.repeat(32)}`),
      })
    ).kind;
  };

  it('completes a payment when the chain calls its block final, not one block earlier', async () => {
    const customer = await chain.createCustomer();
    const payment = await createPayment();
    const { hash } = await chain.pay(customer, payment);
    await chain.mine();
    await scan();
    const seen = await read(payment.id);
    expect(seen).to.include({ status: 'processing', txHash: hash });
    const blockNumber = seen.position?.blockNumber ?? 0n;

    await chain.mine(FINALITY_DEPTH - 1);
    await scan();
    expect((await read(payment.id)).status).to.equal('processing');
    expect(await depthOf(harness.ctx, blockNumber)).to.equal('waiting');

    await chain.mine();
    await scan();
    expect(await depthOf(harness.ctx, blockNumber)).to.equal('final');
    expect(await depthOf(harness.ctx, blockNumber + 1n)).to.equal('waiting');
    const completed = await read(payment.id);
    expect(completed).to.include({ status: 'completed', late: false });
    expect(await readHistory(harness.ctx, completed)).to.deep.equal([
      'payment.created',
      'payment.processing',
      'payment.completed',
    ]);
  });

  it('completes in one look what was final before it was seen', async () => {
    const customer = await chain.createCustomer();
    const payment = await createPayment();
    await chain.pay(customer, payment);
    await chain.mine(FINALITY_DEPTH + 1);
    await scan();
    expect((await read(payment.id)).status).to.equal('completed');
  });

  it('is asked what is final at every scan while somebody waits for it, else a few times a minute', async () => {
    let asked = 0;
    const counting = withChain(atTime(harness.ctx, addMs(new Date(), 60_000)), chainId, (port) => ({
      getFinalizedNumber: () => {
        asked++;
        return port.getFinalizedNumber();
      },
    }));
    await chain.mine();
    await scanChain(counting, chainId);
    expect(asked).to.equal(1);
    for (let scans = 0; scans < 3; scans++) {
      await chain.mine();
      await scanChain(counting, chainId);
    }
    expect(asked).to.equal(1);
    await chain.pay(await chain.createCustomer(), await createPayment());
    await chain.mine();
    await scanChain(counting, chainId);
    expect(asked).to.equal(2);
  });

  it('is asked again after the clock had jumped ahead', async () => {
    let asked = 0;
    const countingAt = (now: Date) =>
      withChain(atTime(harness.ctx, now), chainId, (port) => ({
        getFinalizedNumber: () => {
          asked++;
          return port.getFinalizedNumber();
        },
      }));
    await chain.mine(FINALITY_DEPTH);
    await scan();
    const now = addMs(new Date(), 600_000);
    for (const ahead of [0, 3_600_000, 1]) {
      await chain.mine();
      await scanChain(countingAt(addMs(now, ahead)), chainId);
    }
    expect(asked).to.equal(3);
  });

  it('still shows payments when it cannot tell what is final, and completes none', async () => {
    const payment = await createPayment();
    await chain.pay(await chain.createCustomer(), payment);
    await chain.mine(FINALITY_DEPTH + 1);
    const mute = withChain(harness.ctx, chainId, () => ({
      getFinalizedNumber: () => Promise.reject(new Error('no finality')),
    }));
    await scanChain(mute, chainId).then(
      () => expect.fail('the scan hid that the chain did not answer'),
      (error: unknown) => expect(error).to.have.property('message', 'no finality'),
    );
    expect((await read(payment.id)).status).to.equal('processing');
    await scan();
    expect((await read(payment.id)).status).to.equal('completed');
  });

  it('counts by number where a number is configured', async () => {
    const byNumber = {
      ...harness.ctx,
      config: chain.configure({ confirmations: 2 })(harness.config),
    };
    const head = await chain.getHeadNumber();
    expect(await depthOf(byNumber, head)).to.equal('waiting');
    expect(await depthOf(byNumber, head - 1n)).to.equal('final');
  });

  it('believes in no depth of a block that is not the one on the chain', async () => {
    const final = (await chain.getHeadNumber()) - BigInt(FINALITY_DEPTH);
    const place = { blockNumber: final, blockHash: asBytes32(`0x${'ab'.repeat(32)}`) };
    expect(await measureDepth(harness.ctx, chainId, place)).to.deep.equal({ kind: 'contradicted' });
    const lacking = withChain(harness.ctx, chainId, (port) => ({
      findBlock: (number) =>
        number === final ? Promise.resolve(undefined) : port.findBlock(number),
    }));
    expect(await measureDepth(lacking, chainId, place)).to.deep.equal({ kind: 'contradicted' });
    // Behind the head that another node gave, or on another branch: its word is none.
    const lagging = withChain(harness.ctx, chainId, () => ({
      findBlock: () => Promise.resolve(undefined),
    }));
    expect(await measureDepth(lagging, chainId, place)).to.deep.equal({ kind: 'contradicted' });
  });

  it('is an alert half an hour later, when one of its RPC URLs stands still with what is final, and not while all do', async function () {
    this.timeout(60_000);
    const odd = await startOddNode(chain.rpcUrl);
    const slow = await startOddNode(chain.rpcUrl);
    const told: Record<string, unknown>[] = [];
    const log = pino(
      { level: 'error' },
      { write: (line: string) => void told.push(JSON.parse(line) as Record<string, unknown>) },
    );
    try {
      const payment = await createPayment();
      await chain.pay(await chain.createCustomer(), payment);
      await chain.mine();
      const ctxAfter = (minutes: number) =>
        withRpcUrls({ ...atTime(harness.ctx, addMs(new Date(), minutes * 60_000)), log }, chainId, [
          chain.rpcUrl,
          odd.url,
        ]);
      await scanChain(ctxAfter(1), chainId);
      await checkCompletions(ctxAfter(40));
      expect(told, 'the chain is slow').to.deep.equal([]);
      await checkCompletions(
        withRpcUrls(ctxAfter(40), chainId, [chain.rpcUrl, 'http://127.0.0.1:9']),
      );
      expect(told, 'and one of the URLs is dead').to.deep.equal([]);
      const standing = await blockAt((await chain.getHeadNumber()) - BigInt(FINALITY_DEPTH));
      await chain.mine(FINALITY_DEPTH);
      const final = await blockAt((await chain.getHeadNumber()) - BigInt(FINALITY_DEPTH));
      odd.changeResults((method, result) =>
        method === 'eth_getBlockByNumber' &&
        (result as { number?: string } | null)?.number === final.number
          ? standing
          : result,
      );
      await scanChain(ctxAfter(2), chainId);
      expect((await read(payment.id)).status).to.equal('processing');
      await checkCompletions(ctxAfter(20));
      expect(told).to.deep.equal([]);
      await checkCompletions(ctxAfter(40));
      expect(told.splice(0)[0]).to.include({
        alert: 'completions_overdue',
        chainId,
        payments: 1,
        refunds: 0,
      });
      slow.delayBy(5_500);
      await checkCompletions(withRpcUrls(ctxAfter(40), chainId, [slow.url, odd.url]));
      expect(told[0]).to.include({
        alert: 'completions_overdue',
        chainId,
        payments: 1,
        refunds: 0,
      });
    } finally {
      await odd.close();
      await slow.close();
      await chain.mine();
      await scan();
    }
  });

  it('tells an expiry when a final block is later, however late its head is', async () => {
    const payment = await createPayment();
    await scan();
    await chain.setNextBlockTime(addMs(payment.terms.expiresAt, 60_000));
    await chain.mine();
    const lookAfter = async (ms: number) => {
      const ctx = atTime(harness.ctx, addMs(payment.terms.expiresAt, ms));
      await scanChain(ctx, chainId);
      return (await expirePayment(ctx, payment.id)).kind;
    };
    expect(await lookAfter(60_000)).to.equal('later');
    await chain.mine(FINALITY_DEPTH - 1);
    expect(await lookAfter(120_000)).to.equal('later');
    expect((await read(payment.id)).status).to.equal('pending');
    await chain.mine();
    expect(await lookAfter(180_000)).to.equal('done');
    expect((await read(payment.id)).status).to.equal('expired');
  });
});
