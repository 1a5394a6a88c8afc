import { expect } from 'chai';

import { listGivingWay } from '../../domain/relay/attempts/decideGivingWay.ts';
import { decideTurn, stepOf } from '../../domain/relay/accept/decideTurn.ts';
import type { RelayPriority } from '../../domain/stores/model.ts';
import { createRandom } from '../support/createRandom.ts';

const BATCH = 20;

interface Waiting {
  readonly id: string;
  readonly store: string;
  readonly priority: RelayPriority;
  readonly seq: number;
  step: bigint;
  turn: bigint;
  gaveWay: number;
}

/**
 * What acceptance, dispatch and ends do about turns, in memory. What is served has ended as well.
 */
function createSchedule(
  shares: Readonly<Record<string, number | { weight?: number; priority?: RelayPriority }>> = {},
) {
  let served = 0n;
  const last = new Map<string, bigint>();
  let waiting: Waiting[] = [];
  let seq = 0;
  const of = (store: string) => waiting.filter((one) => one.store === store);
  return {
    accept(store: string, count = 1, priority: RelayPriority = 'normal'): void {
      for (let index = 0; index < count; index++) {
        const share = shares[store] ?? 100;
        const step = stepOf({
          weight: 100,
          priority: 'normal',
          ...(typeof share === 'number' ? { weight: share } : share),
        });
        const inFlight = of(store).length;
        const { turn, turnStep } = decideTurn({
          served,
          last: last.get(store) ?? 0n,
          inFlight,
          step,
        });
        last.set(store, turn);
        const taken: Waiting = {
          id: `${seq}`,
          store,
          priority,
          seq: seq++,
          step: turnStep,
          turn,
          gaveWay: 0,
        };
        const chain = [taken];
        for (;;) {
          const [next] = listGivingWay(chain.at(-1)!.priority, turn, of(store));
          if (next === undefined) break;
          chain.push(next);
        }
        const turns = [
          ...chain.slice(1).map((one) => ({ turn: one.turn, step: one.step })),
          { turn, step: turnStep },
        ];
        for (const [place, one] of chain.entries()) Object.assign(one, turns[place]);
        for (const one of chain.slice(1)) one.gaveWay += 1;
        waiting.push(taken);
      }
    },
    /** @returns the next batch */
    serve(size = BATCH): Waiting[] {
      waiting.sort((a, b) => (a.turn === b.turn ? a.seq - b.seq : a.turn < b.turn ? -1 : 1));
      const batch = waiting.slice(0, size);
      waiting = waiting.slice(size);
      const [first] = batch;
      if (first !== undefined && first.turn > served) served = first.turn;
      return batch;
    },
    /** They end without having been sent. */
    cancel(store: string, which: (index: number) => boolean): void {
      for (const [index, one] of of(store).entries()) {
        if (!which(index)) continue;
        waiting = waiting.filter(({ id }) => id !== one.id);
        const before = last.get(store) ?? 0n;
        last.set(store, before > one.step ? before - one.step : 0n);
      }
    },
    waiting: (store: string, priority?: RelayPriority) =>
      of(store).filter((one) => priority === undefined || one.priority === priority).length,
  };
}

const storesOf = (batch: readonly Waiting[]) => batch.map(({ store }) => store);
const countOf = (batch: readonly Waiting[], store: string) =>
  storesOf(batch).filter((one) => one === store).length;

describe('turns between stores', () => {
  it('bring five of one store among the first ten, whatever another has waiting', () => {
    const schedule = createSchedule();
    schedule.accept('large', 500);
    schedule.accept('small', 5);
    expect(countOf(schedule.serve(10), 'small')).to.equal(5);
  });

  it('come first to who has little to send, whatever ten others have waiting', () => {
    const schedule = createSchedule();
    for (let store = 0; store < 10; store++) schedule.accept(`large-${store}`, 200);
    for (let batch = 0; batch < 5; batch++) schedule.serve();
    schedule.accept('small', 8);
    expect(countOf(schedule.serve(), 'small')).to.equal(8);
    // One more than share a turn: its ninth comes when each of the others had another one.
    schedule.accept('small', 9);
    expect(countOf([...schedule.serve(), ...schedule.serve()], 'small')).to.equal(9);
    expect(schedule.waiting('large-0')).to.be.below(195);
  });

  it('are those of its weight, for every store that has something waiting, at any moment', () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const random = createRandom(seed);
      const weights = { a: 100, b: 200, c: 50, d: random.between(20, 400) };
      const total = Object.values(weights).reduce((sum, weight) => sum + weight, 0);
      const schedule = createSchedule(weights);
      const served = new Map<string, number>();
      for (let batch = 0; batch < 200; batch++) {
        for (const store of Object.keys(weights))
          schedule.accept(store, Math.max(0, 200 - schedule.waiting(store)));
        for (const store of storesOf(schedule.serve()))
          served.set(store, (served.get(store) ?? 0) + 1);
      }
      for (const [store, weight] of Object.entries(weights)) {
        const share = (200 * BATCH * weight) / total;
        expect(served.get(store) ?? 0, `seed ${seed}, ${store}`).to.be.within(
          share * 0.95 - BATCH,
          share * 1.05 + BATCH,
        );
      }
    }
  });

  it('come to the least weight and priority as well: nobody is starved by however many that go on and on', () => {
    for (const seed of [1, 2, 3]) {
      for (const least of [{ weight: 10 }, { weight: 40, priority: 'low' as const }]) {
        const random = createRandom(seed);
        const schedule = createSchedule({ least });
        for (let store = 0; store < 10; store++) schedule.accept(`busy-${store}`, 200);
        schedule.accept('least', 3);
        let batches = 0;
        while (schedule.waiting('least') > 0) {
          for (let store = 0; store < 10; store++)
            schedule.accept(`busy-${store}`, random.between(2, 6));
          schedule.serve();
          batches += 1;
          // Each of the ten has ten turns to one of it: its third comes with the 300th of theirs.
          expect(batches, `seed ${seed}`).to.be.at.most(2 + (3 * 10 * 10) / BATCH);
        }
      }
    }
  });

  it('give no credit for having been away, and hold nothing against who was busy alone', () => {
    const schedule = createSchedule({ slow: 1 });
    schedule.accept('busy', 1_000);
    for (let batch = 0; batch < 50; batch++) schedule.serve();
    schedule.accept('back', 100);
    schedule.accept('busy', 100);
    const next = [...schedule.serve(), ...schedule.serve(), ...schedule.serve()];
    expect(countOf(next, 'busy')).to.be.within(15, 35);

    const alone = createSchedule({ slow: 1 });
    alone.accept('slow', BATCH);
    alone.serve();
    alone.accept('slow');
    alone.accept('other', 150);
    // Of a hundredth of the weight: its turn is the other's hundredth, not its two thousandth.
    const batches = Array.from({ length: 6 }, () => alone.serve());
    expect(countOf(batches.flat(), 'slow')).to.equal(1);
  });

  it('that were never used are given back: a queue that died does not keep the next request at the back', () => {
    for (const which of [
      () => true,
      (index: number) => index > 0,
      (index: number) => index > 0 && index < 499,
      (index: number) => index % 50 > 0,
    ]) {
      const schedule = createSchedule();
      schedule.accept('died', 500);
      schedule.cancel('died', which);
      const left = schedule.waiting('died');
      schedule.accept('died', 5);
      schedule.accept('other', 500);
      // As many of each, until those five are gone.
      const first = schedule.serve(2 * (left + 5) + 2);
      expect(
        first.filter(({ store, seq }) => store === 'died' && seq >= 500).length,
        `${left} left`,
      ).to.equal(5);
    }
  });

  it('that are given back do not make a store get more than its share', () => {
    for (const seed of [1, 2]) {
      const random = createRandom(seed);
      const schedule = createSchedule();
      let [fickle, steady] = [0, 0];
      for (let batch = 0; batch < 150; batch++) {
        schedule.accept('steady', Math.max(0, 60 - schedule.waiting('steady')));
        schedule.accept(
          'fickle',
          Math.max(0, random.between(40, 100) - schedule.waiting('fickle')),
        );
        const kept = random.between(1, 4);
        if (random.between(0, 1) === 1) schedule.cancel('fickle', (index) => index % kept === 0);
        const served = schedule.serve();
        fickle += countOf(served, 'fickle');
        steady += countOf(served, 'steady');
      }
      expect(fickle / steady, `seed ${seed}: ${fickle} and ${steady}`).to.be.at.most(1.1);
    }
  });
});

describe('priorities', () => {
  it('of requests order those of one store: the urgent ones go before all that wait, low ones after', () => {
    const schedule = createSchedule();
    schedule.accept('one', 10, 'low');
    schedule.accept('one', 10, 'normal');
    schedule.accept('one', 5, 'high');
    const served = schedule.serve(25).map(({ priority }) => priority);
    expect(served.slice(0, 5)).to.deep.equal(Array.from({ length: 5 }, () => 'high'));
    expect(served.slice(5, 15)).to.deep.equal(Array.from({ length: 10 }, () => 'normal'));
  });

  it('of requests change nothing between stores: who calls everything high, or some, has its own share and no more', () => {
    for (const seed of [1, 2, 3, 4]) {
      const random = createRandom(seed);
      const schedule = createSchedule();
      let [urgent, modest] = [0, 0];
      for (let batch = 0; batch < 200; batch++) {
        const priorities: RelayPriority[] = seed === 1 ? ['high'] : ['low', 'normal', 'high'];
        while (schedule.waiting('urgent') < 100)
          schedule.accept('urgent', 1, priorities[random.between(0, priorities.length - 1)]);
        schedule.accept('modest', 100 - schedule.waiting('modest'));
        const served = schedule.serve();
        urgent += countOf(served, 'urgent');
        modest += countOf(served, 'modest');
      }
      expect(urgent - modest, `seed ${seed}`).to.be.within(-BATCH, BATCH);
    }
  });

  it('of requests starve none: a low one gives way a few times, then it goes, however many urgent ones keep coming', () => {
    for (const seed of [1, 2, 3]) {
      const random = createRandom(seed);
      const schedule = createSchedule();
      const most = 200;
      schedule.accept('one', most / 2, 'high');
      schedule.accept('one', 10, 'low');
      let batches = 0;
      while (schedule.waiting('one', 'low') > 0) {
        // More than is served, up to what a store may have on its way.
        schedule.accept(
          'one',
          Math.min(most - schedule.waiting('one'), BATCH + random.between(0, 10)),
          'high',
        );
        schedule.serve();
        batches += 1;
        // It waits for four queues of its store at most: it gives way three times.
        expect(batches, `seed ${seed}`).to.be.at.most((4 * most) / BATCH);
      }
    }
  });

  it('of stores are the operator’s: four times the turns of a normal one, or a quarter', () => {
    const schedule = createSchedule({ high: { priority: 'high' }, low: { priority: 'low' } });
    const served = new Map<string, number>();
    for (let batch = 0; batch < 210; batch++) {
      for (const store of ['high', 'normal', 'low'])
        schedule.accept(store, 100 - schedule.waiting(store));
      for (const store of storesOf(schedule.serve()))
        served.set(store, (served.get(store) ?? 0) + 1);
    }
    // 16 to 4 to 1, of 4,200.
    expect(served.get('high')).to.be.within(3_150, 3_250);
    expect(served.get('normal')).to.be.within(760, 840);
    expect(served.get('low')).to.be.within(180, 220);
  });
});
