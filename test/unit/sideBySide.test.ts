import { expect } from 'chai';

import { sideBySide } from '../../shared/sideBySide.ts';

describe('sideBySide', () => {
  /** Work that ends when the test says so. */
  function createWork() {
    const open = new Map<number, { resolve: () => void; reject: (error: unknown) => void }>();
    const begun: number[] = [];
    const work = (item: number) => {
      begun.push(item);
      return new Promise<void>((resolve, reject) => open.set(item, { resolve, reject }));
    };
    return {
      begun,
      work,
      end: (item: number) => open.get(item)!.resolve(),
      fail: (item: number) => open.get(item)!.reject(new Error(`${item} failed`)),
    };
  }
  const turn = () => new Promise((resolve) => setImmediate(resolve));

  it('begins in order, no more than so many at once, and ends with the last', async () => {
    const { begun, work, end } = createWork();
    let isOver = false;
    const all = sideBySide([1, 2, 3, 4], 2, work).then(() => {
      isOver = true;
    });
    expect(begun).to.deep.equal([1, 2]);
    end(2);
    await turn();
    expect(begun).to.deep.equal([1, 2, 3]);
    end(1);
    end(3);
    await turn();
    expect([begun, isOver]).to.deep.equal([[1, 2, 3, 4], false]);
    end(4);
    await all;
  });

  it('begins nothing after a failure, waits for what was begun, and throws the first', async () => {
    const { begun, work, end, fail } = createWork();
    let failure: unknown;
    const all = sideBySide([1, 2, 3], 2, work).catch((error: unknown) => {
      failure = error;
    });
    fail(1);
    await turn();
    expect([begun, failure]).to.deep.equal([[1, 2], undefined]);
    end(2);
    await all;
    expect(begun).to.deep.equal([1, 2]);
    expect(failure).to.have.property('message', '1 failed');
  });

  it('has nothing to do for nothing', async () => {
    await sideBySide([], 3, () => Promise.reject(new Error('never')));
  });
});
