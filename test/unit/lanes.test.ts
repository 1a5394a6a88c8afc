import { expect } from 'chai';
import { setImmediate as turn } from 'node:timers/promises';

import { createLanes } from '../../shared/lanes.ts';

/** Work that goes on until it is told to end. */
function createWork() {
  let end: (error?: Error) => void = () => undefined;
  const isOver = new Promise<void>((resolve, reject) => {
    end = (error) => (error === undefined ? resolve() : reject(error));
  });
  return { work: () => isOver, end: (error?: Error) => end(error) };
}

describe('how many wait in a lane', () => {
  it('is nobody beside one that is let through, whether it is alone in its lane or there is none', async () => {
    const lanes = createLanes();
    expect(lanes.countWaiting('a')).to.equal(0);
    const only = createWork();
    const run = lanes.run('a', only.work);
    expect(lanes.countWaiting('a')).to.equal(0);
    only.end();
    await run;
    expect(lanes.countWaiting('a')).to.equal(0);
  });

  it('goes up with each that comes, at once, and down as they are let through, and says nothing of other lanes', async () => {
    const lanes = createLanes();
    const all = [createWork(), createWork(), createWork()];
    const runs = all.map(({ work }) => lanes.run('a', work));
    expect([lanes.countWaiting('a'), lanes.countWaiting('b')]).to.deep.equal([2, 0]);
    for (const [index, { end }] of all.entries()) {
      expect(lanes.countWaiting('a')).to.equal(2 - index);
      end();
      await runs[index];
      await turn();
    }
    expect(lanes.countWaiting('a')).to.equal(0);
  });

  it('counts no one that has failed, and those behind it are let through', async () => {
    const lanes = createLanes();
    const [first, second] = [createWork(), createWork()];
    const runs = [lanes.run('a', first.work), lanes.run('a', second.work)];
    first.end(new Error('no'));
    expect(await runs[0]!.catch((error: unknown) => (error as Error).message)).to.equal('no');
    expect(lanes.countWaiting('a')).to.equal(0);
    second.end();
    await runs[1];
    const again = createWork();
    const run = lanes.run('a', again.work);
    expect(lanes.countWaiting('a')).to.equal(0);
    again.end();
    await run;
  });
});
