import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';

import type { OutboxQueue } from '../../domain/outbox/model.ts';
import type { JobPayload, JobQueuePort, QueuedJob } from '../../domain/outbox/ports.ts';
import { promiseWork, publishOutbox } from '../../domain/outbox/service.ts';
import { createWebhookEndpoint } from '../../domain/webhooks/service.ts';
import { execute, selectRows } from '../../platform/db.ts';
import { inUnitOfWork } from '../../platform/unitOfWork.ts';
import { OUTBOX_GATES } from '../../workers/queues.ts';
import { runOutboxJob } from '../../workers/runOutboxJob.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';
import { runWorkers, type RunningWorkers } from '../support/runWorkers.ts';
import { startStoreServer, type StoreServer } from '../support/storeServer.ts';
import { waitUntil } from '../support/waitUntil.ts';

/** Longer than any test here goes on for: they put the date forward where it is to have come. */
const REDRIVE_MS = 60_000;
/** Before a webhook that failed is sent again. */
const RETRY_SECONDS = 3;

interface Row {
  readonly id: string;
  readonly queue: OutboxQueue;
  readonly subject_id: string;
  readonly generation: number;
  readonly run_at: Date;
}

describe('the outbox and its jobs', function () {
  this.timeout(30_000);

  let harness: Harness;
  let store: TestStore;
  let storeServer: StoreServer;
  let workers: RunningWorkers | undefined;

  before(async function () {
    this.timeout(120_000);
    harness = await createHarness({
      env: {
        MSQPAY_OUTBOX_REDRIVE_MS: String(REDRIVE_MS),
        MSQPAY_WEBHOOK_SCHEDULE_SECONDS: `0,${RETRY_SECONDS},600`,
      },
    });
    storeServer = await startStoreServer();
  });
  beforeEach(async () => {
    store = await harness.createTestStore();
    const { secret } = await createWebhookEndpoint(harness.ctx, {
      storeId: store.storeId,
      url: storeServer.url,
      eventTypes: null,
    });
    storeServer.trust(secret);
    storeServer.answerWith(() => 204);
  });
  afterEach(async () => {
    await workers?.stop();
    workers = undefined;
    await execute(harness.ctx.db, 'DELETE FROM outbox');
    for (const queue of harness.queues.all) await queue.obliterate({ force: true });
  });
  after(async () => {
    await storeServer.close();
    await harness.close();
  });

  const rows = (queue: OutboxQueue = 'webhook') =>
    selectRows<Row>(
      harness.ctx.db,
      'SELECT id, queue, subject_id, generation, run_at FROM outbox WHERE queue = ?',
      [queue],
    );
  /** A payment, whose first webhook is then promised. */
  async function promiseWebhook(): Promise<{ row: Row; paymentId: string }> {
    const payment = await harness.createTestPayment(store);
    const [row] = await rows();
    return { row: row!, paymentId: payment.id };
  }
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
  async function publishTo(port: JobQueuePort): Promise<void> {
    await publishOutbox(harness.ctx, port, 100);
  }
  /** Of this row, how long until it would be put on its queue again. */
  async function readRestMs(id: string): Promise<number> {
    const [row] = await selectRows<{ ms: string }>(
      harness.ctx.db,
      'SELECT TIMESTAMPDIFF(MICROSECOND, NOW(3), publish_at) / 1000 AS ms FROM outbox WHERE id = ?',
      [id],
    );
    return Number(row?.ms);
  }
  const endRests = () => execute(harness.ctx.db, 'UPDATE outbox SET publish_at = created_at');
  const addToQueue = (payload: JobPayload) =>
    harness.queues
      .get('webhook')
      .add('webhook', payload, { jobId: `${payload.outboxId}-${payload.generation}` });

  it('publishes what has been put on its queue any number of times, and lets it rest for sixteen redrives at most', async () => {
    const { row } = await promiseWebhook();
    await execute(harness.ctx.db, 'UPDATE outbox SET generation = 5000 WHERE id = ?', [row.id]);
    const { jobs, addAll } = recordJobs();
    await publishTo({ addAll });
    expect(jobs.map(({ payload }) => payload.generation)).to.deep.equal([5001]);
    expect(await readRestMs(row.id)).to.be.within(10 * REDRIVE_MS, 16 * REDRIVE_MS);
  });

  it('publishes nothing while Redis refuses the jobs, and everything when it takes them again', async () => {
    const { row } = await promiseWebhook();
    let refusal: unknown;
    await publishTo({ addAll: () => Promise.reject(new Error('Redis is away')) }).catch(
      (error: unknown) => {
        refusal = error;
      },
    );
    expect(refusal).to.be.an('error').with.property('message', 'Redis is away');
    expect((await rows())[0]).to.include({ generation: 0 });
    const port = recordJobs();
    await publishTo(port);
    expect(
      port.jobs.filter(({ queue }) => queue === 'webhook').map(({ jobId }) => jobId),
    ).to.deep.equal([`${row.id}-1`]);
  });

  it('puts a delivery on its queue as soon as Redis takes jobs again: its place is kept for the job that was refused', async () => {
    const { row } = await promiseWebhook();
    const publishAt = async () =>
      (
        await selectRows<{ publish_at: Date }>(
          harness.ctx.db,
          'SELECT publish_at FROM outbox WHERE id = ?',
          [row.id],
        )
      )[0]?.publish_at;
    const before = await publishAt();
    const failing: JobQueuePort = { addAll: () => Promise.reject(new Error('Redis is away')) };
    const refusal = await publishOutbox(harness.ctx, failing, 100, OUTBOX_GATES).catch(
      (error: unknown) => error,
    );
    expect(refusal).to.be.an('error').with.property('message', 'Redis is away');
    expect(await publishAt()).to.deep.equal(before);
    const port = recordJobs();
    await publishOutbox(harness.ctx, port, 100, OUTBOX_GATES);
    expect(
      port.jobs.filter(({ queue }) => queue === 'webhook').map(({ jobId }) => jobId),
    ).to.deep.equal([`${row.id}-1`]);
    // Now it is there: a further one would be too many.
    await endRests();
    await publishOutbox(harness.ctx, port, 100, OUTBOX_GATES);
    expect(port.jobs.filter(({ queue }) => queue === 'webhook')).to.have.length(1);
  });

  it('replaces the job of a consumer that crashed by one of the next generation, and not before its time', async () => {
    const { row, paymentId } = await promiseWebhook();
    const lost = recordJobs();
    await publishTo(lost);
    expect(lost.jobs.filter(({ queue }) => queue === 'webhook')).to.have.length(1);
    const again = recordJobs();
    await publishTo(again);
    expect(again.jobs).to.deep.equal([]);
    expect(await readRestMs(row.id)).to.be.within(REDRIVE_MS / 2, REDRIVE_MS);

    await endRests();
    workers = await runWorkers(harness, ['webhook']);
    await waitUntil(() => storeServer.ofPayment(paymentId).length > 0, { what: 'the webhook' });
    const job = await waitUntil(() => harness.queues.get('webhook').getJob(`${row.id}-2`), {
      what: 'generation 2',
    });
    await waitUntil(async () => (await job.getState()) === 'completed');
    expect(await rows()).to.deep.equal([]);
    expect(storeServer.ofPayment(paymentId)).to.have.length(1);
  });

  it('lets a job of an older generation step aside without doing anything', async () => {
    const { row, paymentId } = await promiseWebhook();
    const lost = recordJobs();
    await publishTo(lost);
    await endRests();
    await publishTo(lost);
    const [first, second] = lost.jobs
      .filter(({ queue }) => queue === 'webhook')
      .map(({ payload }) => payload);
    expect([first!.generation, second!.generation]).to.deep.equal([1, 2]);

    workers = await runWorkers(harness, ['webhook']);
    const old = await addToQueue(first!);
    await waitUntil(async () => (await old.getState()) === 'completed', { what: 'the old job' });
    expect((await harness.queues.get('webhook').getJob(old.id!))!.returnvalue).to.equal(
      'superseded',
    );
    expect(storeServer.ofPayment(paymentId)).to.deep.equal([]);
    expect((await rows()).map(({ id }) => id)).to.deep.equal([row.id]);

    const young = await addToQueue(second!);
    await waitUntil(async () => (await young.getState()) === 'completed', {
      what: 'the young job',
    });
    expect((await harness.queues.get('webhook').getJob(young.id!))!.returnvalue).to.equal('done');
    expect(storeServer.ofPayment(paymentId)).to.have.length(1);
    expect(await rows()).to.deep.equal([]);
  });

  it('works on a job that is quicker than the commit of its own publication', async () => {
    const { paymentId } = await promiseWebhook();
    const slow: JobQueuePort = {
      async addAll(jobs) {
        await harness.queues.addAll(jobs);
        // Their own publisher leaves the row to the one that has locked it.
        workers = await runWorkers(harness, ['webhook']);
        await waitUntil(() => storeServer.ofPayment(paymentId).length > 0, {
          what: 'the webhook, before the commit',
        });
        expect((await rows())[0]).to.include({ generation: 0 });
      },
    };
    await publishTo(slow);
    await waitUntil(async () => (await rows()).length === 0, { what: 'the row’s end' });
    // Longer than a publisher looks for what is due.
    await sleep(500);
    expect(storeServer.ofPayment(paymentId)).to.have.length(1);
  });

  for (const isCommitted of [true, false]) {
    const publication = isCommitted
      ? 'was published'
      : 'was put on its queue by a publisher that died before its commit';
    it(`keeps a promise that is renewed while the job of the old one ends, which ${publication}`, async () => {
      const { row } = await promiseWebhook();
      const port = recordJobs();
      await publishTo(port);
      const job = await addToQueue(port.jobs.find(({ queue }) => queue === 'webhook')!.payload);
      if (!isCommitted)
        await execute(harness.ctx.db, 'UPDATE outbox SET generation = 0, publish_at = created_at');
      storeServer.answerWith(async () => {
        await inUnitOfWork(harness.ctx, (unit) =>
          promiseWork(harness.ctx, unit, [{ queue: 'webhook', subjectId: row.subject_id }]),
        );
        return 204;
      });
      expect(await runOutboxJob(harness.ctx, 'webhook', job, 'token')).to.equal('done');
      expect((await rows()).map(({ subject_id }) => subject_id)).to.deep.equal([row.subject_id]);
      const renewed = recordJobs();
      await publishTo(renewed);
      const own = renewed.jobs.filter(({ queue }) => queue === 'webhook');
      expect(own, 'a job that the queue does not know yet').to.have.length(1);
      expect(own[0]!.payload.generation).to.be.greaterThan(1);
    });
  }

  it('leaves no job behind when a webhook is to be sent later: its row is put on the queue again', async () => {
    let answers = 0;
    storeServer.answerWith(() => (answers++ === 0 ? 503 : 204));
    workers = await runWorkers(harness, ['webhook']);
    const { row, paymentId } = await promiseWebhook();
    const queue = harness.queues.get('webhook');
    const isMoved = ({ run_at }: Row) => run_at.getTime() > row.run_at.getTime() + 500;
    const moved = await waitUntil(async () => (await rows()).find(isMoved), {
      what: 'the later date',
      everyMs: 10,
    });
    // Not before it failed, with jitter.
    expect(moved.run_at.getTime()).to.be.within(
      row.run_at.getTime() + RETRY_SECONDS * 700,
      Date.now() + RETRY_SECONDS * 1_300,
    );
    expect(await queue.getDelayedCount()).to.equal(0);
    await waitUntil(async () => (await rows()).length === 0, { what: 'the row’s end' });
    expect(storeServer.ofPayment(paymentId)).to.have.length(2);
    const [first, second] = storeServer.ofPayment(paymentId);
    expect(second!.receivedAt - first!.receivedAt).to.be.at.least(RETRY_SECONDS * 700);
    const ended = async () => (await queue.getJob(`${row.id}-2`))?.returnvalue === 'done';
    await waitUntil(ended, { what: 'the end of the second job, which comes after its row’s' });
    expect(await queue.getFailed()).to.deep.equal([]);
  });

  it('moves row and job together when other work is to be done later', async () => {
    const { ctx } = harness;
    const { id } = await harness.createTestPayment(store, { expiresInSeconds: 60 });
    // It is not over yet, so there is nothing to do before it is.
    await inUnitOfWork(ctx, (unit) => promiseWork(ctx, unit, [{ queue: 'expire', subjectId: id }]));
    const queue = harness.queues.get('expire');
    workers = await runWorkers(harness, ['expire']);
    const isMoved = ({ subject_id, run_at }: Row) =>
      subject_id === id && run_at > new Date(Date.now() + 1_000);
    const moved = await waitUntil(async () => (await rows('expire')).find(isMoved), {
      what: 'the later date',
      everyMs: 10,
    });
    const job = await waitUntil(
      async () =>
        (await queue.getDelayed()).find(({ data }) => (data as JobPayload).outboxId === moved.id),
      {
        what: 'the delayed job',
        everyMs: 10,
      },
    );
    // BullMQ keeps the date in the upper bits of the score.
    const score = Number(await ctx.redis.zscore(queue.toKey('delayed'), job.id!));
    // By this machine's own clock, read a moment apart from the database's.
    expect(Math.floor(score / 4096)).to.be.closeTo(moved.run_at.getTime(), 20);
    expect(job.id, 'the same job').to.equal(`${moved.id}-${moved.generation}`);
    expect(await queue.getFailed()).to.deep.equal([]);
  });

  it('fails a job that carries something else than its queue’s payload at once, and for good', async () => {
    workers = await runWorkers(harness, ['webhook']);
    const job = await harness.queues.get('webhook').add('webhook', { nonsense: true });
    await waitUntil(async () => (await job.getState()) === 'failed', { what: 'the failure' });
    await sleep(1_500);
    const failed = await harness.queues.get('webhook').getJob(job.id!);
    expect(failed).to.include({ attemptsMade: 1 });
    expect(await failed!.getState()).to.equal('failed');
    expect(failed!.failedReason).to.match(/does not carry/);
  });

  it('tries work that failed unexpectedly again', async () => {
    const { row, paymentId } = await promiseWebhook();
    let failures = 0;
    workers = await runWorkers(harness, ['webhook'], {
      change: (ctx) => ({
        ...ctx,
        webhookSender: {
          post(input) {
            if (failures++ === 0) throw new Error('a defect');
            return ctx.webhookSender.post(input);
          },
        },
      }),
    });
    await waitUntil(async () => (await rows()).length === 0, { what: 'the row’s end' });
    expect(failures).to.equal(2);
    expect(storeServer.ofPayment(paymentId)).to.have.length(1);
    expect(row.generation).to.equal(0);
  });
});
