import { expect } from 'chai';
import type { Job } from 'bullmq';

import type { JobPayload, QueuedJob } from '../../domain/outbox/ports.ts';
import { publishOutbox } from '../../domain/outbox/service.ts';
import { reportPlaces, takePlaces } from '../../domain/webhooks/places.ts';
import { createWebhookEndpoint } from '../../domain/webhooks/service.ts';
import type { Context } from '../../platform/context.ts';
import { createDatabase, execute, selectRows } from '../../platform/db.ts';
import { OUTBOX_GATES } from '../../workers/queues.ts';
import { runOutboxJob } from '../../workers/runOutboxJob.ts';
import { createHarness, type Harness, type TestStore } from '../support/harness.ts';

interface Row {
  readonly id: string;
  readonly subject_id: string;
  readonly publish_at: Date;
}

describe('the place of a webhook’s job that ends without having begun', function () {
  this.timeout(30_000);

  let harness: Harness;
  let ctx: Context;
  let store: TestStore;
  let endpointId: string;
  let number = 0;

  before(async function () {
    this.timeout(120_000);
    harness = await createHarness();
  });
  beforeEach(async () => {
    ctx = { ...harness.ctx, config: { ...harness.config, queuePrefix: `{left-${++number}}` } };
    store = await harness.createTestStore();
    ({ id: endpointId } = await createWebhookEndpoint(ctx, {
      storeId: store.storeId,
      url: 'http://127.0.0.1:9/',
      eventTypes: null,
    }));
  });
  afterEach(() => execute(ctx.db, 'DELETE FROM outbox'));
  after(() => harness.close());

  const rows = () =>
    selectRows<Row>(
      ctx.db,
      "SELECT id, subject_id, publish_at FROM outbox WHERE queue = 'webhook'",
    );

  /**
   * Of two deliveries of an endpoint that has one place: the one that has it, whose job is on the
   * queue, and the one that was put off.
   */
  async function publishTwo(): Promise<{ job: Job; row: Row; putOff: Row }> {
    await harness.createTestPayment(store);
    await harness.createTestPayment(store);
    const queued: QueuedJob[] = [];
    await publishOutbox(
      ctx,
      { addAll: (added) => Promise.resolve(void queued.push(...added)) },
      100,
      OUTBOX_GATES,
    );
    const [webhook, ...others] = queued.filter(({ queue }) => queue === 'webhook');
    expect(others).to.deep.equal([]);
    expect(await countPlaces()).to.equal(1);
    const found = await rows();
    const row = found.find(({ id }) => id === webhook?.payload.outboxId);
    const putOff = found.find(({ id }) => id !== row?.id);
    expect(putOff!.publish_at.getTime()).to.be.greaterThan(Date.now());
    return { job: asJob(webhook!.jobId, webhook!.payload), row: row!, putOff: putOff! };
  }
  const asJob = (id: string, data: JobPayload) => ({ id, data }) as Job;
  const countPlaces = async () => (await reportPlaces(ctx)).byStore.get(store.storeId) ?? 0;
  async function expectBroughtForward({ id }: Row): Promise<void> {
    const row = (await rows()).find((candidate) => candidate.id === id);
    expect(row!.publish_at.getTime(), 'what waits for the place').to.be.at.most(Date.now());
  }

  it('is given back when its row is gone, as when the endpoint was deleted', async () => {
    const { job, row, putOff } = await publishTwo();
    await execute(
      ctx.db,
      "UPDATE webhook_deliveries SET status = 'cancelled', next_attempt_at = NULL WHERE id = ?",
      [row.subject_id],
    );
    await execute(ctx.db, 'DELETE FROM outbox WHERE id = ?', [row.id]);
    expect(await runOutboxJob(ctx, 'webhook', job, 'token')).to.equal('superseded');
    expect(await countPlaces()).to.equal(0);
    await expectBroughtForward(putOff);
  });

  it('is given back when its row has a younger job', async () => {
    const { job, row, putOff } = await publishTwo();
    await execute(
      ctx.db,
      'UPDATE outbox SET generation = 3, publish_at = run_at + INTERVAL 1 MINUTE WHERE id = ?',
      [row.id],
    );
    await execute(
      ctx.db,
      'UPDATE webhook_deliveries SET next_attempt_at = next_attempt_at + INTERVAL 1 SECOND WHERE id = ?',
      [row.subject_id],
    );
    expect(await runOutboxJob(ctx, 'webhook', job, 'token')).to.equal('superseded');
    expect(await countPlaces()).to.equal(0);
    await expectBroughtForward(putOff);
  });

  it('is given back when it comes early', async () => {
    const { job, row, putOff } = await publishTwo();
    await execute(ctx.db, 'UPDATE outbox SET run_at = run_at + INTERVAL 1 MINUTE WHERE id = ?', [
      row.id,
    ]);
    await execute(
      ctx.db,
      'UPDATE webhook_deliveries SET next_attempt_at = next_attempt_at + INTERVAL 1 MINUTE WHERE id = ?',
      [row.subject_id],
    );
    expect(await runOutboxJob(ctx, 'webhook', job, 'token')).to.equal('later');
    expect(await countPlaces()).to.equal(0);
    await expectBroughtForward(putOff);
  });

  it('is given back when the database does not answer', async () => {
    const { job } = await publishTwo();
    const db = createDatabase(harness.databaseUrl, 1);
    await db.destroy();
    const failure = await runOutboxJob({ ...ctx, db }, 'webhook', job, 'token').catch(
      (error: unknown) => error,
    );
    expect(failure).to.be.an('error');
    expect(await countPlaces()).to.equal(0);
  });

  it('stays when it is another job’s', async () => {
    const { job, row } = await publishTwo();
    await execute(ctx.db, 'DELETE FROM outbox WHERE id = ?', [row.id]);
    await runOutboxJob(ctx, 'webhook', job, 'token');
    const delivery = {
      deliveryId: row.subject_id,
      endpointId,
      storeId: store.storeId,
      jobId: `${row.id}-4`,
    };
    await takePlaces(ctx, [delivery], { isStarting: false });
    expect(await runOutboxJob(ctx, 'webhook', job, 'token')).to.equal('superseded');
    expect(await countPlaces()).to.equal(1);
  });
});
