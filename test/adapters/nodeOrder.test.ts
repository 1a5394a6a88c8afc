import { expect } from 'chai';
import { setImmediate as turn } from 'node:timers/promises';

import { createNodeOrder } from '../../adapters/chain/createNodeOrder.ts';
import type { Logger } from '../../platform/logger.ts';

const CHAIN_ID = 31337;

interface Line {
  readonly level: 'info' | 'warn' | 'error';
  readonly rpcUrl: number;
}

/**
 * Nodes whose heads the test moves, and a clock that stands still. `undefined`: the node does not
 * answer. The chain's newest block is of this moment; blocks are as old as they are behind that
 * one, or as `ages` says (milliseconds, of each node).
 */
function createScene(
  heads: (number | undefined)[],
  options: {
    blockTimeMs?: number;
    chainIds?: Record<number, number>;
    ages?: Record<number, number>;
  } = {},
) {
  const { blockTimeMs = 12_000, chainIds = {}, ages = {} } = options;
  let now = 1_000_000;
  const lines: Line[] = [];
  const asked: string[] = [];
  const write = (level: Line['level']) => (facts: { rpcUrl: number }) =>
    lines.push({ level, rpcUrl: facts.rpcUrl });
  const order = createNodeOrder({
    count: heads.length,
    chainId: CHAIN_ID,
    blockTimeMs,
    log: { info: write('info'), warn: write('warn'), error: write('error') } as unknown as Logger,
    isOurChain: (index) => {
      asked.push(`chainId ${index}`);
      return Promise.resolve((chainIds[index] ?? CHAIN_ID) === CHAIN_ID);
    },
    askHead: (index) => {
      asked.push(`head ${index}`);
      const head = heads[index];
      if (head === undefined) return Promise.reject(new Error('silent'));
      const ageMs = ages[index] ?? (Math.max(...heads.map((one) => one ?? 0)) - head) * blockTimeMs;
      return Promise.resolve({ number: BigInt(head), timestamp: new Date(now - ageMs) });
    },
    now: () => now,
    clock: { now: () => new Date(now) },
  });
  /** Time passes, somebody asks, and what that set off comes to its end. */
  const look = async (passedMs = 5_000) => {
    now += passedMs;
    order.current();
    for (let index = 0; index < 20; index++) await turn();
    return order.current();
  };
  return { order, heads, ages, lines, asked, chainIds, look };
}

describe('the order in which RPC URLs are asked', () => {
  it('is that of the configuration until somebody has looked, and while all are about as far', async () => {
    const { order, look, lines } = createScene([100, 102, 103]);
    expect(order.current()).to.deep.equal([0, 1, 2]);
    // Three blocks of twelve seconds are tolerated.
    expect(await look()).to.deep.equal([0, 1, 2]);
    expect(lines).to.deep.equal([]);
  });

  it('puts one whose head stands still last, once, until it has caught up and not before', async () => {
    const { heads, look, lines } = createScene([100, 100, 100]);
    for (let head = 101; head <= 103; head++) {
      heads.splice(1, 2, head, head);
      expect(await look()).to.deep.equal([0, 1, 2]);
    }
    heads.splice(1, 2, 104, 104);
    expect(await look()).to.deep.equal([1, 2, 0]);
    await look();
    expect(lines).to.deep.equal([{ level: 'warn', rpcUrl: 0 }]);

    // Back within what is tolerated is not enough to return: it would come and go.
    heads.splice(0, 3, 105, 107, 107);
    expect(await look()).to.deep.equal([1, 2, 0]);
    heads.splice(0, 3, 107, 108, 108);
    expect(await look()).to.deep.equal([0, 1, 2]);
    expect(lines).to.deep.equal([
      { level: 'warn', rpcUrl: 0 },
      { level: 'info', rpcUrl: 0 },
    ]);
  });

  it('tolerates fifteen seconds where blocks are quicker', async () => {
    const { heads, look } = createScene([1_000, 1_060], { blockTimeMs: 250 });
    expect(await look()).to.deep.equal([0, 1]);
    heads[1] = 1_061;
    expect(await look()).to.deep.equal([1, 0]);
  });

  it('prefers the best of those that lag, and does without the one that they lag behind', async () => {
    const { heads, look } = createScene([10, 50, 100]);
    expect(await look()).to.deep.equal([2, 1, 0]);
    // The best one falls silent. Of the others, the better one is up to date as far as anybody can
    // tell.
    heads[2] = undefined;
    expect(await look()).to.deep.equal([1, 2, 0]);
  });

  it('leaves one that does not answer where it is', async () => {
    const { look, lines } = createScene([undefined, 100]);
    expect(await look()).to.deep.equal([0, 1]);
    expect(lines).to.deep.equal([]);
  });

  it('does not ask one of another chain, whose head is no measure, until it is of ours', async () => {
    const { look, lines, chainIds, heads } = createScene([1_000_000, 100, 100], {
      chainIds: { 0: 1 },
    });
    expect(await look()).to.deep.equal([1, 2]);
    expect(await look()).to.deep.equal([1, 2]);
    expect(lines).to.deep.equal([]);
    delete chainIds[0];
    heads[0] = 100;
    expect(await look()).to.deep.equal([0, 1, 2]);
  });

  it('puts one last for a minute that the others contradict, behind those that lag', async () => {
    const { order, look, lines } = createScene([100, 100, 50]);
    await look();
    expect(order.current()).to.deep.equal([0, 1, 2]);
    order.putLast(0);
    order.putLast(0);
    expect(order.current()).to.deep.equal([1, 2, 0]);
    expect(lines.filter(({ rpcUrl }) => rpcUrl === 0)).to.deep.equal([
      { level: 'warn', rpcUrl: 0 },
    ]);
    expect(await look(59_999)).to.deep.equal([1, 2, 0]);
    expect(await look(5_000)).to.deep.equal([0, 1, 2]);
  });

  it('puts one last whose head is further ahead than blocks can have been made, and measures no other by it', async () => {
    const { heads, ages, look, lines } = createScene([1_100, 100], {
      blockTimeMs: 2_000,
      ages: { 0: 0, 1: 2_000 },
    });
    expect(await look()).to.deep.equal([1, 0]);
    expect(lines).to.deep.equal([{ level: 'warn', rpcUrl: 0 }]);
    heads.splice(0, 2, 101, 101);
    expect(await look()).to.deep.equal([0, 1]);
    // The other one has stood still for half an hour: so many blocks may have come.
    heads.splice(0, 2, 1_000, 101);
    ages[1] = 30 * 60_000;
    expect(await look()).to.deep.equal([0, 1]);
    expect(await look()).to.deep.equal([0, 1]);
  });

  it('puts one last whose head is of a time that has not come, unless that is so of all', async () => {
    const { ages, look } = createScene([100, 100], { ages: { 0: -31_000, 1: 0 } });
    expect(await look()).to.deep.equal([1, 0]);
    ages[1] = -60_000;
    expect(await look()).to.deep.equal([0, 1]);
  });

  it('asks those that differ by a few blocks as configured, but for one that is contradicted, be it the furthest', async () => {
    const { order, look } = createScene([103, 100, 100], { blockTimeMs: 2_000 });
    expect(await look()).to.deep.equal([0, 1, 2]);
    order.putLast(0);
    expect(order.current()).to.deep.equal([1, 2, 0]);
    expect(await look()).to.deep.equal([1, 2, 0]);
  });

  it('leaves one contradicted that is so far ahead that the others count as behind', async () => {
    const { order, ages, look } = createScene([120, 100], { blockTimeMs: 2_000 });
    ages[1] = 40_000;
    expect(await look()).to.deep.equal([0, 1]);
    order.putLast(0);
    expect(order.current()).to.deep.equal([1, 0]);
  });

  it('stays as it is when all are contradicted, or there is only one', async () => {
    const { order, look } = createScene([100, 100]);
    await look();
    for (const index of [0, 1]) order.putLast(index);
    expect(order.current()).to.deep.equal([0, 1]);
    const single = createScene([100]);
    single.order.putLast(0);
    expect(single.order.current()).to.deep.equal([0]);
    expect(single.lines).to.deep.equal([]);
  });

  it('has none left when none is of our chain', async () => {
    const { look } = createScene([5, 5], { chainIds: { 0: 1, 1: 1 } });
    expect(await look()).to.deep.equal([]);
  });

  it('looks every five seconds at most, and never at a single one', async () => {
    const { look, asked } = createScene([100, 100]);
    await look();
    expect(asked).to.deep.equal(['chainId 0', 'chainId 1', 'head 0', 'head 1']);
    await look(4_999);
    expect(asked).to.have.length(4);
    await look(1);
    expect(asked.slice(4)).to.deep.equal(['chainId 0', 'chainId 1', 'head 0', 'head 1']);

    const single = createScene([100]);
    await single.look();
    expect(single.asked).to.deep.equal([]);
  });
});
