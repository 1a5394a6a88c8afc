import { expect } from 'chai';
import { pino } from 'pino';

import { DONE } from '../../domain/outbox/model.ts';
import { findCursor, type Settled } from '../../domain/chain/store.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import { sendAttempt } from '../../domain/relay/sendAttempt.ts';
import { asBytes32 } from '../../shared/hex.ts';
import { addMs, toUnixSeconds } from '../../shared/clock.ts';
import { createHarness, type Harness } from '../support/harness.ts';
import { startOddNode, type OddNode } from '../support/startOddNode.ts';
import { startOwnChain, type OwnChain } from '../support/ownChain.ts';
import { readHistory } from '../support/paymentHistory.ts';
import { acceptRelay, confirmOnce, readAttempt, readPayment } from '../support/relayFlow.ts';
import { atTime, withChain, withRelayers, withRpcUrls } from '../support/varyContext.ts';

const CONFIRMATIONS = 3;
const NOWHERE = 'http://127.0.0.1:9';

interface Header {
  readonly number: string;
  readonly timestamp: string;
}

describe('the time by which signatures and payments end', function () {
  this.timeout(60_000);

  let chain: OwnChain;
  let harness: Harness;
  let chainId: number;
  let liar: OddNode;
  let known: Settled;

  before(async function () {
    this.timeout(120_000);
    chain = await startOwnChain();
    harness = await createHarness({
      config: chain.configure({ confirmations: CONFIRMATIONS, maxBlockRange: 100 }),
    });
    ({ chainId } = chain);
    liar = await startOddNode(chain.rpcUrl);
  });
  after(async () => {
    await liar.close();
    await harness.close();
    await chain.close();
  });

  beforeEach(async () => {
    liar.catchUp();
    liar.forkAt(undefined);
    liar.changeResults(undefined);
    await chain.mine(CONFIRMATIONS);
    await scanChain(harness.ctx, chainId);
    known = await readSettled();
    await chain.mine(1);
  });

  async function readSettled(): Promise<Settled> {
    const settled = (await findCursor(harness.ctx.db, chainId))?.settled;
    if (settled == null) throw new Error('nothing is settled');
    return settled;
  }

  const scanThrough = (...rpcUrls: string[]) =>
    scanChain(withRpcUrls(harness.ctx, chainId, rpcUrls), chainId);

  /** The liar gives one block's header this time. */
  function retime(number: bigint, timeOf: (seconds: number) => number): void {
    liar.changeResults((method, result) => {
      const header = result as Header | null;
      if (method !== 'eth_getBlockByNumber' || header === null || BigInt(header.number) !== number)
        return result;
      return { ...header, timestamp: `0x${timeOf(Number(header.timestamp)).toString(16)}` };
    });
  }

  it('is the newest final block’s, as all say', async () => {
    await scanThrough(liar.url, chain.rpcUrl);
    expect((await readSettled()).block).to.equal(
      (await chain.getHeadNumber()) - BigInt(CONFIRMATIONS) + 1n,
    );
  });

  for (const others of [0, 1])
    it(`is not one that is later than the head, as one of ${others + 1} gives it`, async () => {
      retime(known.block + 1n, (seconds) => seconds + 36_000);
      await scanThrough(...[liar.url, chain.rpcUrl].slice(0, others + 1));
      expect(await readSettled()).to.deep.equal(known);
      // The next scan asks again.
      liar.changeResults(undefined);
      await scanThrough(liar.url, chain.rpcUrl);
      expect((await readSettled()).block).to.equal(known.block + 1n);
    });

  it('is the earliest that one of several gives a block, whichever is asked first', async () => {
    for (const liarFirst of [true, false]) {
      // The blocks after it are ten seconds later, and so it may be itself, as the liar has it.
      await chain.mine(1);
      const number = await chain.getHeadNumber();
      await chain.passTime(10);
      await chain.mine(CONFIRMATIONS - 1);
      const honest = await harness.ctx.chains.get(chainId)?.findBlock(number);
      retime(number, (seconds) => seconds + 5);
      await scanThrough(...(liarFirst ? [liar.url, chain.rpcUrl] : [chain.rpcUrl, liar.url]));
      expect(await readSettled()).to.deep.equal({ block: number, time: honest?.timestamp });
    }
  });

  it('is not that of a block which another one does not have, nor of one that is final to one alone', async () => {
    liar.forkAt(known.block + 1n);
    await scanThrough(chain.rpcUrl, liar.url);
    expect(await readSettled(), 'another one at that height').to.deep.equal(known);
    const told: string[] = [];
    const log = pino({ level: 'warn' }, { write: (line: string) => void told.push(line) });
    for (const seconds of [0, 30, 61]) {
      const ctx = { ...atTime(harness.ctx, addMs(new Date(), seconds * 1_000)), log };
      await scanChain(withRpcUrls(ctx, chainId, [chain.rpcUrl, liar.url]), chainId);
      expect(told.filter((line) => line.includes('do not agree on a final block'))).to.have.length(
        seconds < 60 ? 0 : 1,
      );
    }
    liar.forkAt(undefined);
    await liar.standStill();
    await chain.mine(2);
    await scanThrough(chain.rpcUrl, liar.url);
    expect((await readSettled()).block, 'to the one that is behind').to.equal(known.block + 1n);
  });

  it('is that of most of three, whatever one of them says, and also when it fails', async () => {
    const other = await startOddNode(chain.rpcUrl);
    const scan = (third: string) => scanThrough(third, chain.rpcUrl, other.url);
    const expectRaised = async (why: string) => {
      const number = (await chain.getHeadNumber()) - BigInt(CONFIRMATIONS) + 1n;
      const honest = await harness.ctx.chains.get(chainId)?.findBlock(number);
      expect(await readSettled(), why).to.deep.equal({ block: number, time: honest?.timestamp });
      await chain.mine(1);
    };
    try {
      liar.forkAt(known.block + 1n);
      const ctx = withRpcUrls(harness.ctx, chainId, [liar.url, chain.rpcUrl, other.url]);
      await scanChain(ctx, chainId);
      expect(
        (await findCursor(harness.ctx.db, chainId))?.settled,
        'of another branch than was scanned',
      ).to.satisfy((settled: Settled | null) => settled === null || settled.block === known.block);
      await scanChain(ctx, chainId);
      await expectRaised('another block there');
      liar.forkAt(undefined);
      retime(
        (await chain.getHeadNumber()) - BigInt(CONFIRMATIONS) + 1n,
        (seconds) => seconds - 36_000,
      );
      await scan(liar.url);
      await expectRaised('an earlier time');
      await scan(NOWHERE);
      await expectRaised('no answer');
    } finally {
      await other.close();
    }
  });

  it('is that of a block as deep below what was scanned, though the chain has gone on since', async () => {
    await chain.mine(CONFIRMATIONS + 3);
    const scanned = (await chain.getHeadNumber()) - BigInt(CONFIRMATIONS) - 1n;
    const through = withChain(
      withRpcUrls(harness.ctx, chainId, [chain.rpcUrl, liar.url]),
      chainId,
      (port) => ({
        async getHead() {
          const head = await port.findBlock(scanned);
          if (head === undefined) throw new Error('there is no such block');
          return head;
        },
      }),
    );
    await scanChain(through, chainId);
    expect((await readSettled()).block).to.equal(scanned - BigInt(CONFIRMATIONS) + 1n);
  });

  it('is told to stand still, when no later block is final to most', async () => {
    const told: string[] = [];
    const log = pino({ level: 'warn' }, { write: (line: string) => void told.push(line) });
    for (const seconds of [0, 30, 61]) {
      await chain.mine(1);
      const ctx = { ...atTime(harness.ctx, addMs(new Date(), seconds * 1_000)), log };
      const through = withChain(
        withRpcUrls(ctx, chainId, [chain.rpcUrl, liar.url]),
        chainId,
        (port) => ({
          findAgreedFinal: () => port.findBlock(known.block),
        }),
      );
      await scanChain(through, chainId);
      expect(told.filter((line) => line.includes('do not agree on a final block'))).to.have.length(
        seconds < 60 ? 0 : 1,
      );
    }
  });

  for (const confirmations of [1, 2])
    it(`is told to stand still, when most have another block in place of the one that was scanned (of ${confirmations})`, async () => {
      const told: string[] = [];
      const log = pino({ level: 'warn' }, { write: (line: string) => void told.push(line) });
      const config = chain.configure({ confirmations })(harness.config);
      const agreeing = {
        ...atTime(harness.ctx, addMs(new Date(), confirmations * 200_000)),
        config,
      };
      await scanChain(withRpcUrls(agreeing, chainId, [chain.rpcUrl, liar.url]), chainId);
      const agreed = await readSettled();
      expect(agreed.block).not.to.equal(known.block);
      for (const seconds of [20, 50, 81]) {
        await chain.mine(1);
        const ctx = {
          ...atTime(harness.ctx, addMs(new Date(), confirmations * 200_000 + seconds * 1_000)),
          log,
          config,
        };
        const through = withChain(
          withRpcUrls(ctx, chainId, [chain.rpcUrl, liar.url]),
          chainId,
          (port) => ({
            async findAgreedFinal(upTo) {
              const block = await port.findBlock(upTo);
              return block && { ...block, hash: asBytes32(`0x${'ab'.repeat(32)}`) };
            },
          }),
        );
        await scanChain(through, chainId);
        expect(await readSettled()).to.deep.equal(agreed);
        expect(
          told.filter((line) => line.includes('do not agree on a final block')),
        ).to.have.length(seconds < 80 ? 0 : 1);
      }
    });

  it('is not one that another one was not asked about, since it failed', async () => {
    await scanThrough(chain.rpcUrl, NOWHERE);
    expect(await readSettled()).to.deep.equal(known);
  });

  it('ends no request whose transaction may be mined at any moment', async () => {
    const relayer = await chain.createRelayer();
    const ctx = withRelayers(harness.ctx, chainId, [relayer]);
    const payment = await harness.createTestPayment(await harness.createTestStore(), {
      token: chain.token,
      expiresInSeconds: 3_600,
    });
    const { id, deadline } = await acceptRelay(ctx, await chain.createCustomer(), payment);
    expect(await sendAttempt(ctx, id)).to.deep.equal(DONE);
    const head = await chain.getHeadNumber();
    retime(head - BigInt(CONFIRMATIONS) + 1n, () => toUnixSeconds(deadline) + 36_000);
    const through = withRpcUrls(ctx, chainId, [liar.url, chain.rpcUrl]);
    await scanChain(through, chainId);
    expect((await confirmOnce(through, payment)).kind).to.equal('later');
    expect(await readAttempt(ctx, payment)).to.include({ status: 'submitted', errorCode: null });
    expect(await readHistory(ctx, await readPayment(ctx, payment))).to.deep.equal([
      'payment.created',
      'payment.processing',
    ]);
    liar.changeResults(undefined);
    await chain.mine(CONFIRMATIONS);
    await scanChain(through, chainId);
    expect((await readPayment(ctx, payment)).status).to.equal('completed');
  });
});
