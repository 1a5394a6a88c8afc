import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';

import { CHAIN_ERRORS } from '../../domain/chain/errors.ts';
import type { Block } from '../../domain/chain/ports.ts';
import { findCursor, listScannedBlocks } from '../../domain/chain/store.ts';
import type { Payment } from '../../domain/payments/model.ts';
import { judgePlaces } from '../../domain/scan/judge/judgePlaces.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import type { Context } from '../../platform/context.ts';
import { addMs } from '../../shared/clock.ts';
import { AppError } from '../../shared/errors.ts';
import { asBytes32 } from '../../shared/hex.ts';
import { expectRefusal } from '../support/expectRefusal.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { startOwnChain, type OwnChain } from '../support/ownChain.ts';
import { readHistory } from '../support/paymentHistory.ts';
import { readPayment } from '../support/relayFlow.ts';
import { atTime, withChain } from '../support/varyContext.ts';

const CONFIRMATIONS = 3;
const FOREIGN = asBytes32(`0x${'ab'.repeat(32)}`);
const SEEN = ['payment.created', 'payment.processing'];

/** What a block is, is asked of whoever has the head that is meant; here, of nobody who has it. */
describe('while nobody who has the head says what is in a block', function () {
  this.timeout(60_000);

  let chain: OwnChain;
  let harness: Harness;
  let store: TestStore;
  let chainId: number;
  let payment: Payment;
  /** Later with each test: what is looked at now and then is looked at. */
  let nowMs = 0;

  before(async function () {
    this.timeout(120_000);
    chain = await startOwnChain();
    harness = await createHarness({
      config: chain.configure({ confirmations: CONFIRMATIONS, maxBlockRange: 100 }),
    });
    store = await harness.createTestStore();
    ({ chainId } = chain);
    await chain.mine(CONFIRMATIONS);
  });
  after(async () => {
    await harness.close();
    await chain.close();
  });
  beforeEach(async () => {
    nowMs += 60_000;
    payment = await harness.createTestPayment(store, {
      token: chain.token,
      expiresInSeconds: 3_600,
    });
  });

  const later = () => atTime(harness.ctx, addMs(new Date(), (nowMs += 20_000)));
  const historyOf = async (of = payment) =>
    readHistory(harness.ctx, await readPayment(harness.ctx, of));
  /** So many blocks, each by a scan of its own. */
  async function scanBlocks(count: number): Promise<void> {
    for (let scans = 0; scans < count; scans++) {
      await chain.mine();
      await scanChain(later(), chainId);
    }
  }
  const readScan = async () => ({
    before: await cursorOf(),
    blocks: await listScannedBlocks(harness.ctx.db, chainId, 600),
  });
  const cursorOf = () => findCursor(harness.ctx.db, chainId);
  let asked = 0;
  /** The last word on a block: absent: the truth. */
  const answering = (
    ctx: Context,
    answer: (number: bigint, head: Pick<Block, 'number'>) => Block | 'otherBranch' | undefined,
  ) =>
    withChain(ctx, chainId, (port) => ({
      findBlockUnder(head, number) {
        asked++;
        const told = answer(number, head);
        return told === undefined ? port.findBlockUnder(head, number) : Promise.resolve(told);
      },
    }));

  it('nothing is completed, and all is with the next scan that hears it', async () => {
    await chain.pay(await chain.createCustomer(), payment);
    await chain.mine();
    const place = await chain.getHeadNumber();
    await chain.mine(CONFIRMATIONS);
    for (let scans = 0; scans < 3; scans++)
      await scanChain(
        answering(later(), (number) => (number === place ? 'otherBranch' : undefined)),
        chainId,
      );
    expect(await historyOf()).to.deep.equal(SEEN);
    await scanChain(later(), chainId);
    expect(await historyOf()).to.deep.equal([...SEEN, 'payment.completed']);
  });

  it('no chunk of a catch-up is applied that ends there', async () => {
    await scanChain(later(), chainId);
    const before = await cursorOf();
    await chain.mine(25);
    const config = chain.configure({ confirmations: CONFIRMATIONS, maxBlockRange: 10 })(
      harness.config,
    );
    const catchUp = (ctx: Context) => scanChain({ ...ctx, config }, chainId);
    const [from, top] = [before?.nextBlock ?? 0n, await chain.getHeadNumber()];
    await catchUp(
      answering(later(), (number, head) =>
        head.number === top && number < top && number >= from ? 'otherBranch' : undefined,
      ),
    );
    expect((await cursorOf())?.nextBlock).to.equal(before?.nextBlock);
    await catchUp(later());
    expect((await cursorOf())?.nextBlock).to.equal((before?.nextBlock ?? 0n) + 25n);
  });

  it('the time by which things end stays', async () => {
    await scanChain(later(), chainId);
    const before = (await cursorOf())?.settled;
    await chain.mine(CONFIRMATIONS);
    const last = (await chain.getHeadNumber()) - BigInt(CONFIRMATIONS) + 1n;
    await scanChain(
      answering(later(), (number) => (number === last ? 'otherBranch' : undefined)),
      chainId,
    );
    expect((await cursorOf())?.settled).to.deep.equal(before);
    await scanChain(later(), chainId);
    expect((await cursorOf())?.settled?.block).to.equal(last);
  });

  it('nothing that a reorganisation may have taken is withdrawn', async () => {
    const restore = await chain.takeSnapshot();
    await chain.pay(await chain.createCustomer(), payment);
    await chain.mine();
    const place = await chain.getHeadNumber();
    await scanChain(later(), chainId);
    expect(await historyOf()).to.deep.equal(SEEN);
    await restore();
    await chain.mine(CONFIRMATIONS + 1);
    // At first it is asked how far the scan goes back.
    let times = 0;
    const ctx = answering(later(), (number) =>
      number === place && ++times > 2 ? 'otherBranch' : undefined,
    );
    await scanChain(ctx, chainId);
    expect(await historyOf()).to.deep.equal(SEEN);
    expect((await cursorOf())?.withdraw).not.to.equal(null);
    await scanChain(later(), chainId);
    expect(await historyOf()).to.deep.equal([...SEEN, 'payment.reorged']);
  });

  it('the scan goes back by no window, and asks a few times only', async () => {
    await chain.mine(3);
    await scanBlocks(20);
    const { before, blocks } = await readScan();
    await chain.mine();
    asked = 0;
    const last = blocks[0]?.number;
    const ctx = answering(later(), (number) =>
      number === last ? { number, hash: FOREIGN, timestamp: new Date() } : 'otherBranch',
    );
    await scanChain(ctx, chainId);
    expect(await cursorOf()).to.deep.equal(before);
    expect(await listScannedBlocks(harness.ctx.db, chainId, 600)).to.deep.equal(blocks);
    expect(asked).to.be.at.most(10);
  });

  it('the scan goes back by no window either where all others were replaced', async () => {
    await scanBlocks(12);
    const { before, blocks } = await readScan();
    await chain.mine();
    const untold = new Set(blocks.slice(2, 5).map(({ number }) => number));
    const top = await chain.getHeadNumber();
    const ctx = answering(later(), (number) => {
      if (number === top) return undefined;
      return untold.has(number) ? 'otherBranch' : { number, hash: FOREIGN, timestamp: new Date() };
    });
    await scanChain(ctx, chainId);
    expect(await cursorOf()).to.deep.equal(before);
    expect(await listScannedBlocks(harness.ctx.db, chainId, 600)).to.deep.equal(blocks);
  });

  it('that it happens once, of one block among many, does not keep the scan from going back', async () => {
    await scanBlocks(12);
    const { before, blocks } = await readScan();
    await chain.mine();
    const top = await chain.getHeadNumber();
    let times = 0;
    const ctx = answering(later(), (number) => {
      if (number === top) return undefined;
      return number === blocks[5]?.number && times++ === 0
        ? 'otherBranch'
        : { number, hash: FOREIGN, timestamp: new Date() };
    });
    await scanChain(ctx, chainId);
    expect(times).to.be.above(1);
    expect((await cursorOf())?.generation).to.be.above(before?.generation ?? 0);
    // What the chain has there after all, and all was withdrawn for, comes back.
    await scanChain(later(), chainId);
  });

  it('nor does it when they answer for many blocks at once, but not for one', async () => {
    await scanBlocks(24);
    const { before, blocks } = await readScan();
    await chain.mine();
    const top = await chain.getHeadNumber();
    let [now, most, times] = [0, 0, 0];
    const lookedAt = (silent: (number: bigint) => boolean) =>
      withChain(later(), chainId, (port) => ({
        async findBlockUnder(head, number) {
          if (number === top) return port.findBlockUnder(head, number);
          most = Math.max(most, ++now);
          await sleep(5);
          now--;
          if (silent(number)) throw new AppError(CHAIN_ERRORS.unavailable);
          return { number, hash: FOREIGN, timestamp: new Date() };
        },
      }));
    const failure = await expectRefusal(
      scanChain(
        lookedAt((number) => number !== blocks[0]?.number),
        chainId,
      ),
    );
    expect(failure.code).to.equal(CHAIN_ERRORS.unavailable.code);
    expect(await cursorOf()).to.deep.equal(before);
    most = 0;
    await scanChain(
      lookedAt((number) => number === blocks[5]?.number && times++ === 0),
      chainId,
    );
    expect(times).to.be.above(1);
    expect(most).to.equal(8);
    expect((await cursorOf())?.generation).to.be.above(before?.generation ?? 0);
    await scanChain(later(), chainId);
  });

  it('of many blocks, those are not asked about that come after the first ones', async () => {
    const places = Array.from({ length: 40 }, (_, index) => ({
      blockNumber: BigInt(index),
      blockHash: asBytes32(`0x${index.toString(16).padStart(64, '0')}`),
    }));
    asked = 0;
    const port = answering(later(), () => 'otherBranch').chains.get(chainId);
    if (port === undefined) throw new Error('no chain');
    const { verdicts } = await judgePlaces(port, await port.getHead(), places);
    expect([...new Set(verdicts.values())]).to.deep.equal(['otherBranch']);
    expect(verdicts.size).to.equal(40);
    expect(asked).to.be.at.most(8);
  });

  it('a scan goes back by what others say that have it', async () => {
    const restore = await chain.takeSnapshot();
    const shared = await chain.getHeadNumber();
    await scanChain(later(), chainId);
    await scanBlocks(10);
    await restore();
    await chain.passTime(5);
    await chain.mine(12);
    const told: Record<string, unknown>[] = [];
    const log = pino(
      { level: 'warn' },
      { write: (line: string) => void told.push(JSON.parse(line) as Record<string, unknown>) },
    );
    const ctx = answering({ ...later(), log }, (number) =>
      number === shared + 4n ? 'otherBranch' : undefined,
    );
    await scanChain(ctx, chainId);
    expect(told.find(({ msg }) => msg === 'the chain reorganised: scanning again')).to.include({
      sharedUntil: shared.toString(),
    });
  });

  it('what is completed counts as not looked at: the next look is at it', async () => {
    await chain.mine(2);
    const place = await chain.getHeadNumber();
    await chain.mine(200);
    await scanChain(later(), chainId);
    // More than one look is at, all in later blocks.
    for (let index = 1; index <= 140; index++) {
      const block = await harness.ctx.chains.get(chainId)?.findBlock(place + BigInt(index));
      const { id } = await harness.createTestPayment(store, { token: chain.token });
      const stands = {
        block_number: Number(block?.number),
        block_hash: block?.hash,
        log_index: index,
        tx_hash: FOREIGN,
      };
      await harness.ctx
        .db('payments')
        .where({ id })
        .update({ status: 'completed', completed_at: new Date(), ...stands });
    }
    // As if a wrong block had passed the look once.
    const wrong = {
      block_number: Number(place),
      block_hash: FOREIGN,
      log_index: 9,
      tx_hash: FOREIGN,
    };
    await harness.ctx
      .db('payments')
      .where({ id: payment.id })
      .update({ status: 'completed', completed_at: new Date(), ...wrong });
    for (let looks = 0; looks < 3; looks++) {
      await chain.mine();
      await scanChain(
        answering(later(), (number) => (number === place ? 'otherBranch' : undefined)),
        chainId,
      );
    }
    await chain.mine();
    await scanChain(later(), chainId);
    expect((await historyOf()).at(-1)).to.equal('payment.reorged');
  });
});
