import { expect } from 'chai';

import { decideTurn } from '../../domain/relay/decideTurn.ts';
import { createRandom } from '../support/createRandom.ts';

const BATCH = 20;

/** What acceptance and dispatch do about turns, in memory. */
function createSchedule(weights: Readonly<Record<string, number>>) {
  let served = 0n;
  const last = new Map<string, bigint>();
  let waiting: { store: string; turn: bigint; seq: number }[] = [];
  let seq = 0;
  return {
    accept(store: string, count = 1): void {
      for (let index = 0; index < count; index++) {
        const turn = decideTurn({ served, last: last.get(store) ?? 0n, weight: weights[store] ?? 100 });
        last.set(store, turn);
        waiting.push({ store, turn, seq: seq++ });
      }
    },
    /** @returns whose requests the next batch has */
    serve(size = BATCH): string[] {
      waiting.sort((a, b) => (a.turn === b.turn ? a.seq - b.seq : a.turn < b.turn ? -1 : 1));
      const batch = waiting.slice(0, size);
      waiting = waiting.slice(size);
      const [first] = batch;
      if (first !== undefined && first.turn > served) served = first.turn;
      return batch.map(({ store }) => store);
    },
    waiting: (store: string) => waiting.filter((one) => one.store === store).length,
  };
}

describe('turns between stores', () => {
  it('bring five of one store among the first ten, whatever another has waiting', () => {
    const schedule = createSchedule({});
    schedule.accept('large', 500);
    schedule.accept('small', 5);
    expect(schedule.serve(10).filter((store) => store === 'small')).to.have.length(5);
  });

  it('are those of its weight, for every store that has something waiting, at any moment', () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const random = createRandom(seed);
      const weights = { a: 100, b: 200, c: 50, d: random.between(20, 400) };
      const total = Object.values(weights).reduce((sum, weight) => sum + weight, 0);
      const schedule = createSchedule(weights);
      const served = new Map<string, number>();
      for (let batch = 0; batch < 200; batch++) {
        for (const store of Object.keys(weights)) schedule.accept(store, Math.max(0, 200 - schedule.waiting(store)));
        for (const store of schedule.serve()) served.set(store, (served.get(store) ?? 0) + 1);
      }
      for (const [store, weight] of Object.entries(weights)) {
        const share = (200 * BATCH * weight) / total;
        expect(served.get(store) ?? 0, `seed ${seed}, ${store}`).to.be.within(share * 0.95 - BATCH, share * 1.05 + BATCH);
      }
    }
  });

  it('come to the least weight as well: nobody is starved by however many that go on and on', () => {
    for (const seed of [1, 2, 3]) {
      const random = createRandom(seed);
      const schedule = createSchedule({ low: 10 });
      for (let store = 0; store < 10; store++) schedule.accept(`busy-${store}`, 200);
      schedule.accept('low', 3);
      let batches = 0;
      while (schedule.waiting('low') > 0) {
        for (let store = 0; store < 10; store++) schedule.accept(`busy-${store}`, random.between(2, 6));
        schedule.serve();
        batches += 1;
        // Each of the ten has ten turns to one of it: its third comes with the 300th of theirs.
        expect(batches, `seed ${seed}`).to.be.at.most(2 + (3 * 10 * 10) / BATCH);
      }
    }
  });

  it('give no credit for having been away, and hold nothing against who was busy alone', () => {
    const schedule = createSchedule({});
    schedule.accept('busy', 1_000);
    for (let batch = 0; batch < 50; batch++) schedule.serve();
    schedule.accept('back', 100);
    schedule.accept('busy', 100);
    const next = [...schedule.serve(), ...schedule.serve(), ...schedule.serve()];
    expect(next.filter((store) => store === 'busy').length).to.be.within(15, 35);
  });
});
