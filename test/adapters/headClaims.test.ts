import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import { generatePrivateKey, privateKeyToAccount, type PrivateKeyAccount } from 'viem/accounts';

import { askEachNode } from '../../adapters/chain/askEachNode.ts';
import type { RpcQuestions } from '../../adapters/chain/createRpcClients.ts';
import type { Block } from '../../domain/chain/ports.ts';
import type { PaymentTerms, RelayItem } from '../../domain/chain/contractModel.ts';
import type { Bytes32 } from '../../shared/hex.ts';
import { askFor, createAskNode } from '../chaos/nodes/rpc.ts';
import { startOddNode, type OddNode } from '../support/startOddNode.ts';
import { rejection, sign, startChainFixture, type ChainFixture } from './chainFixture.ts';

const HOUR_MS = 3_600_000;

describe('the chain adapter, of several RPC URLs of which one makes much of itself', function () {
  this.timeout(30_000);

  let on: ChainFixture;
  let liar: OddNode;
  let payer: PrivateKeyAccount;
  let terms: PaymentTerms;
  let paymentId: Bytes32;
  /** As all but the liar have it. */
  let block: Block;

  before(async () => {
    on = await startChainFixture();
    liar = await startOddNode(on.rpcUrl);
  });
  after(async () => {
    await liar.close();
    await on.close();
  });

  beforeEach(async () => {
    liar.catchUp();
    liar.runAhead(0);
    liar.ageBy(0);
    liar.forkAt(undefined);
    liar.changeResults(undefined);
    payer = privateKeyToAccount(generatePrivateKey());
    terms = on.makeTerms();
    paymentId = on.port.paymentIdOf(terms);
    await on.mint(payer.address, terms.amount);
    await on.approve(payer, terms.amount);
    block = await on.port.getHead();
  });

  const liarFirst = () => on.createPort([liar.url, on.rpcUrl]);

  describe('whether a block stands', () => {
    for (const blocks of [0, 3, 1_000, 1_000_000_000]) {
      it(`is not decided by one that is ${blocks} blocks ahead, which is asked last then`, async () => {
        liar.forkAt(block.number);
        liar.runAhead(blocks);
        const port = liarFirst();
        expect((await port.findBlock(block.number))?.hash, 'as it says').not.to.equal(block.hash);
        expect(await port.pollBlocks([block])).to.deep.equal([
          { stands: 1, replaced: 1, missing: 0 },
        ]);
        expect((await port.findBlock(block.number))?.hash).to.equal(block.hash);
      });
    }

    it('under a head that one does not have, the next one is asked; and the same once more, behind which there may be others', async () => {
      await liar.standStill();
      await askFor(createAskNode(on.rpcUrl), 'evm_mine');
      const head = await on.createPort([on.rpcUrl]).getHead();
      expect(await liarFirst().findBlockUnder(head, block.number)).to.deep.equal(block);
      const alone = on.createPort([liar.url]);
      expect(await alone.findBlockUnder(head, block.number)).to.equal('otherBranch');
      setTimeout(() => liar.catchUp(), 50);
      expect(await alone.findBlockUnder(head, block.number)).to.deep.equal(block);
    });

    it('is what those say that lack nothing else: its own blocks, they do not have', async () => {
      liar.runAhead(3);
      const port = liarFirst();
      const own = await port.findBlock(block.number + 1n);
      if (own === undefined) throw new Error('it has none there');
      expect(await port.pollBlocks([own])).to.deep.equal([{ stands: 1, replaced: 0, missing: 1 }]);
    });

    it('is decided by the others where they are two and it is far above them', async () => {
      liar.forkAt(block.number);
      liar.runAhead(1_000);
      const port = on.createPort([liar.url, on.rpcUrl, on.rpcUrl]);
      expect(await port.pollBlocks([block])).to.deep.equal([
        { stands: 2, replaced: 0, missing: 0 },
      ]);
    });

    it('is not kept undecided by one that has been stuck for an hour', async () => {
      await liar.standStill();
      liar.forkAt(block.number);
      liar.ageBy(HOUR_MS);
      await on.mint(payer.address, 1n);
      expect(await liarFirst().pollBlocks([block])).to.deep.equal([
        { stands: 1, replaced: 0, missing: 0 },
      ]);
    });

    it('is what all say when the chain has paused for an hour', async () => {
      const port = on.createPort([liar.url, on.rpcUrl], {}, HOUR_MS);
      expect(await port.pollBlocks([block])).to.deep.equal([
        { stands: 2, replaced: 0, missing: 0 },
      ]);
    });
  });

  it('takes no head from one that is further ahead than blocks can have been made', async () => {
    liar.runAhead(1_000);
    const port = liarFirst();
    expect((await port.getHead()).number).to.equal(block.number);
    liar.runAhead(0);
    expect((await port.getHead()).number).to.equal(block.number);
    // Now it is known where the chain is, and it lies again.
    liar.runAhead(1_000);
    expect((await port.getHead()).number).to.equal(block.number);
    liar.runAhead(2);
    expect((await liarFirst().getHead()).number, 'a block or two ahead').to.equal(
      block.number + 2n,
    );
    // Where nobody else answers, it is all there is; but no chain makes so many blocks in so short
    // a time.
    const alone = on.createPort([liar.url, 'http://127.0.0.1:9']);
    liar.runAhead(1_000);
    expect((await alone.getHead()).number).to.equal(block.number + 1_000n);
    liar.runAhead(2_000);
    expect((await rejection(alone.getHead())).code).to.equal('PAY_020');
  });

  describe('that says that nobody has paid', () => {
    beforeEach(async () => {
      await on.pay(payer, terms);
      block = await on.port.getHead();
      liar.changeResults((method, result) =>
        method === 'eth_call' ? `0x${'00'.repeat(32)}` : result,
      );
    });

    it('is not believed because only it has the newest block', async () => {
      liar.runAhead(1);
      const head = await on.createPort([liar.url]).getHead();
      expect(await liarFirst().findPayer(paymentId, [head])).to.equal(payer.address);
      expect(await on.createPort([liar.url]).findPayer(paymentId, [head]), 'all there is').to.equal(
        undefined,
      );
      expect(await on.createPort([on.rpcUrl, liar.url]).isRefunded(paymentId, 1n, [head])).to.equal(
        false,
      );
    });

    it('is not believed because of its branch, whose blocks the scanner took for the chain’s', async () => {
      liar.forkAt(block.number);
      const [own] = [await on.createPort([liar.url]).getHead()];
      expect(await liarFirst().findPayer(paymentId, [own])).to.equal(payer.address);
    });

    it('is not believed of many either, however far ahead it is', async () => {
      liar.runAhead(1_000);
      const { block: asOf, payers } = await liarFirst().findPayers([paymentId]);
      expect([...payers]).to.deep.equal([[paymentId, payer.address]]);
      expect(asOf?.number).to.equal(block.number);
    });

    it('is not believed because the other one, which shows it, is not heard for once', async () => {
      const other = await startOddNode(on.rpcUrl);
      try {
        other.changeResults(() => new Error('too many requests'));
        const port = on.createPort([liar.url, other.url]);
        expect(await port.findPayer(paymentId, [block])).to.equal('unknown');
        expect(await port.isRefunded(paymentId, 1n, [block])).to.equal('unknown');
        const { block: asOf, payers } = await port.findPayers([paymentId]);
        expect([asOf, [...payers]]).to.deep.equal([undefined, []]);
        expect(await port.pollBlocks([block])).to.deep.equal([
          { stands: 1, replaced: 0, missing: 1 },
        ]);
      } finally {
        await other.close();
      }
    });

    it('is believed of a deadline only when the others have come to it too', async () => {
      const unpaid = on.port.paymentIdOf(on.makeTerms());
      liar.runAhead(1);
      const passed = block.timestamp;
      const coming = new Date(block.timestamp.getTime() + 1_000);
      while (Date.now() < coming.getTime() + 1_000) await sleep(100);
      const port = liarFirst();
      expect(await port.findPayer(unpaid, [block], passed)).to.equal(undefined);
      expect(await port.findPayer(unpaid, [block], coming)).to.equal('unknown');
    });
  });

  describe('that refuses a request', () => {
    let item: RelayItem;

    beforeEach(async () => {
      const request = await on.makeRequest(payer, terms);
      const signature = await sign(payer, on.port.buildForwardRequestTypedData(request));
      item = on.toItem({ request, signature, terms });
      liar.changeResults((method, result) =>
        ['eth_call', 'eth_estimateGas'].includes(method)
          ? new Error('execution reverted: no')
          : result,
      );
    });

    it('does not end it because only it has the newest block', async () => {
      liar.runAhead(1);
      const head = await on.createPort([liar.url]).getHead();
      expect(await liarFirst().isSurelyRefused(item, [head])).to.equal('unknown');
      expect(await liarFirst().isSurelyRefused(item, [block])).to.equal(false);
      const find = { terms, payer: payer.address, permit: null };
      expect(await liarFirst().findRefusal({ ...find, since: [head] })).to.equal(undefined);
    });

    it('does not end it because the other one, which would take it, is not heard for once', async () => {
      const other = await startOddNode(on.rpcUrl);
      try {
        other.changeResults(() => new Error('too many requests'));
        expect(await on.createPort([liar.url, other.url]).isSurelyRefused(item, [block])).to.equal(
          'unknown',
        );
      } finally {
        await other.close();
      }
    });

    it('ends it when nobody else answers but one that has been stuck for an hour', async () => {
      const stuck = await startOddNode(on.rpcUrl);
      await stuck.standStill();
      stuck.ageBy(HOUR_MS);
      await on.mint(payer.address, 1n);
      expect(
        await on.createPort([liar.url, stuck.url]).isSurelyRefused(item, [await on.port.getHead()]),
      ).to.equal(true);
      await stuck.close();
    });
  });
});

describe('asking each RPC URL', function () {
  this.timeout(30_000);
  const realNow = performance.now;
  let passedMs = 0;

  before(() => {
    performance.now = () => realNow.call(performance) + passedMs;
  });
  after(() => {
    performance.now = realNow;
  });

  it('hears one again that takes its time, after it was too late once, however often somebody asks', async () => {
    const node = {} as RpcQuestions;
    let answersAfterMs = 2_100;
    const ask = () => askEachNode({ eachNode: [node] }, () => sleep(answersAfterMs, 'heard'));
    expect(await ask(), 'too late').to.deep.equal([]);
    answersAfterMs = 400;
    const heard = [];
    for (let asked = 0; asked < 4; asked++) {
      passedMs += 5_000;
      heard.push(await ask());
    }
    expect(heard.at(-1)).to.deep.equal(['heard']);
    expect(heard[0], 'somebody waits').to.deep.equal([]);
    expect(await ask()).to.deep.equal(['heard']);
  });
});
