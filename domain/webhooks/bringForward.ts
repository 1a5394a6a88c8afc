import type { Context } from '../../platform/context.ts';
import { addMs } from '../../shared/clock.ts';
import { bringWorkForward } from '../outbox/service.ts';
import { giveBackPlace, giveBackPlaceOfJob, noteNoneLeft } from './places.ts';
import type {
  DeliveryOfStore,
  EndpointOfStore,
  JobOfDelivery,
  PlacesLeft,
  WokenEndpoint,
} from './placeStore.ts';
import type { WebhookPostOutcome } from './ports.ts';
import { listDueDeliveries } from './store.ts';

/**
 * Gives a delivery's place back, and brings forward what was put off: of the endpoints that have
 * waited for it, and of its own, as many as have room now. So what waits for an endpoint that
 * answers goes out as fast as it answers; and one that keeps silent is asked again. Never fails:
 * the place is given back by itself in the end, and what waits comes at its turn.
 * @param outcome undefined when nothing was posted
 */
export async function bringForward(
  ctx: Context,
  delivery: DeliveryOfStore,
  outcome: WebhookPostOutcome | undefined,
): Promise<void> {
  await use(ctx, delivery.deliveryId, () => giveBackPlace(ctx, delivery, outcome));
}

/**
 * The same for a job that ends without having begun its delivery. The place stays when it is
 * another job's.
 */
export async function leavePlace(ctx: Context, job: JobOfDelivery): Promise<void> {
  await use(ctx, job.deliveryId, () => giveBackPlaceOfJob(ctx, job));
}

async function use(
  ctx: Context,
  deliveryId: string,
  giveBack: () => Promise<PlacesLeft>,
): Promise<void> {
  const failed = (error: unknown) =>
    ctx.log.debug({ err: error, deliveryId }, 'what waits for a place was not brought forward');
  try {
    const left = await giveBack();
    // What fails for one must not keep the other waiting.
    await Promise.all([
      wake(ctx, left.woken).catch(failed),
      bringOwnForward(ctx, left).catch(failed),
    ]);
  } catch (error) {
    failed(error);
  }
}

async function bringOwnForward(ctx: Context, left: PlacesLeft): Promise<void> {
  const { free, delayMs } = left;
  if (free === 0) return;
  const { waiting, isAll } = await listWaiting(ctx, left, free);
  await bringWorkForward(ctx, 'webhook', waiting, addMs(ctx.clock.now(), delayMs));
  // Only now: what fails before leaves it to the next place that is given back.
  if (isAll && waiting.length === 0) await wake(ctx, await noteNoneLeft(ctx, left));
}

/**
 * Brings a delivery of each of these endpoints forward, for which a place is kept. One of which
 * none waits gives it to the next.
 * @throws when the database or Redis does not answer: who waits is woken again
 */
export async function wake(ctx: Context, woken: readonly WokenEndpoint[]): Promise<void> {
  for (let next = woken; next.length > 0;) {
    const deliveries: string[] = [];
    const more: WokenEndpoint[] = [];
    for (const endpoint of next) {
      const { waiting } = await listWaiting(ctx, endpoint, 1);
      if (waiting.length === 0) more.push(...(await noteNoneLeft(ctx, endpoint)));
      deliveries.push(...waiting);
    }
    await bringWorkForward(ctx, 'webhook', deliveries, ctx.clock.now());
    next = more;
  }
}

/**
 * @returns the oldest of the endpoint's due deliveries that have no place, at most `limit`, and
 *   whether there are no others
 */
async function listWaiting(
  ctx: Context,
  {
    endpointId,
    having,
  }: Pick<EndpointOfStore, 'endpointId'> & { readonly having: readonly string[] },
  limit: number,
): Promise<{ readonly waiting: string[]; readonly isAll: boolean }> {
  const due = await listDueDeliveries(ctx.db, endpointId, ctx.clock.now(), limit + having.length);
  const waiting = due.filter((id) => !having.includes(id));
  return { waiting: waiting.slice(0, limit), isAll: due.length < limit + having.length };
}
