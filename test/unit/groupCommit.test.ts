import { expect } from 'chai';

import { createGroupCommit, ItemsFailed } from '../../platform/groupCommit.ts';
import { AppError, COMMON_ERRORS } from '../../shared/errors.ts';

describe('createGroupCommit', () => {
  const ownerOf = (item: number) => (item < 100 ? 'small' : 'large');
  const options = { ownerOf, lanes: 2, maxItems: 4, minItemsBeside: 3, maxWaiting: 100 };

  /** Commits that end when the test says so. */
  function setUp(overrides: Partial<typeof options> = {}) {
    const groups: { readonly items: readonly number[]; readonly end: (error?: Error) => void }[] =
      [];
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

  const statusOf = (outcomes: readonly PromiseSettledResult<void>[]) =>
    outcomes.map(({ status }) => status);
  const reasonOf = (outcome: PromiseSettledResult<void> | undefined) =>
    outcome?.status === 'rejected' ? (outcome.reason as Error).message : undefined;

  it('leaves out those on whose account a group fails, and commits the others together', async () => {
    const { add, groups, seen } = setUp();
    const outcomes = Promise.allSettled([add(1), add(2), add(3), add(4)]);
    await turn();
    groups[0]!.end(new ItemsFailed(new Map([[3, new Error('the third')]])));
    await turn();
    expect(seen()).to.deep.equal([
      [1, 2, 3, 4],
      [1, 2, 4],
    ]);
    groups[1]!.end();
    const settled = await outcomes;
    expect(statusOf(settled)).to.deep.equal(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
    expect(reasonOf(settled[2])).to.equal('the third');
  });

  it('halves a group that fails on nobody knows whose account, so that one suffers from its own error only', async () => {
    const commits: number[][] = [];
    let atOnce = 0;
    let mostAtOnce = 0;
    const add = createGroupCommit<number>(
      async (items) => {
        commits.push([...items]);
        mostAtOnce = Math.max(mostAtOnce, ++atOnce);
        await turn();
        atOnce--;
        if (items.includes(13)) throw new Error('thirteen');
      },
      { ownerOf, lanes: 1, maxItems: 32, minItemsBeside: 8, maxWaiting: 100 },
    );
    const outcomes = await Promise.allSettled(Array.from({ length: 32 }, (_, item) => add(item)));
    expect(
      outcomes.flatMap(({ status }, item) => (status === 'rejected' ? [item] : [])),
    ).to.deep.equal([13]);
    expect(reasonOf(outcomes[13])).to.equal('thirteen');
    expect(commits, 'one for all, then two for each of five halvings').to.have.length(11);
    expect(mostAtOnce, 'each try takes the place of the one before it').to.equal(1);
  });

  it('fails all of them at once when the database is away: no half would fare better', async () => {
    const { add, groups, seen } = setUp();
    const outcomes = Promise.allSettled([add(1), add(2), add(3)]);
    await turn();
    groups[0]!.end(
      Object.assign(new Error('Connection lost'), { code: 'PROTOCOL_CONNECTION_LOST' }),
    );
    expect(statusOf(await outcomes)).to.deep.equal(['rejected', 'rejected', 'rejected']);
    expect(seen()).to.deep.equal([[1, 2, 3]]);
  });

  it('refuses what comes when too many of an owner wait, and loses none of those', async () => {
    const { add, groups, seen } = setUp({ lanes: 1, maxWaiting: 9 });
    void add(0);
    await turn();
    const outcomes = Promise.allSettled(Array.from({ length: 8 }, (_, index) => add(index + 1)));
    const other = Promise.allSettled([add(100), add(101), add(102), add(103)]);
    const end = async () => {
      await turn();
      groups.at(-1)!.end();
    };
    for (let times = 0; times < 4; times++) await end();
    const settled = await outcomes;
    expect(statusOf(settled)).to.deep.equal([
      ...Array<string>(5).fill('fulfilled'),
      ...Array<string>(3).fill('rejected'),
    ]);
    const refusal = settled[7]?.status === 'rejected' ? (settled[7].reason as unknown) : undefined;
    expect(refusal)
      .to.be.instanceOf(AppError)
      .and.deep.include({ kind: COMMON_ERRORS.busy, retryAfterSeconds: 1 });
    expect(statusOf(await other), 'as many as are free').to.deep.equal([
      'fulfilled',
      'fulfilled',
      'rejected',
      'rejected',
    ]);
    expect(seen()).to.deep.equal([[0], [1, 100, 2, 101], [3, 4, 5]]);
  });

  it('takes one of each owner’s in turn: who has many waiting keeps nobody waiting', async () => {
    const { add, groups, seen } = setUp({ lanes: 1 });
    void add(0);
    await turn();
    for (const item of [1, 2, 3, 4, 5, 6, 7, 8]) void add(item);
    void add(100);
    groups[0]!.end();
    await turn();
    expect(seen().at(-1)).to.deep.equal([1, 100, 2, 3]);
  });
});
