import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect } from 'chai';

import { runCommand } from '../../dev/childProcess.ts';
import type { JobQueuePort, QueuedJob } from '../../domain/outbox/ports.ts';
import { noteFailure, promiseWork } from '../../domain/outbox/service.ts';
import { announceProcess } from '../../domain/webhooks/announceProcess.ts';
import type { Context } from '../../platform/context.ts';
import { execute, selectRows } from '../../platform/db.ts';
import { PROJECT_ROOT } from '../../platform/projectRoot.ts';
import { inUnitOfWork } from '../../platform/unitOfWork.ts';
import { addMs } from '../../shared/clock.ts';
import { startOutboxPublisher } from '../../workers/startOutboxPublisher.ts';
import { createHarness, type Harness } from '../support/harness.ts';
import { programArguments } from '../support/programArguments.ts';
import { waitUntil } from '../support/waitUntil.ts';

const HOUR_MS = 3_600_000;

/** A machine whose clock is an hour ahead, and whose database was away when the process started. */
describe('a process that does not know yet what time it is', function () {
  this.timeout(60_000);

  let harness: Harness;
  before(async function () {
    this.timeout(120_000);
    harness = await createHarness();
  });
  afterEach(() => execute(harness.ctx.db, 'DELETE FROM outbox'));
  after(() => harness.close());

  function beforeComparison(): {
    readonly ctx: Context;
    readonly isAsked: () => boolean;
    readonly compare: () => void;
  } {
    let isAsked = false;
    let isCompared = false;
    let end: () => void = () => undefined;
    const comparison = new Promise<void>((resolve) => {
      end = resolve;
    });
    return {
      ctx: {
        ...harness.ctx,
        clock: { now: () => addMs(harness.ctx.clock.now(), isCompared ? 0 : HOUR_MS) },
        whenClockCompared() {
          isAsked = true;
          return comparison;
        },
      },
      isAsked: () => isAsked,
      compare() {
        isCompared = true;
        end();
      },
    };
  }
  const minutesFromNow = (date: Date) =>
    (date.getTime() - harness.ctx.clock.now().getTime()) / 60_000;

  it('publishes nothing before, and dates what it publishes right', async () => {
    const { ctx, isAsked, compare } = beforeComparison();
    const jobs: QueuedJob[] = [];
    const queues: JobQueuePort = { addAll: (added) => Promise.resolve(void jobs.push(...added)) };
    await inUnitOfWork(harness.ctx, (unit) =>
      promiseWork(harness.ctx, unit, [{ queue: 'webhook', subjectId: 'any' }]),
    );
    const publisher = startOutboxPublisher(ctx, queues);
    try {
      await waitUntil(() => isAsked() || jobs.length > 0, { what: 'the first look' });
      expect(jobs).to.deep.equal([]);
      compare();
      await waitUntil(() => jobs.length > 0, { what: 'the job' });
    } finally {
      compare();
      await publisher.stop();
    }
    const [row] = await selectRows<{ publish_at: Date }>(ctx.db, 'SELECT publish_at FROM outbox');
    expect(minutesFromNow(row!.publish_at)).to.be.below(30);
  });

  it('wakes nobody who waits for a place before', async () => {
    const { ctx, isAsked, compare } = beforeComparison();
    let asked = 0;
    const redis = new Proxy(ctx.redis, {
      get: (target, name) => {
        asked += 1;
        return Reflect.get(target, name) as unknown;
      },
    });
    const presence = announceProcess({ ...ctx, redis });
    try {
      await waitUntil(() => isAsked() || asked > 0, { what: 'the first announcement' });
      expect(asked).to.equal(0);
      compare();
      await waitUntil(() => asked > 0, { what: 'an announcement' });
    } finally {
      compare();
      await presence.stop();
    }
  });

  const findFailures = (subjectId: string) =>
    selectRows<{ last_failed_at: Date }>(
      harness.ctx.db,
      'SELECT last_failed_at FROM work_failures WHERE subject_id = ?',
      [subjectId],
    );

  it('dates a failure right', async () => {
    const { ctx, isAsked, compare } = beforeComparison();
    const noted = noteFailure(
      ctx,
      { queue: 'maintenance', subjectId: 'uncompared' },
      new TypeError('a bug'),
    );
    if (isAsked()) compare();
    await noted;
    const [row] = await findFailures('uncompared');
    expect(minutesFromNow(row!.last_failed_at)).to.be.below(30);
  });

  it('leaves a failure uncounted, and throws nothing, while the database does not say', async () => {
    const ctx = {
      ...harness.ctx,
      whenClockCompared: () => Promise.reject(new Error('the database is away')),
    };
    await noteFailure(ctx, { queue: 'maintenance', subjectId: 'away' }, new TypeError('a bug'));
    expect(await findFailures('away')).to.deep.equal([]);
  });

  it('does no command before, however long the database takes to answer first', async () => {
    const database = new URL(harness.databaseUrl);
    const direct = Number(database.port);
    // Longer than a process waits before it goes on without the comparison.
    const CONNECTED_AFTER_MS = 3_000;
    const slow = createServer((near) => {
      near.on('error', () => undefined);
      setTimeout(() => {
        const far = connect(direct, database.hostname);
        far.on('error', () => near.destroy());
        near.pipe(far).pipe(near);
      }, CONNECTED_AFTER_MS);
    });
    slow.listen(0, '127.0.0.1');
    await once(slow, 'listening');
    database.host = `127.0.0.1:${(slow.address() as AddressInfo).port}`;
    const clock = {
      NODE_OPTIONS: `--import ${join(PROJECT_ROOT, 'test/support/shiftedClock.mjs')}`,
      TEST_CLOCK_AHEAD_MS: String(HOUR_MS),
    };
    const payout = '0x90F79bf6EB2c4f870365E785982E1f101E93b906';
    try {
      const { code, output } = await runCommand(
        process.execPath,
        [
          ...programArguments('cli/main.ts'),
          'create-store',
          '--name',
          'Uncompared',
          '--payout',
          payout,
        ],
        { env: harness.environment({ DATABASE_URL: database.href, ...clock }), timeoutMs: 30_000 },
      );
      expect(code, output).to.equal(0);
    } finally {
      slow.close();
    }
    const [store] = await selectRows<{ created_at: Date }>(
      harness.ctx.db,
      "SELECT created_at FROM stores WHERE name = 'Uncompared'",
    );
    expect(minutesFromNow(store!.created_at)).to.be.within(-5, 5);
  });
});
