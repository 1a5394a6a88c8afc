import { expect } from 'chai';

import { askChain } from '../../domain/chain/service.ts';
import { CHAIN_ERRORS } from '../../domain/chain/errors.ts';
import { DONE, type WorkResult } from '../../domain/outbox/model.ts';
import type { Context } from '../../platform/context.ts';
import { AppError } from '../../shared/errors.ts';
import { createHarness, type Harness } from '../support/harness.ts';
import { createFakeClock, withChain } from '../support/varyContext.ts';

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
  // A port of its own for each test: what is known of its outages goes with it.
  beforeEach(() => {
    ctx = withChain({ ...harness.ctx, clock }, chainId, () => ({ getHead: () => Promise.reject(new AppError(CHAIN_ERRORS.unavailable)) }));
  });

  const fail = (): Promise<WorkResult> => Promise.reject(new AppError(CHAIN_ERRORS.unavailable));
  const succeed = (): Promise<WorkResult> => Promise.resolve(DONE);

  it('is left alone for a moment; then one asks it and the others come back later, until it answers', async () => {
    const asked: string[] = [];
    const ask = (name: string, work: () => Promise<WorkResult>) =>
      askChain(ctx, chainId, () => {
        asked.push(name);
        return work();
      });
    expect((await ask('first', fail)).kind).to.equal('later');
    expect((await ask('at once', succeed)).kind).to.equal('later');
    clock.advance(3_000);
    let answer: (result: WorkResult) => void = () => undefined;
    const trying = ask('one that tries', () => new Promise((resolve) => (answer = resolve)));
    expect((await ask('meanwhile', succeed)).kind).to.equal('later');
    answer(DONE);
    expect(await trying).to.deep.equal(DONE);
    expect(await ask('afterwards', succeed)).to.deep.equal(DONE);
    expect(asked).to.deep.equal(['first', 'one that tries', 'afterwards']);
  });

  it('is tried again though the one that tried never came back', async () => {
    await askChain(ctx, chainId, fail);
    clock.advance(3_000);
    void askChain(ctx, chainId, () => new Promise(() => undefined));
    clock.advance(15_000);
    expect(await askChain(ctx, chainId, succeed)).to.deep.equal(DONE);
  });

  it('tells those who wait behind the one that it failed', async () => {
    let failNow: () => void = () => undefined;
    const first = askChain(
      ctx,
      chainId,
      () => new Promise((_resolve, reject) => (failNow = () => reject(new AppError(CHAIN_ERRORS.unavailable)))),
    );
    const seen: boolean[] = [];
    const second = askChain(ctx, chainId, async (hasFailed) => {
      seen.push(hasFailed());
      await first;
      seen.push(hasFailed());
      return DONE;
    });
    failNow();
    await second;
    expect(seen).to.deep.equal([false, true]);
  });

  it('is not out when it answers the cheapest question: then it is the one question that waits', async () => {
    const answering = withChain({ ...harness.ctx, clock }, chainId, () => ({}));
    const result = await askChain(answering, chainId, fail);
    if (result.kind !== 'later') throw new Error('it was not to be given up');
    expect(result.at.getTime() - clock.now().getTime()).to.be.within(15_000, 30_000);
    expect(await askChain(answering, chainId, succeed)).to.deep.equal(DONE);
  });

  it('has other errors told as they are', async () => {
    const outcome = await askChain(ctx, chainId, () => Promise.reject(new Error('a bug'))).catch((error: unknown) => error);
    expect(outcome).to.have.property('message', 'a bug');
    expect(await askChain(ctx, chainId, succeed)).to.deep.equal(DONE);
  });
});
