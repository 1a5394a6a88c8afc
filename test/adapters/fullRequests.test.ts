import { expect } from 'chai';

import type { SeenEvent } from '../../domain/chain/ports.ts';
import { asBytes32 } from '../../shared/hex.ts';
import { askFor, createAskNode } from '../chaos/nodes/rpc.ts';
import { startOddNode, type OddNode } from '../support/startOddNode.ts';
import { startChainFixture, type ChainFixture } from './chainFixture.ts';

/** More in one request is refused by some nodes as a whole. */
const MOST = 100;
/** Deeper than every node has the state of. */
const DEEP = 40;

describe('the chain adapter, with many questions at one moment', function () {
  this.timeout(30_000);

  let on: ChainFixture;
  let node: OddNode;
  let requests: (readonly string[])[] = [];

  before(async () => {
    on = await startChainFixture();
    node = await startOddNode(on.rpcUrl);
    await askFor(createAskNode(on.rpcUrl), 'anvil_mine', ['0x190']);
  });
  after(async () => {
    await node.close();
    await on.close();
  });
  beforeEach(() => {
    requests = [];
    node.noteRequests((methods) => requests.push(methods));
  });

  const count = (methods: readonly string[], wanted: string) =>
    methods.filter((method) => method === wanted).length;

  it('puts no more than some nodes take into one request, and with each question the chain’s id', async () => {
    // They all say that they have what they are asked about, so that its blocks are looked at too.
    node.changeResults((method, result) => (method === 'eth_call' ? paidMany() : result));
    const { number } = await on.port.getHead();
    const port = on.createPort([node.url, on.rpcUrl], { confirmations: DEEP });
    const hash = asBytes32(`0x${'ab'.repeat(32)}`);
    const poll = (first: bigint) =>
      port.pollEvents(
        Array.from({ length: 100 }, (_, index): SeenEvent => ({
          paymentId: hash,
          blockNumber: first - BigInt(index),
          blockHash: hash,
        })),
      );
    await Promise.all([
      ...[0n, 100n, 200n].map((blocks) => poll(number - BigInt(DEEP) - blocks)),
      ...Array.from({ length: 150 }, (_, height) => port.findBlock(BigInt(height))),
    ]);
    const lengths = requests.map(({ length }) => length);
    expect(Math.max(...lengths)).to.be.within(90, MOST);
    for (const methods of requests.filter(({ length }) => length > 1))
      expect(count(methods, 'eth_chainId') * 2).to.equal(methods.length);
  });

  /** A multicall's answer: each of a hundred was paid by somebody. */
  function paidMany(): string {
    const word = (value: number) => value.toString(16).padStart(64, '0');
    const offsets = Array.from({ length: 100 }, (_, index) => word(100 * 32 + index * 128));
    const each = word(1) + word(64) + word(32) + word(1);
    return `0x${word(32)}${word(100)}${offsets.join('')}${each.repeat(100)}`;
  }

  it('asks for a block and the head that it is to be under in one request, with the chain’s id, however many are asked for', async () => {
    node.changeResults(undefined);
    const port = on.createPort([node.url]);
    const head = await port.getHead();
    requests = [];
    const found = await Promise.all(
      Array.from({ length: 150 }, (_, height) => port.findBlockUnder(head, BigInt(height))),
    );
    expect(
      found.map((block) => (typeof block === 'object' ? Number(block.number) : block)),
    ).to.deep.equal([...found.keys()]);
    for (const methods of requests) {
      expect(methods.length).to.be.at.most(MOST);
      expect(count(methods, 'eth_getBlockByNumber')).to.equal(2 * count(methods, 'eth_chainId'));
    }
    const elsewhere = { number: head.number, hash: asBytes32(`0x${'ab'.repeat(32)}`) };
    expect(await port.findBlockUnder(elsewhere, 1n)).to.equal('otherBranch');
    expect(await port.findBlockUnder({ ...head, number: head.number + 1n }, 1n)).to.equal(
      'otherBranch',
    );
    expect(await port.findBlockUnder(head, head.number + 1n)).to.equal(undefined);
  });

  it('asks for logs and the last block of them in a request of their own, however many are asked for', async () => {
    node.changeResults(undefined);
    const port = on.createPort([node.url]);
    await Promise.all([
      ...Array.from({ length: 60 }, (_, height) => port.findBlock(BigInt(height))),
      ...Array.from({ length: 60 }, (_, height) =>
        port.listGatewayLogs({ fromBlock: 0n, toBlock: BigInt(height) }),
      ),
    ]);
    const withLogs = requests.filter((methods) => count(methods, 'eth_getLogs') > 0);
    expect(withLogs.length).to.be.at.least(1);
    for (const methods of withLogs)
      expect([...methods].sort()).to.deep.equal(['eth_getBlockByNumber', 'eth_getLogs']);
  });
});
