import { expect } from 'chai';

import { createIntake } from '../../shared/createIntake.ts';

describe('createIntake', () => {
  const turn = () => new Promise((resolve) => setImmediate(resolve));

  /** Work that ends when the test says so. */
  function createWork() {
    const begun: (readonly number[])[] = [];
    const open: { resolve: () => void; reject: (error: unknown) => void }[] = [];
    const work = (batch: readonly number[]) => {
      begun.push(batch);
      return new Promise<void>((resolve, reject) => open.push({ resolve, reject }));
    };
    return { begun, open, work };
  }

  it('works on what came at one moment together, in batches, while more comes', async () => {
    const { begun, open, work } = createWork();
    const intake = createIntake({ batchSize: 3, atOnce: 2, work });
    for (let item = 1; item <= 4; item++) intake.add([item]);
    await turn();
    expect(begun).to.deep.equal([[1, 2, 3], [4]]);
    intake.add([5, 6]);
    intake.add([]);
    await turn();
    expect(begun, 'no more than two at once').to.have.length(2);
    open[1]!.resolve();
    await turn();
    expect(begun[2]).to.deep.equal([5, 6]);
    let hasEnded = false;
    const ended = intake.end().then(() => (hasEnded = true));
    open[0]!.resolve();
    await turn();
    expect(hasEnded).to.equal(false);
    open[2]!.resolve();
    await ended;
  });

  it('begins nothing after a failure, waits for what was begun, and throws the first', async () => {
    const { begun, open, work } = createWork();
    const intake = createIntake({ batchSize: 1, atOnce: 2, work });
    intake.add([1]);
    intake.add([2, 3]);
    await turn();
    const ended = intake.end().catch((error: unknown) => error);
    open[0]!.reject(new Error('1 failed'));
    await turn();
    open[1]!.resolve();
    expect(await ended).to.have.property('message', '1 failed');
    intake.add([4]);
    await turn();
    expect(begun).to.deep.equal([[1], [2]]);
  });

  it('has nothing to wait for when nothing came', async () => {
    await createIntake({
      batchSize: 1,
      atOnce: 1,
      work: () => Promise.reject(new Error('never')),
    }).end();
  });

  it('drops nothing that comes at the moment at which a turn ends', async () => {
    for (let depth = 0; depth < 10; depth++) {
      const done: number[] = [];
      let hasBegun = (): void => undefined;
      const begun = new Promise<void>((resolve) => (hasBegun = resolve));
      const intake = createIntake<number>({
        batchSize: 1,
        atOnce: 1,
        work: ([item = 0]) => {
          done.push(item);
          hasBegun();
          return Promise.resolve();
        },
      });
      intake.add([1]);
      await begun;
      for (let passed = 0; passed < depth; passed++) await Promise.resolve();
      intake.add([2]);
      await intake.end();
      expect(done, `${depth} turns of the promises later`).to.deep.equal([1, 2]);
    }
  });
});
