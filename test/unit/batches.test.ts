import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';

import { createBatches } from '../../platform/batches.ts';

describe('batches', () => {
  const create = (inTurn: boolean) => {
    const log: string[] = [];
    const batches = createBatches<{ name: string }, number, string>(
      async ({ name }, items) => {
        log.push(`${name} begins ${items.join()}`);
        await sleep(10);
        if (items.includes(13)) throw new Error(`${items.join()} failed`);
        log.push(`${name} ends ${items.join()}`);
        return items.map((item) => `${name}${item}`);
      },
      { inTurn },
    );
    return { log, batches };
  };

  it('do together what comes in one turn of the event loop for one owner, each with its own result', async () => {
    const { log, batches } = create(false);
    const [a, b] = [{ name: 'a' }, { name: 'b' }];
    const results = await Promise.all([
      batches.add(a, 1),
      batches.add(b, 2),
      batches.add(a, 3),
      batches.add(a, 1),
    ]);
    expect(results).to.deep.equal(['a1', 'b2', 'a3', 'a1']);
    expect(log.filter((line) => line.includes('begins'))).to.deep.equal([
      'a begins 1,3,1',
      'b begins 2',
    ]);
    // Nothing is remembered.
    expect(await batches.add(a, 1)).to.equal('a1');
    expect(log.at(-1)).to.equal('a ends 1');
  });

  it('run one after the other for an owner that asks for it, and none after one that failed', async () => {
    const { log, batches } = create(true);
    const owner = { name: 'a' };
    const add = async (...items: number[]) => {
      const added = Promise.allSettled(items.map((item) => batches.add(owner, item)));
      await new Promise((resolve) => setImmediate(resolve));
      return { added };
    };
    const { added: first } = await add(1, 2);
    const { added: second } = await add(3, 13);
    const { added: third } = await add(4);
    expect((await first).map(({ status }) => status)).to.deep.equal(['fulfilled', 'fulfilled']);
    expect((await second).map(({ status }) => status)).to.deep.equal(['rejected', 'rejected']);
    expect((await third).map(({ status }) => status)).to.deep.equal(['rejected']);
    expect(log).to.deep.equal(['a begins 1,2', 'a ends 1,2', 'a begins 3,13']);
    expect(await batches.add({ name: 'b' }, 5)).to.equal('b5');
  });

  it('do so many at once as they may, and together what comes meanwhile', async () => {
    const batches: number[][] = [];
    let running = 0;
    let most = 0;
    const bounded = createBatches<object, number, number>(
      async (_owner, items) => {
        batches.push([...items]);
        most = Math.max(most, ++running);
        await sleep(5);
        running--;
        if (items.includes(13)) throw new Error('failed');
        return [...items];
      },
      { inTurn: false, atOnce: 2 },
    );
    const owner = {};
    const asked: Promise<PromiseSettledResult<number>[]>[] = [];
    for (let i = 0; i < 50; i++) {
      asked.push(Promise.allSettled([bounded.add(owner, i)]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    const results = (await Promise.all(asked)).flat();
    expect(most).to.equal(2);
    expect(batches.flat()).to.deep.equal(Array.from({ length: 50 }, (_, i) => i));
    expect(batches.length).to.be.below(25);
    // Those of a batch fail together, and the others go on.
    const failed = batches.find((items) => items.includes(13)) ?? [];
    expect(results.flatMap(({ status }, i) => (status === 'rejected' ? [i] : []))).to.deep.equal(
      failed,
    );
  });
});
