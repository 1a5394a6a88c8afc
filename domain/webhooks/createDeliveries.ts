import type { Context } from '../../platform/context.ts';
import type { UnitOfWork } from '../../platform/unitOfWork.ts';
import type { StoreEvent } from '../events/model.ts';
import { promiseWork } from '../outbox/service.ts';
import { decideFirstAttemptAt, wantsEvent } from './decide.ts';
import { insertDeliveries, type ListeningEndpoint } from './store.ts';

/**
 * Makes a delivery for each of these endpoints that wants one of these events, and promises its
 * first attempt: two statements, or none when nobody wants any.
 */
export async function createDeliveries(
  ctx: Context,
  unit: UnitOfWork,
  events: readonly StoreEvent[],
  endpoints: readonly ListeningEndpoint[],
): Promise<void> {
  const deliveries = events.flatMap((event) =>
    endpoints
      .filter((endpoint) => endpoint.storeId === event.storeId && wantsEvent(endpoint, event.type))
      .map((endpoint) => ({
        id: ctx.newId('wd'),
        endpointId: endpoint.id,
        storeId: event.storeId,
        eventId: event.id,
        requestId: event.requestId,
      })),
  );
  const [first] = events;
  if (first === undefined || deliveries.length === 0) return;
  // They were recorded together.
  const now = first.createdAt;
  const runAt = decideFirstAttemptAt({
    scheduleSeconds: ctx.config.webhooks.scheduleSeconds,
    now,
    random: ctx.random(),
  });
  await insertDeliveries(unit.trx, deliveries, runAt, now);
  await promiseWork(
    ctx,
    unit,
    deliveries.map(({ id, storeId, requestId }) => ({
      queue: 'webhook',
      subjectId: id,
      storeId,
      runAt,
      requestId,
    })),
  );
}
