import { expect } from 'chai';
import { toHex } from 'viem';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';

import type { ChainPort, SeenEvent } from '../../domain/chain/ports.ts';
import { asBytes32 } from '../../shared/hex.ts';
import { askFor, createAskNode } from '../chaos/nodes/rpc.ts';
import { startOddNode, type OddNode } from '../support/startOddNode.ts';
import { startChainFixture, type ChainFixture } from './chainFixture.ts';

const FOREIGN = asBytes32(`0x${'ab'.repeat(32)}`);
/** Deeper than every node has the state of. */
const DEEP = 40;

describe('the chain adapter, asking several RPC URLs whether events are final', function () {
  this.timeout(30_000);

  let on: ChainFixture;
  let node: OddNode;
  let paid: SeenEvent;
  let asked: string[] = [];

  before(async () => {
    on = await startChainFixture();
    node = await startOddNode(on.rpcUrl);
    const payer = privateKeyToAccount(generatePrivateKey());
    const terms = on.makeTerms();
    await on.mint(payer.address, terms.amount);
    await on.approve(payer, terms.amount);
    await on.pay(payer, terms);
    const { number: toBlock } = await on.port.getHead();
    const [log] = (await on.port.listGatewayLogs({ fromBlock: 0n, toBlock })).payments;
    if (log === undefined) throw new Error('nothing was paid');
    paid = log;
  });
  after(async () => {
    await node.close();
    await on.close();
  });
  beforeEach(() => {
    node.catchUp();
    asked = [];
    node.changeResults((method, result) => {
      asked.push(method);
      return result;
    });
  });

  const both = (confirmations: number | 'finalized') =>
    on.createPort([node.url, on.rpcUrl], { confirmations });
  const unpaid = (): SeenEvent => ({ ...paid, paymentId: on.port.paymentIdOf(on.makeTerms()) });
  const poll = async (port: ChainPort, event: SeenEvent) => (await port.pollEvents([event]))[0];
  /** Payments in a hundred blocks, as many as one poll may have: of the last ones there are. */
  async function listDeep(port: ChainPort): Promise<SeenEvent[]> {
    const { number } = await port.getHead();
    const numbers = Array.from({ length: 100 }, (_, index) => number - BigInt(DEEP + index));
    const blocks = await Promise.all(numbers.map((height) => port.findBlock(height)));
    return blocks.map((block) => ({
      ...paid,
      blockNumber: block?.number ?? 0n,
      blockHash: block?.hash ?? FOREIGN,
    }));
  }

  const mine = (blocks: number) =>
    askFor(createAskNode(on.rpcUrl), 'anvil_mine', [`0x${blocks.toString(16)}`]);

  it('hears of each whether it is there as of what is final, or that this comes before it', async () => {
    const depth = Number((await on.port.getHead()).number - paid.blockNumber) + 1;
    expect(await poll(both(depth), paid)).to.deep.equal({
      final: 2,
      early: 0,
      absent: 0,
      unheard: 0,
    });
    expect(await poll(both(depth + 1), paid)).to.deep.equal({
      final: 0,
      early: 2,
      absent: 0,
      unheard: 0,
    });
    expect(await poll(both(depth), unpaid())).to.deep.equal({
      final: 0,
      early: 0,
      absent: 2,
      unheard: 0,
    });
    // It was paid after that block.
    expect(
      await poll(both(depth + 1), { ...paid, blockNumber: paid.blockNumber - 1n }),
    ).to.deep.equal({
      final: 0,
      early: 0,
      absent: 2,
      unheard: 0,
    });
    expect(await poll(both(depth), { ...paid, nonce: 1n }), 'a refund').to.deep.equal({
      final: 0,
      early: 0,
      absent: 2,
      unheard: 0,
    });
    node.changeResults((method, result) =>
      method === 'eth_call' ? `0x${'00'.repeat(31)}01` : result,
    );
    expect(await poll(both(depth), { ...paid, nonce: 1n }), 'one that one has made').to.deep.equal({
      final: 1,
      early: 0,
      absent: 1,
      unheard: 0,
    });
  });

  it('asks each once for a hundred, and nobody where there is only one', async () => {
    const events = Array.from({ length: 99 }, unpaid);
    const polls = await both(1).pollEvents([...events, paid]);
    expect(polls.filter(({ absent }) => absent === 2)).to.have.length(99);
    expect(polls.at(-1)).to.deep.equal({ final: 2, early: 0, absent: 0, unheard: 0 });
    expect(asked.filter((method) => method === 'eth_call')).to.have.length(1);
    asked = [];
    expect(await on.createPort([node.url]).pollEvents([unpaid()])).to.deep.equal([
      { final: 1, early: 0, absent: 0, unheard: 0 },
    ]);
    expect(asked).to.deep.equal([]);
  });

  it('asks for no state that nodes do not keep, and then for the block', async () => {
    await mine(70);
    const kept = (await on.port.getHead()).number - 30n;
    const states: bigint[] = [];
    node.noteCalls((block) => states.push(block));
    for (const confirmations of [DEEP, 'finalized'] as const) {
      expect(await poll(both(confirmations), paid)).to.deep.equal({
        final: 2,
        early: 0,
        absent: 0,
        unheard: 0,
      });
      expect(await poll(both(confirmations), { ...paid, blockHash: FOREIGN })).to.deep.equal({
        final: 0,
        early: 0,
        absent: 2,
        unheard: 0,
      });
      expect(await poll(both(confirmations), unpaid())).to.deep.equal({
        final: 0,
        early: 0,
        absent: 2,
        unheard: 0,
      });
      const { number } = await on.port.getHead();
      expect(await poll(both(confirmations), { ...paid, blockNumber: number - 10n })).to.deep.equal(
        {
          final: 0,
          early: 2,
          absent: 0,
          unheard: 0,
        },
      );
    }
    expect(states).to.have.length(6);
    expect(states.every((block) => block >= kept)).to.equal(true);
  });

  describe('that take their time', () => {
    let other: OddNode;

    before(async () => {
      other = await startOddNode(on.rpcUrl);
      await mine(150);
    });
    after(() => other.close());
    afterEach(() => {
      for (const one of [node, other]) {
        one.delayBy(0);
        one.refuseBatches(false);
        one.changeResults(undefined);
      }
    });

    it('waits for all that answer each request, for as many events as it may be asked about', async () => {
      const events = await listDeep(on.port);
      node.delayBy(300);
      other.delayBy(300);
      const polls = await on
        .createPort([node.url, other.url], { confirmations: DEEP })
        .pollEvents(events);
      expect(polls).to.have.length(100);
      for (const each of polls)
        expect(each).to.deep.equal({ final: 2, early: 0, absent: 0, unheard: 0 });
    });

    it('waits for those that take one question at a time', async () => {
      for (const one of [node, other]) {
        one.delayBy(250);
        one.refuseBatches(true);
      }
      const port = on.createPort([node.url, other.url], { confirmations: 'finalized' });
      expect(await poll(port, paid)).to.deep.equal({ final: 2, early: 0, absent: 0, unheard: 0 });
    });

    it('hears one that was slow a moment ago, so that another one that lies does not decide by itself', async () => {
      const wordOfOne = `0x${'00'.repeat(31)}01`;
      node.changeResults((method, result) => (method === 'eth_call' ? wordOfOne : result));
      const port = on.createPort([node.url, other.url], { confirmations: 1 });
      other.delayBy(2_500);
      // Asks each of them, and waits for none for so long.
      expect(await port.isContract(on.config.gateway)).to.equal(true);
      other.delayBy(100);
      expect(await poll(port, unpaid())).to.deep.equal({
        final: 1,
        early: 0,
        absent: 1,
        unheard: 0,
      });
    });

    it('hears one that has answered at once, however long another one takes that lies', async () => {
      const wordOfOne = `0x${'00'.repeat(31)}01`;
      let passedMs = 0;
      const ofNow = (result: unknown) => ({
        ...(result as object),
        timestamp: toHex(Math.floor((Date.now() + passedMs) / 1_000)),
      });
      const isHeader = (method: string) => method === 'eth_getBlockByNumber';
      other.changeResults((method, result) => (isHeader(method) ? ofNow(result) : result));
      node.delayBy(300);
      node.changeResults((method, result) => {
        if (method !== 'eth_call') return isHeader(method) ? ofNow(result) : result;
        const isFirst = passedMs === 0;
        passedMs = 70_000;
        return isFirst ? 'none' : wordOfOne;
      });
      const port = on.createPort([node.url, other.url], { confirmations: 1 }, () => passedMs);
      expect(await poll(port, unpaid())).to.deep.equal({
        final: 1,
        early: 0,
        absent: 1,
        unheard: 0,
      });
    });

    it('hears it of who has paid, too, which one that lies does not decide by itself', async () => {
      node.changeResults((method, result) =>
        method === 'eth_call' ? `0x${'00'.repeat(32)}` : result,
      );
      const port = on.createPort([node.url, other.url]);
      other.delayBy(2_500);
      expect(await port.isContract(on.config.gateway)).to.equal(true);
      other.delayBy(200);
      expect([...(await port.findPayers([paid.paymentId])).payers.keys()]).to.deep.equal([
        paid.paymentId,
      ]);
      const head = await on.port.getHead();
      expect(await port.findPayer(paid.paymentId, [head])).to.be.a('string');
    });
  });
});
