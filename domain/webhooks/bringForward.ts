import type { Context } from '../../platform/context.ts';
import { addMs } from '../../shared/clock.ts';
import { bringWorkForward } from '../outbox/service.ts';
import { giveBackPlace, noteNoneLeft } from './places.ts';
import type { DeliveryOfStore } from './placeStore.ts';
import type { WebhookPostOutcome } from './ports.ts';
import { listDueDeliveries } from './store.ts';

/**
 * Gives a delivery's place back, and brings those of its endpoint forward that were put off, as many as have room now. So what waits for an endpoint that
 * answers goes out as fast as it answers; and one that keeps silent is asked again. Never fails: the place is given back by itself in the end, and what waits comes at its turn.
 * @param outcome undefined when nothing was posted
 */
export async function bringForward(ctx: Context, delivery: DeliveryOfStore, outcome: WebhookPostOutcome | undefined): Promise<void> {
  const { endpointId } = delivery;
  try {
    const { free, delayMs, refused, having } = await giveBackPlace(ctx, delivery, outcome);
    if (free === 0) return;
    const limit = free + having.length;
    const due = await listDueDeliveries(ctx.db, endpointId, ctx.clock.now(), limit);
    const waiting = due.filter((id) => !having.includes(id));
    await bringWorkForward(ctx, 'webhook', waiting.slice(0, free), addMs(ctx.clock.now(), delayMs));
    // Only now: what fails before leaves it to the next place that is given back.
    if (due.length < limit && waiting.length === 0) await noteNoneLeft(ctx, endpointId, refused);
  } catch (error) {
    ctx.log.debug({ err: error, endpointId }, 'what waits for an endpoint was not brought forward');
  }
}
