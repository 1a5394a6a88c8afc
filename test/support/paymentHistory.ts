import type { Payment } from '../../domain/payments/model.ts';
import { listEvents } from '../../domain/events/listEvents.ts';
import type { Context } from '../../platform/context.ts';

/**
 * The types of a payment's events in the order of their versions; fails when a version is missing,
 * or is not the payment's last.
 */
export async function readHistory(
  ctx: Context,
  payment: Pick<Payment, 'id' | 'version'>,
): Promise<string[]> {
  const events = [...(await listEvents(ctx, { type: 'payment', id: payment.id }))].sort(
    (a, b) => a.version - b.version,
  );
  events.forEach((event, index) => {
    if (event.version !== index + 1)
      throw new Error(`event ${index + 1} of ${payment.id} has version ${event.version}`);
  });
  if (events.length !== payment.version)
    throw new Error(`${payment.id} has version ${payment.version} and ${events.length} events`);
  return events.map((event) => event.type);
}
