import type { Context } from '../../platform/context.ts';
import type { Transaction } from '../../platform/db.ts';
import type { NotAdmitted } from '../outbox/service.ts';
import { takePlaces } from './places.ts';
import { listStoresOfDeliveries } from './store.ts';

/**
 * Which of these deliveries may be put on their queue now: those that find a place, which they have from then on (see places.ts).
 * @returns by delivery id, those that found none, or have one
 * @throws when Redis does not answer
 */
export async function admitDeliveries(ctx: Context, trx: Transaction, deliveryIds: readonly string[]): Promise<Map<string, NotAdmitted>> {
  // One that is there no more goes on, and ends.
  const found = await takePlaces(ctx, await listStoresOfDeliveries(trx, deliveryIds), { isStarting: false });
  return new Map(
    [...found].flatMap(([id, none]) => (none === undefined ? [] : [[id, { delayMs: none.delayMs, isUnderWay: none.hasOne }]])),
  );
}
