import { expect } from 'chai';

import type { QueuedJob } from '../../domain/outbox/ports.ts';
import { DONE } from '../../domain/outbox/model.ts';
import { publishOutbox } from '../../domain/outbox/service.ts';
import { attemptDelivery } from '../../domain/webhooks/attemptDelivery.ts';
import { giveBackPlace, takePlaces } from '../../domain/webhooks/places.ts';
import { recordEvents } from '../../domain/events/recordEvents.ts';
import { createWebhookEndpoint } from '../../domain/webhooks/service.ts';
import type { Context } from '../../platform/context.ts';
import { execute, selectRows } from '../../platform/db.ts';
import { inUnitOfWork } from '../../platform/unitOfWork.ts';
import { OUTBOX_GATES } from '../../workers/queues.ts';
import { createHarness, type Harness } from '../support/harness.ts';
import { answerWith, createFakeSender, newPaymentId, type FakeSender } from './support.ts';

const HOUR_MS = 3_600_000;

/** The schedule takes six minutes with its jitter. */
describe('webhooks: deliveries of an endpoint that leaves no room for them', function () {
  this.timeout(60_000);

  let harness: Harness;
  let sender: FakeSender;
  let ctx: Context;
  let endpoint: { readonly storeId: string; readonly endpointId: string };

  before(async function () {
    this.timeout(120_000);
    harness = await createHarness({ env: { MSQPAY_WEBHOOK_SCHEDULE_SECONDS: '0,300' } });
    sender = createFakeSender();
    ctx = { ...harness.ctx, webhookSender: sender };
  });
  beforeEach(async () => {
    await execute(ctx.db, 'DELETE FROM outbox');
    const { storeId } = await harness.createTestStore();
    const { id: endpointId } = await createWebhookEndpoint(ctx, {
      storeId,
      url: 'https://shop.example/hooks',
      eventTypes: null,
    });
    endpoint = { storeId, endpointId };
    sender.posts.length = 0;
    sender.answer = () => answerWith(204);
  });
  after(() => harness.close());

  /**
   * Its only place is taken. @param silentMs how long its last POST took, which it did not answer
   */
  async function occupy(silentMs: number): Promise<void> {
    const other = { ...endpoint, deliveryId: `other ${endpoint.endpointId}` };
    await takePlaces(ctx, [other], { isStarting: false });
    await giveBackPlace(ctx, other, answerWith(null, { latencyMs: silentMs }));
    await takePlaces(ctx, [other], { isStarting: false });
  }
  async function addDelivery(ageMs: number): Promise<string> {
    const { storeId, endpointId } = endpoint;
    const event = {
      storeId,
      type: 'payment.created' as const,
      subject: { type: 'payment' as const, id: newPaymentId() },
      version: 1,
      data: {},
    };
    await inUnitOfWork(ctx, (unit) => recordEvents(ctx, unit, [event]));
    const createdAt = new Date(Date.now() - ageMs);
    await execute(ctx.db, 'UPDATE webhook_deliveries SET created_at = ? WHERE endpoint_id = ?', [
      createdAt,
      endpointId,
    ]);
    const [delivery] = await selectRows<{ id: string }>(
      ctx.db,
      'SELECT id FROM webhook_deliveries WHERE endpoint_id = ?',
      [endpointId],
    );
    return delivery?.id ?? '';
  }
  async function publish(): Promise<string[]> {
    const jobs: QueuedJob[] = [];
    const port = {
      addAll: (added: readonly QueuedJob[]) => Promise.resolve(void jobs.push(...added)),
    };
    await publishOutbox(ctx, port, 100, OUTBOX_GATES);
    return jobs.filter(({ queue }) => queue === 'webhook').map(({ payload }) => payload.subjectId);
  }
  const read = async (deliveryId: string) =>
    (
      await selectRows(
        ctx.db,
        'SELECT status, attempts, next_attempt_at FROM webhook_deliveries WHERE id = ?',
        [deliveryId],
      )
    )[0];

  it('end without a POST when the time of the schedule is over, for them and for the endpoint', async () => {
    const deliveryId = await addDelivery(HOUR_MS);
    await occupy(HOUR_MS);
    expect(await publish()).to.deep.equal([deliveryId]);
    expect(await attemptDelivery(ctx, deliveryId)).to.equal(DONE);
    expect(await read(deliveryId)).to.deep.equal({
      status: 'failed',
      attempts: 0,
      next_attempt_at: null,
    });
    expect(sender.posts).to.deep.equal([]);
  });

  it('are posted all the same when the endpoint has room then', async () => {
    const deliveryId = await addDelivery(HOUR_MS);
    await occupy(HOUR_MS);
    expect(await publish()).to.deep.equal([deliveryId]);
    await giveBackPlace(
      ctx,
      { ...endpoint, deliveryId: `other ${endpoint.endpointId}` },
      undefined,
    );
    await attemptDelivery(ctx, deliveryId);
    expect(await read(deliveryId)).to.include({ status: 'succeeded', attempts: 1 });
  });

  for (const { what, ageMs, silentMs } of [
    { what: 'they are younger', ageMs: 60_000, silentMs: HOUR_MS },
    {
      what: 'the endpoint has failed for a shorter time, as after an outage of the server itself',
      ageMs: HOUR_MS,
      silentMs: 60_000,
    },
  ]) {
    it(`wait when ${what}`, async () => {
      const deliveryId = await addDelivery(ageMs);
      await occupy(silentMs);
      expect(await publish()).to.deep.equal([]);
      expect(await attemptDelivery(ctx, deliveryId)).to.include({ kind: 'later', isUntried: true });
      expect(await read(deliveryId)).to.include({ status: 'pending', attempts: 0 });
      expect(sender.posts).to.deep.equal([]);
    });
  }
});
