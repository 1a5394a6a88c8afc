import type { Transaction } from '../../platform/db.ts';
import { takeBackWork } from '../outbox/service.ts';
import { markPendingCancelled } from './store.ts';

/**
 * Cancels what still waits for the endpoint, and takes back the promises of that work. The endpoint
 * is locked by the caller.
 */
export async function cancelPendingDeliveries(
  trx: Transaction,
  endpointId: string,
  now: Date,
): Promise<void> {
  await takeBackWork(trx, 'webhook', await markPendingCancelled(trx, endpointId, now));
}
