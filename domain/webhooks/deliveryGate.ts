import type { Context } from '../../platform/context.ts';
import type { Transaction } from '../../platform/db.ts';
import type { DueWork, NotAdmitted, OutboxGate } from '../outbox/service.ts';
import { leavePlace } from './bringForward.ts';
import { takePlaces } from './places.ts';
import { isScheduleOver } from './decide.ts';
import { listStoresOfDeliveries } from './store.ts';

/**
 * Which of these deliveries may be put on their queue now: those that find a place, which they have
 * from then on (see places.ts), and those whose job has one already. One that is given up needs
 * none: attemptDelivery.ts ends it.
 * @returns by delivery id, those that found none, or have one for another job
 * @throws when Redis does not answer
 */
async function admitDeliveries(
  ctx: Context,
  trx: Transaction,
  work: readonly DueWork[],
): Promise<Map<string, NotAdmitted>> {
  const jobIds = new Map(work.map(({ subjectId, jobId }) => [subjectId, jobId]));
  // One that is there no more goes on, and ends.
  const now = ctx.clock.now();
  const deliveries = (await listStoresOfDeliveries(trx, [...jobIds.keys()])).map((delivery) => ({
    ...delivery,
    jobId: jobIds.get(delivery.deliveryId),
  }));
  const found = await takePlaces(ctx, deliveries, { isStarting: false });
  return new Map(
    deliveries.flatMap(({ deliveryId, createdAt }) => {
      const none = found.get(deliveryId);
      const { scheduleSeconds } = ctx.config.webhooks;
      if (
        none === undefined ||
        isScheduleOver({ createdAt, failingMs: none.failingMs, scheduleSeconds, now })
      )
        return [];
      return [[deliveryId, none]];
    }),
  );
}

/** Of the queue of deliveries. */
export const DELIVERY_GATE: OutboxGate = {
  admit: admitDeliveries,
  isPrompt: true,
  leave: (ctx, { subjectId, jobId }) => leavePlace(ctx, { deliveryId: subjectId, jobId }),
};
