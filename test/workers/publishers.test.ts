import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';

import type { JobQueuePort, QueuedJob } from '../../domain/outbox/ports.ts';
import {
  bringWorkForward,
  countOpenWork,
  promiseWork,
  publishOutbox,
  type OutboxGates,
  type StoreTurns,
} from '../../domain/outbox/service.ts';
import type { Context } from '../../platform/context.ts';
import { execute, selectRows } from '../../platform/db.ts';
import { inUnitOfWork } from '../../platform/unitOfWork.ts';
import { addMs } from '../../shared/clock.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { waitUntil } from '../support/waitUntil.ts';
import { atTime, createFakeClock } from '../support/varyContext.ts';

const REDRIVE_MS = 1_000;
const REFUSED_FOR_MS = 60_000;
const QUEUE = 'webhook';
const DIGITS = Array.from({ length: 10 }, (_, digit) => `SELECT ${digit} AS d`).join(' UNION ALL ');

describe('those that publish the outbox', function () {
  this.timeout(60_000);

  let harness: Harness;
  let store: TestStore;

  before(async function () {
    this.timeout(120_000);
    harness = await createHarness({ env: { MSQPAY_OUTBOX_REDRIVE_MS: String(REDRIVE_MS) } });
    store = await harness.createTestStore();
  });
  afterEach(() => execute(harness.ctx.db, 'DELETE FROM outbox'));
  after(() => harness.close());

  function recordJobs(): JobQueuePort & { readonly jobs: QueuedJob[] } {
    const jobs: QueuedJob[] = [];
    return {
      jobs,
      async addAll(added) {
        // As long as a slow Redis, so that publishers really meet.
        await sleep(20);
        jobs.push(...added);
      },
    };
  }
  const createGates = ({
    isPrompt,
    refuses,
  }: {
    readonly isPrompt: boolean;
    readonly refuses: () => boolean;
  }): OutboxGates => ({
    [QUEUE]: {
      admit: (_ctx, _trx, work) =>
        Promise.resolve(
          new Map(
            refuses() ? work.map(({ subjectId }) => [subjectId, { delayMs: REFUSED_FOR_MS }]) : [],
          ),
        ),
      isPrompt,
    },
  });
  async function promiseOne(): Promise<{ readonly id: string; readonly subjectId: string }> {
    const subjectId = harness.ctx.newId('wd');
    await inUnitOfWork(harness.ctx, (unit) =>
      promiseWork(harness.ctx, unit, [{ queue: QUEUE, subjectId }]),
    );
    const [row] = await selectRows<{ id: string }>(
      harness.ctx.db,
      'SELECT id FROM outbox WHERE subject_id = ?',
      [subjectId],
    );
    return { id: row!.id, subjectId };
  }

  it('publishes each row once, however many publishers there are', async () => {
    const subjects = Array.from({ length: 300 }, (_, index) => `subject-${index}`);
    await inUnitOfWork(harness.ctx, (unit) =>
      promiseWork(
        harness.ctx,
        unit,
        subjects.map((subjectId) => ({ queue: QUEUE, subjectId })),
      ),
    );
    const port = recordJobs();
    await Promise.all(
      Array.from({ length: 6 }, async () => {
        while ((await publishOutbox(harness.ctx, port, 20)) > 0);
      }),
    );
    expect(port.jobs.map(({ payload }) => payload.subjectId).sort()).to.deep.equal(
      [...subjects].sort(),
    );
    expect(new Set(port.jobs.map(({ payload }) => payload.generation))).to.deep.equal(new Set([1]));
  });

  it('publishes what a store promises now, however much of another store was due before', async () => {
    const flood = 100_000;
    const other = await harness.createTestStore('The other');
    await execute(
      harness.ctx.db,
      `INSERT INTO outbox (id, queue, subject_id, store_id, run_at, publish_at, created_at)
       SELECT CONCAT('ob_flood_', n), 'webhook', CONCAT('flood-', n), ?, NOW(3) - INTERVAL 1 HOUR, NOW(3) - INTERVAL 1 HOUR, NOW(3)
       FROM (SELECT a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d AS n FROM ${Array.from('abcef', (name) => `(${DIGITS}) ${name}`).join(', ')}) numbers`,
      [store.storeId],
    );
    const subjects = Array.from({ length: 30 }, (_, index) => `fresh-${index}`);
    await inUnitOfWork(harness.ctx, (unit) =>
      promiseWork(
        harness.ctx,
        unit,
        subjects.map((subjectId) => ({ queue: QUEUE, subjectId, storeId: other.storeId })),
      ),
    );
    const publishers = Array.from({ length: 2 }, () => ({
      port: recordJobs(),
      turns: new Map() as StoreTurns,
    }));
    const rounds = 2;
    for (let round = 0; round < rounds; round++)
      await Promise.all(
        publishers.map(({ port, turns }) => publishOutbox(harness.ctx, port, 100, {}, turns)),
      );
    const published = publishers.flatMap(({ port }) =>
      port.jobs.map(({ payload }) => payload.subjectId),
    );
    expect(published.filter((id) => id.startsWith('fresh-')).sort()).to.deep.equal(
      [...subjects].sort(),
    );
    // The store that was there before has its turns as well.
    expect(published.filter((id) => id.startsWith('flood-'))).to.have.length.within(
      rounds * publishers.length * 100,
      flood / 100,
    );
    expect(new Set(published).size).to.equal(published.length);
  });

  it('let one another pass: one that is held up keeps no other from any store’s work', async () => {
    // None comes back while this goes on.
    const ctx = { ...harness.ctx, config: { ...harness.ctx.config, outboxRedriveMs: 600_000 } };
    const stores = await Promise.all(
      ['First', 'Second', 'Third'].map((name) => harness.createTestStore(name)),
    );
    const subjects = stores.flatMap(({ storeId }) =>
      Array.from({ length: 100 }, (_, index) => ({ subjectId: `${storeId}-${index}`, storeId })),
    );
    await inUnitOfWork(harness.ctx, (unit) =>
      promiseWork(
        harness.ctx,
        unit,
        subjects.map((work) => ({ queue: QUEUE, ...work })),
      ),
    );
    /** Publishes once, and is held up while it has locked its rows. */
    const hold = async () => {
      const jobs: QueuedJob[] = [];
      let release = () => {};
      const released = new Promise<void>((resolve) => (release = resolve));
      const port: JobQueuePort = {
        async addAll(added) {
          jobs.push(...added);
          await released;
        },
      };
      const publishing = publishOutbox(ctx, port, 20, {}, new Map());
      await waitUntil(() => jobs.length > 0, { what: 'it to hold its rows' });
      return { jobs, end: () => (release(), publishing) };
    };
    const held = [await hold(), await hold(), await hold()];
    const others = Array.from({ length: 3 }, () => recordJobs());
    // Whoever has its rows ends with them, whatever those do that came after it, and passed them
    // over.
    await held[0]!.end();
    try {
      await Promise.all(
        others.map(async (port) => {
          const turns: StoreTurns = new Map();
          while ((await publishOutbox(ctx, port, 20, {}, turns)) > 0);
        }),
      );
      await held[1]!.end();
    } finally {
      await held[2]!.end();
    }
    const published = others.map(({ jobs }) => jobs.map(({ payload }) => payload.subjectId));
    for (const own of published) expect(own.length, 'of each publisher').to.be.above(0);
    for (const { storeId } of stores)
      expect(
        published.flat().filter((id) => id.startsWith(storeId)).length,
        'of each store',
      ).to.be.above(0);
    const all = [
      ...published.flat(),
      ...held.flatMap(({ jobs }) => jobs.map(({ payload }) => payload.subjectId)),
    ];
    expect(all.sort()).to.deep.equal(subjects.map(({ subjectId }) => subjectId).sort());
  });

  it('counts as overdue what nobody does, and not what a gate puts off on purpose', async () => {
    const row = await promiseOne();
    const dueAt = new Date(Date.now() - 3 * 3_600_000);
    await execute(harness.ctx.db, 'UPDATE outbox SET run_at = ?, publish_at = ? WHERE id = ?', [
      dueAt,
      dueAt,
      row.id,
    ]);
    let refused = true;
    const gates = createGates({ isPrompt: true, refuses: () => refused });
    const at = (ms: number) => atTime(harness.ctx, addMs(harness.ctx.clock.now(), ms));
    const overdueMs = async (ctx: Context) =>
      (await countOpenWork(ctx)).find(({ queue }) => queue === QUEUE)?.overdueMs;
    expect(await overdueMs(harness.ctx), 'nobody has looked at it').to.be.at.least(3 * 3_600_000);
    const port = recordJobs();
    await publishOutbox(harness.ctx, port, 100, gates);
    expect(await overdueMs(at(50_000)), 'put off for a minute').to.equal(0);
    expect(await overdueMs(at(100_000)), 'nobody asked its gate again').to.be.within(
      35_000,
      60_000,
    );
    await publishOutbox(at(61_000), port, 100, gates);
    expect(await overdueMs(at(100_000)), 'put off again').to.equal(0);
    await bringWorkForward(harness.ctx, 'webhook', [row.subjectId], harness.ctx.clock.now());
    expect(await overdueMs(harness.ctx), 'brought forward').to.be.below(30_000);
    expect(port.jobs).to.deep.equal([]);

    refused = false;
    await publishOutbox(harness.ctx, port, 100, gates);
    expect(port.jobs).to.have.length(1);
    expect(await overdueMs(harness.ctx), 'on its queue').to.be.below(30_000);
    expect(await overdueMs(at(90_000)), 'on its queue, and nobody takes it').to.be.within(
      60_000,
      120_000,
    );
    // A new promise is due at its own date.
    await inUnitOfWork(harness.ctx, (unit) =>
      promiseWork(harness.ctx, unit, [{ queue: 'webhook', subjectId: row.subjectId }]),
    );
    expect(await overdueMs(harness.ctx), 'promised anew').to.be.below(30_000);
  });

  for (const isPrompt of [false, true]) {
    const rests = isPrompt ? [1, 1, 1, 1, 1, 1] : [1, 2, 4, 8, 16, 16];
    const title = isPrompt
      ? 'after the same time where whatever is let in begins at once'
      : 'after twice the time, up to sixteen times';
    it(`put what was let in and not done on its queue again ${title}; refusals between do not count`, async () => {
      const { id } = await promiseOne();
      const clock = createFakeClock(harness.ctx.clock.now());
      const ctx = { ...harness.ctx, clock };
      let refused = false;
      const gates = createGates({ isPrompt, refuses: () => refused });
      /**
       * @returns the generations that were put on the queue; the clock is where it may be put there
       *   again
       */
      const publish = async () => {
        const port = recordJobs();
        await publishOutbox(ctx, port, 100, gates);
        const [row] = await selectRows<{ publish_at: Date }>(
          ctx.db,
          'SELECT publish_at FROM outbox WHERE id = ?',
          [id],
        );
        const restMs = row!.publish_at.getTime() - clock.now().getTime();
        clock.set(row!.publish_at);
        return { generations: port.jobs.map(({ payload }) => payload.generation), restMs };
      };
      for (const [index, rest] of rests.entries()) {
        refused = true;
        for (let refusal = 0; refusal < 3; refusal++)
          expect(await publish()).to.deep.equal({ generations: [], restMs: REFUSED_FOR_MS });
        refused = false;
        expect(await publish()).to.deep.equal({
          generations: [index + 1],
          restMs: rest * REDRIVE_MS,
        });
      }
    });
  }
});
