import { expect } from 'chai';

import { askChain } from '../../domain/chain/service.ts';
import { CHAIN_ERRORS } from '../../domain/chain/errors.ts';
import type { Block } from '../../domain/chain/ports.ts';
import { DONE, type WorkResult } from '../../domain/outbox/model.ts';
import type { Context } from '../../platform/context.ts';
import { AppError } from '../../shared/errors.ts';
import { createHarness, type Harness } from '../support/harness.ts';
import { createFakeClock, withChain } from '../support/varyContext.ts';

/** A promise that is settled when the test says so. */
function hold<T>(): {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: Error): void;
} {
  let [resolve, reject]: [(value: T) => void, (error: Error) => void] = [
    () => undefined,
    () => undefined,
  ];
  const promise = new Promise<T>((...settle) => ([resolve, reject] = settle));
  return { promise, resolve: (value) => resolve(value), reject: (error) => reject(error) };
}

describe('a chain that does not answer', () => {
  let harness: Harness;
  let chainId: number;
  const clock = createFakeClock(new Date('2030-01-01T00:00:00Z'));
  let ctx: Context;
  before(async () => {
    harness = await createHarness();
    chainId = harness.config.chains[0]?.chainId ?? 0;
  });
  after(() => harness.close());
  /** Answers the cheapest question. */
  let head: () => Promise<Block>;
  let headsAsked: number;
  // A port of its own for each test: what is known of its outages goes with it.
  beforeEach(() => {
    head = silent;
    headsAsked = 0;
    ctx = withChain({ ...harness.ctx, clock }, chainId, () => ({
      getHead: () => (headsAsked++, head()),
    }));
  });

  const silent = () => Promise.reject(new AppError(CHAIN_ERRORS.unavailable));
  const answering = () =>
    Promise.resolve({ number: 1n, hash: `0x${'0'.repeat(64)}`, timestamp: clock.now() } as const);
  const fail = (): Promise<WorkResult> => Promise.reject(new AppError(CHAIN_ERRORS.unavailable));
  const succeed = (): Promise<WorkResult> => Promise.resolve(DONE);

  /** Asks as work that leaves its name when it runs. */
  const asked: string[] = [];
  beforeEach(() => asked.splice(0));
  const ask = (name: string, work: () => Promise<WorkResult> = succeed) =>
    askChain(ctx, chainId, () => {
      asked.push(name);
      return work();
    });

  /** A head that is answered, or not, when it is told to. */
  function holdHead(): { answer(): void; fail(): void } {
    const held = hold<Block>();
    head = () => held.promise;
    return {
      answer: () => void answering().then(held.resolve),
      fail: () => held.reject(new AppError(CHAIN_ERRORS.unavailable)),
    };
  }

  it('is left alone for a moment; then one asks whether it is back, and the others come back later, until it is', async () => {
    expect((await ask('first', fail)).kind).to.equal('later');
    expect((await ask('at once')).kind).to.equal('later');
    clock.advance(3_000);
    expect((await ask('one that tries too early')).kind).to.equal('later');
    clock.advance(3_000);
    const held = holdHead();
    const trying = ask('one that tries');
    expect((await ask('meanwhile')).kind).to.equal('later');
    held.answer();
    expect(await trying).to.deep.equal(DONE);
    expect(await ask('afterwards')).to.deep.equal(DONE);
    expect(asked).to.deep.equal(['first', 'one that tries', 'afterwards']);
  });

  it('is asked again soon, though a clock that had jumped ahead said when', async () => {
    const now = clock.now();
    clock.advance(3_600_000);
    await ask('first', fail);
    const held = holdHead();
    clock.advance(6_000);
    const trying = ask('one that tries');
    clock.set(now);
    head = answering;
    expect(await ask('afterwards')).to.deep.equal(DONE);
    held.answer();
    expect(await trying).to.deep.equal(DONE);
  });

  it('that keeps silent holds up one at a time, however long its silence takes, and nobody beside whom it fails late', async () => {
    const late = hold<WorkResult>();
    const first = ask('first', fail);
    const second = ask('beside the first', () => late.promise);
    await first;
    clock.advance(3_000);
    const held = holdHead();
    headsAsked = 0;
    const trying = ask('one that tries');
    for (const seconds of [17, 30, 72]) {
      clock.advance(seconds * 1_000);
      const result = await ask('meanwhile');
      if (result.kind !== 'later') throw new Error('it was let in');
      expect(result.at.getTime() - clock.now().getTime()).to.be.within(15_000, 18_000);
    }
    expect(headsAsked).to.equal(1);
    // It was under way before anybody knew of the outage.
    head = silent;
    late.reject(new AppError(CHAIN_ERRORS.unavailable));
    expect((await second).kind).to.equal('later');
    headsAsked = 0;
    // Half a second before the one that tries is taken for lost.
    clock.advance(500);
    expect((await ask('after the one that failed late')).kind).to.equal('later');
    expect(headsAsked).to.equal(0);
    held.fail();
    expect((await trying).kind).to.equal('later');
    clock.advance(3_000);
    head = answering;
    expect(await ask('when it is back')).to.deep.equal(DONE);
    expect(asked).to.deep.equal(['first', 'beside the first', 'when it is back']);
  });

  it('is asked again though the one that tried never came back', async () => {
    await ask('first', fail);
    clock.advance(3_000);
    holdHead();
    void ask('one that never comes back');
    clock.advance(120_000);
    head = answering;
    expect(await ask('another')).to.deep.equal(DONE);
  });

  it('keeps nobody waiting for the work of the one that found it back', async () => {
    await ask('first', fail);
    clock.advance(3_000);
    head = answering;
    const begun = hold<undefined>();
    void ask(
      'work that takes long',
      () => (begun.resolve(undefined), new Promise(() => undefined)),
    );
    await begun.promise;
    expect(await ask('another')).to.deep.equal(DONE);
  });

  it('is not back because work ended that did not ask it', async () => {
    const idle = hold<WorkResult>();
    const waiting = ask('waits for a relayer', () => idle.promise);
    await ask('first', fail);
    idle.resolve(DONE);
    expect(await waiting).to.deep.equal(DONE);
    expect((await ask('another')).kind).to.equal('later');
    clock.advance(3_000);
    expect((await ask('one that tries')).kind).to.equal('later');
    expect(asked).to.deep.equal(['waits for a relayer', 'first']);
  });

  it('tells those who wait behind the one that it failed', async () => {
    const failing = hold<WorkResult>();
    const first = ask('first', () => failing.promise);
    const seen: boolean[] = [];
    const second = askChain(ctx, chainId, async (hasFailed) => {
      seen.push(hasFailed());
      await first;
      seen.push(hasFailed());
      return DONE;
    });
    failing.reject(new AppError(CHAIN_ERRORS.unavailable));
    await second;
    expect(seen).to.deep.equal([false, true]);
  });

  it('is not out when it answers the cheapest question: then it is the one question that waits', async () => {
    head = answering;
    const result = await ask('first', fail);
    if (result.kind !== 'later') throw new Error('it was not to be given up');
    expect(result.at.getTime() - clock.now().getTime()).to.be.within(15_000, 30_000);
    expect(await ask('at once')).to.deep.equal(DONE);
  });

  it('has other errors told as they are', async () => {
    const outcome = await askChain(ctx, chainId, () => Promise.reject(new Error('a bug'))).catch(
      (error: unknown) => error,
    );
    expect(outcome).to.have.property('message', 'a bug');
    expect(await askChain(ctx, chainId, succeed)).to.deep.equal(DONE);
  });
});
