import { expect } from 'chai';
import { pino } from 'pino';

import { checkCompletions } from '../../domain/scan/checkCompletions.ts';
import type { Payment } from '../../domain/payments/model.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import type { Context } from '../../platform/context.ts';
import { addMs } from '../../shared/clock.ts';
import type { Hex } from '../../shared/hex.ts';
import { createAskNode } from '../chaos/nodes/rpc.ts';
import { startOrphanFork, type OrphanFork } from '../chaos/nodes/startOrphanFork.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { startOddNode, type OddNode } from '../support/startOddNode.ts';
import { startOwnChain, type OwnChain } from '../support/ownChain.ts';
import { passTime } from '../support/passTime.ts';
import { readHistory } from '../support/paymentHistory.ts';
import { readPayment } from '../support/relayFlow.ts';
import { atTime, withRpcUrls } from '../support/varyContext.ts';

const CONFIRMATIONS = 3;
const SEEN = ['payment.created', 'payment.processing'];
const PAID = [...SEEN, 'payment.completed'];
const NOWHERE = 'http://127.0.0.1:9';
/** After this a disputed payment is looked at again, and completed ones are. */
const NEXT_LOOK_MS = 16_000;

describe('a payment that not all RPC URLs show as final', function () {
  this.timeout(60_000);

  let chain: OwnChain;
  let harness: Harness;
  let store: TestStore;
  let chainId: number;
  let payment: Payment;
  let odd: OddNode;
  let second: OddNode;
  let logged: Record<string, unknown>[] = [];
  /** By how much the chain and we are past the machine's clock. */
  let passedMs = 0;

  before(async function () {
    this.timeout(120_000);
    chain = await startOwnChain();
    harness = await createHarness({
      config: chain.configure({ confirmations: CONFIRMATIONS, maxBlockRange: 100 }),
    });
    store = await harness.createTestStore();
    ({ chainId } = chain);
    odd = await startOddNode(chain.rpcUrl);
    second = await startOddNode(chain.rpcUrl);
  });
  after(async () => {
    await odd.close();
    await second.close();
    await harness.close();
    await chain.close();
  });

  beforeEach(async () => {
    odd.catchUp();
    odd.changeResults(undefined);
    second.catchUp();
    second.changeResults(undefined);
    logged = [];
    payment = await harness.createTestPayment(store, {
      token: chain.token,
      expiresInSeconds: 3_600,
    });
  });

  const historyOf = async () => readHistory(harness.ctx, await readPayment(harness.ctx, payment));

  /** What it logs is kept. */
  function ctxAfter(ms: number): Context {
    const log = pino(
      { level: 'warn' },
      { write: (line: string) => void logged.push(JSON.parse(line) as Record<string, unknown>) },
    );
    return { ...atTime(harness.ctx, addMs(new Date(), passedMs + ms)), log };
  }

  /** Scans, with the first URL asked first. */
  const scanThrough = (rpcUrls: readonly string[], afterMs = 0) =>
    scanChain(withRpcUrls(ctxAfter(afterMs), chainId, rpcUrls), chainId);
  /** One URL at least is not heard: after a minute it counts no more. */
  async function scanForAMinute(rpcUrls: readonly string[]): Promise<void> {
    const ctx = withRpcUrls(ctxAfter(0), chainId, rpcUrls);
    const time = passTime();
    try {
      for (let seconds = 0; seconds < 60; seconds += 20) {
        await scanChain(ctx, chainId);
        expect(await historyOf(), `after ${seconds} seconds`).to.deep.equal(SEEN);
        time.pass(20_000);
      }
      await scanChain(ctx, chainId);
    } finally {
      time.end();
    }
  }
  const isDisputed = () =>
    logged.some(({ msg }) => /do not agree whether events are final/.test(String(msg)));

  async function alertsAfter(seconds: number): Promise<Record<string, unknown>[]> {
    logged = [];
    await checkCompletions(ctxAfter(seconds * 1000));
    return logged;
  }

  async function pay(): Promise<void> {
    await chain.pay(await chain.createCustomer(), payment);
    await chain.mine(CONFIRMATIONS);
  }

  describe('because it was paid on a branch', () => {
    let fork: OrphanFork;
    let raw: Hex;

    beforeEach(async () => {
      const customer = await chain.createCustomer();
      await scanThrough([chain.rpcUrl]);
      fork = await startOrphanFork(createAskNode(chain.rpcUrl), chainId);
      const restore = await chain.takeSnapshot();
      ({ raw } = await chain.pay(customer, payment));
      // The chain itself never sees it.
      await restore();
      await fork.mine([raw]);
      for (let block = 1; block < CONFIRMATIONS; block++) await fork.mine([]);
      await chain.mine(CONFIRMATIONS);
    });
    afterEach(async () => {
      await fork.close();
      // Whatever was scanned of the branch goes.
      await chain.mine(3);
      await scanThrough([chain.rpcUrl], 2 * NEXT_LOOK_MS);
    });

    it('is not completed against two others, which are asked first from then on, and takes it back', async () => {
      const urls = [fork.rpcUrl, chain.rpcUrl, odd.url];
      const port = withRpcUrls({ ...harness.ctx }, chainId, urls);
      await scanChain(port, chainId);
      expect(await historyOf()).to.deep.equal(SEEN);
      await chain.mine(2);
      await scanChain(port, chainId);
      await scanChain(port, chainId);
      expect(await historyOf()).to.deep.equal([...SEEN, 'payment.reorged']);
    });

    it('waits while one says so and one does not; the log tells, and after five minutes an alert', async () => {
      await scanThrough([fork.rpcUrl, chain.rpcUrl]);
      expect(await historyOf()).to.deep.equal(SEEN);
      expect(isDisputed()).to.equal(true);
      expect(await alertsAfter(290)).to.deep.equal([]);
      expect((await alertsAfter(310))[0]).to.include({
        alert: 'completions_overdue',
        chainId,
        payments: 1,
        refunds: 0,
      });
    });

    it('is completed by that one alone when no other has answered for a minute', async () => {
      await scanForAMinute([fork.rpcUrl, NOWHERE]);
      const told = logged.find(
        ({ msg, question }) =>
          question === 'final events' && /no such question for a minute/.test(String(msg)),
      );
      expect(told).to.include({ level: 40, chainId, rpcUrl: 1 });
      expect(JSON.stringify(told)).not.to.contain(NOWHERE);
      expect(await historyOf()).to.deep.equal(PAID);
    });

    it('is an alert when it was completed by that one alone, and taken back with the next scan', async () => {
      await scanThrough([fork.rpcUrl]);
      expect(await historyOf()).to.deep.equal(PAID);
      const urls = [fork.rpcUrl, chain.rpcUrl, odd.url];
      const ctx = withRpcUrls(ctxAfter(NEXT_LOOK_MS), chainId, urls);
      await scanChain(ctx, chainId);
      expect(logged.find(({ alert }) => alert === 'completed_disputed')).to.deep.include({
        chainId,
        paymentIds: [payment.id],
      });
      await chain.mine(2);
      await scanChain(ctx, chainId);
      await scanChain(ctx, chainId);
      expect(await historyOf()).to.deep.equal([...PAID, 'payment.reorged']);
    });
  });

  it('because its event is made up, waits, and is completed once it is paid', async () => {
    const other = await harness.createTestPayment(store, { token: chain.token });
    await chain.pay(await chain.createCustomer(), other);
    await chain.mine(CONFIRMATIONS);
    // Another payment's event with this one's id: the block is the chain's.
    odd.changeResults((method, result) =>
      method === 'eth_getLogs'
        ? [...(result as object[]), ...madeUp(result as { topics: string[] }[], other)]
        : result,
    );
    const urls = [odd.url, chain.rpcUrl, second.url];
    await scanThrough(urls);
    expect(await historyOf()).to.deep.equal(SEEN);
    expect(isDisputed()).to.equal(true);
    odd.changeResults(undefined);
    await pay();
    await scanThrough(urls, NEXT_LOOK_MS);
    expect(await historyOf()).to.deep.equal(PAID);
  });

  it('because one makes it up, is not completed when the other one, which does not have it, is not heard for once', async () => {
    const other = await harness.createTestPayment(store, { token: chain.token });
    await chain.pay(await chain.createCustomer(), other);
    await chain.mine(CONFIRMATIONS);
    odd.changeResults((method, result) => {
      if (method === 'eth_call') return `0x${'00'.repeat(31)}01`;
      return method === 'eth_getLogs'
        ? [...(result as object[]), ...madeUp(result as { topics: string[] }[], other)]
        : result;
    });
    const urls = [odd.url, second.url];
    await scanThrough(urls);
    expect(isDisputed()).to.equal(true);
    second.changeResults(() => new Error('too many requests'));
    await scanThrough(urls, NEXT_LOOK_MS);
    expect(await historyOf()).to.deep.equal(SEEN);
    second.changeResults(undefined);
    await scanThrough(urls, NEXT_LOOK_MS);
    expect(await historyOf()).to.deep.equal(SEEN);
    odd.changeResults(undefined);
    await pay();
    await scanThrough(urls, 2 * NEXT_LOOK_MS);
    expect(await historyOf()).to.deep.equal(PAID);
  });

  function madeUp(logs: readonly { topics: string[] }[], other: Payment): object[] {
    return logs
      .filter(({ topics }) => topics[1] === other.id)
      .map((log) => ({
        ...log,
        logIndex: '0x63',
        topics: log.topics.map((topic, index) => (index === 1 ? payment.id : topic)),
      }));
  }

  it('because one is ahead of the others, waits for as many blocks, and no longer', async () => {
    await pay();
    await odd.standStill();
    await second.standStill();
    const late = await harness.createTestPayment(store, { token: chain.token });
    await chain.pay(await chain.createCustomer(), late);
    await chain.mine(CONFIRMATIONS);
    payment = late;
    await scanThrough([chain.rpcUrl, odd.url, second.url]);
    expect(await historyOf()).to.deep.equal(SEEN);
    expect(isDisputed(), 'a lag is no dispute').to.equal(false);
    second.catchUp();
    await scanThrough([chain.rpcUrl, odd.url, second.url]);
    expect(await historyOf()).to.deep.equal(PAID);
  });

  it('because a URL lies, or does not answer, is completed on the word of two', async () => {
    odd.changeResults((method, result) =>
      method === 'eth_call' ? `0x${'00'.repeat(32)}` : result,
    );
    await pay();
    await scanForAMinute([odd.url, chain.rpcUrl, second.url, NOWHERE]);
    expect(await historyOf()).to.deep.equal(PAID);
  });

  it('because the other one has been stuck, is completed all the same', async () => {
    await odd.standStill();
    await chain.passTime(600);
    passedMs += 600_000;
    await pay();
    await scanThrough([chain.rpcUrl, odd.url]);
    expect(await historyOf()).to.deep.equal(PAID);
  });
});
