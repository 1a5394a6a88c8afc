import { expect } from 'chai';

import { createGroupCommit } from '../../platform/groupCommit.ts';

describe('createGroupCommit', () => {
  const options = { lanes: 2, maxItems: 4, minItemsBeside: 3 };

  /** Commits that end when the test says so. */
  function setUp(overrides: Partial<typeof options> = {}) {
    const groups: { readonly items: readonly number[]; readonly end: (error?: Error) => void }[] = [];
    const add = createGroupCommit<number>(
      (items) =>
        new Promise((resolve, reject) => {
          groups.push({ items, end: (error) => (error === undefined ? resolve() : reject(error)) });
        }),
      { ...options, ...overrides },
    );
    const seen = () => groups.map((group) => group.items);
    return { add, groups, seen };
  }

  const turn = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

  it('commits what arrives in one turn together, and a lone item at once', async () => {
    const { add, groups, seen } = setUp();
    const both = Promise.all([add(1), add(2)]);
    await turn();
    expect(seen()).to.deep.equal([[1, 2]]);
    groups[0]!.end();
    await both;
    void add(3);
    await turn();
    expect(seen()).to.deep.equal([[1, 2], [3]]);
  });

  it('lets a few wait for the commit before them, and opens a further lane for as many as it is worth', async () => {
    const { add, groups, seen } = setUp();
    void add(1);
    await turn();
    void add(2);
    void add(3);
    await turn();
    expect(seen()).to.deep.equal([[1]]);
    groups[0]!.end();
    await turn();
    expect(seen(), 'the next, as soon as the lane is free').to.deep.equal([[1], [2, 3]]);
    for (const item of [4, 5, 6]) void add(item);
    await turn();
    expect(seen()).to.deep.equal([[1], [2, 3], [4, 5, 6]]);
    for (const item of [7, 8, 9]) void add(item);
    await turn();
    expect(seen(), 'both lanes are at work').to.have.length(3);
  });

  it('makes nobody wait for long behind a commit that hangs', async () => {
    const { add, seen } = setUp();
    void add(1);
    await turn();
    void add(2);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(seen()).to.deep.equal([[1], [2]]);
  });

  it('commits no more than maxItems together', async () => {
    const { add, groups, seen } = setUp({ lanes: 1 });
    for (const item of [1, 2, 3, 4, 5, 6]) void add(item);
    await turn();
    expect(seen()).to.deep.equal([[1, 2, 3, 4]]);
    groups[0]!.end();
    await turn();
    expect(seen()).to.deep.equal([
      [1, 2, 3, 4],
      [5, 6],
    ]);
  });

  it('commits each alone when their group fails, so that one suffers from its own error only', async () => {
    const { add, groups, seen } = setUp();
    const outcomes = Promise.allSettled([add(1), add(2)]);
    await turn();
    groups[0]!.end(new Error('one of them'));
    await turn();
    expect(seen()).to.deep.equal([[1, 2], [1], [2]]);
    groups[1]!.end(new Error('this one'));
    groups[2]!.end();
    const [first, second] = await outcomes;
    expect(first).to.include({ status: 'rejected' });
    expect((first as PromiseRejectedResult).reason).to.have.property('message', 'this one');
    expect(second).to.include({ status: 'fulfilled' });
  });
});
