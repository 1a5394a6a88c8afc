import { expect } from 'chai';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';

import { createOneWhileBusy } from '../../shared/oneWhileBusy.ts';

const BUSY = () => () => 0.9;
const IDLE = () => () => 0.1;

describe('One piece of work while the process is busy', () => {
  it('lets the next begin when the one before has ended, in the order in which they came', async () => {
    const turns = createOneWhileBusy(BUSY);
    const seen: string[] = [];
    const work = (name: string, ms: number) => async () => {
      seen.push(`${name} begins`);
      await sleep(ms);
      seen.push(`${name} ends`);
      return name;
    };
    const done = await Promise.all([
      turns.run(work('first', 150)),
      turns.run(work('second', 1)),
      turns.run(work('third', 1)),
    ]);
    expect(done).to.deep.equal(['first', 'second', 'third']);
    expect(seen).to.deep.equal([
      ...['first begins', 'first ends', 'second begins', 'second ends'],
      ...['third begins', 'third ends'],
    ]);
  });

  it('lets them begin beside each other when the process has time', async () => {
    const turns = createOneWhileBusy(IDLE);
    const { release, hasEnded } = holdTurn(turns);
    await turns.run(() => Promise.resolve());
    expect(hasEnded()).to.equal(false);
    await release();
  });

  it('does not wait for ever for one that somebody leaves without an answer', async () => {
    const turns = createOneWhileBusy(BUSY);
    const { release, hasEnded } = holdTurn(turns);
    await turns.run(() => Promise.resolve());
    expect(hasEnded()).to.equal(false);
    await release();
  });

  it('tells who asked of a failure, and lets the next begin', async () => {
    const turns = createOneWhileBusy(BUSY);
    const failures = await Promise.allSettled([
      turns.run(() => Promise.reject(new Error('later'))),
      turns.run(() => {
        throw new Error('at once');
      }),
    ]);
    expect(
      failures.map((one) => (one.status === 'rejected' ? String(one.reason) : '')),
    ).to.deep.equal(['Error: later', 'Error: at once']);
    expect(await turns.run(() => Promise.resolve('next'))).to.equal('next');
  });

  it('measures what the event loop of this process does', async () => {
    const turns = createOneWhileBusy();
    let hasEnded = false;
    const first = turns.run(async () => {
      const endsAt = performance.now() + 400;
      while (performance.now() < endsAt) await setImmediate();
      hasEnded = true;
    });
    const hadEnded = await turns.run(() => Promise.resolve(hasEnded));
    await first;
    expect(
      hadEnded,
      'the first one kept the process busy, and the second began beside it',
    ).to.equal(true);
  });
});

/** A piece of work that lasts until it is released. */
function holdTurn(turns: ReturnType<typeof createOneWhileBusy>) {
  let hasEnded = false;
  let end = (): void => undefined;
  const held = turns.run(async () => {
    await new Promise<void>((resolve) => {
      end = resolve;
    });
    hasEnded = true;
  });
  return {
    hasEnded: () => hasEnded,
    release: () => {
      end();
      return held;
    },
  };
}
