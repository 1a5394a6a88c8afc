import { Webhook, WebhookVerificationError } from 'standardwebhooks';
import { z } from 'zod';

import type { components } from '../../api/generated/openapi.ts';
import { advanceOrder } from './advanceOrder.ts';
import type { Order, ShopState, StateFile } from './openStateFile.ts';

/**
 * What became of a delivery.
 *
 *   accepted     news of an order
 *   duplicate    seen before; deliveries are repeated until they are acknowledged, and an
 *                acknowledgement can get lost
 *   ignored      genuine, but about nothing of ours: other payments of the same store, or a type of
 *                event that came later than this code
 *   unverified   not signed with our secret, or too old: anybody can post to this address
 *   notReady     our endpoint is not registered yet, so nothing can be verified
 */
export type WebhookOutcome = 'accepted' | 'duplicate' | 'ignored' | 'unverified' | 'notReady';

export interface WebhookDelivery {
  /**
   * As it arrived: the signature is over these bytes, which parsing and printing again would
   * change.
   */
  readonly body: Buffer;
  readonly headers: Readonly<
    Record<'webhook-id' | 'webhook-timestamp' | 'webhook-signature', string>
  >;
}

/** 2xx says "taken, do not send again"; anything else is sent again later. */
export const WEBHOOK_REPLIES: Readonly<Record<WebhookOutcome, number>> = {
  accepted: 204,
  duplicate: 204,
  ignored: 204,
  unverified: 401,
  notReady: 503,
};

type PaymentEvent = components['schemas']['PaymentEvent'];

/** The part of an event that this shop needs. */
const eventSchema = z.object({
  type: z.string(),
  data: z.object({
    paymentId: z.string(),
    orderId: z.string(),
    status: z.enum([
      'pending',
      'processing',
      'completed',
      'expired',
      'failed',
      'cancelled',
    ] satisfies PaymentEvent['data']['status'][]),
    version: z.number().int(),
    token: z.string(),
    amount: z.string(),
  }),
});
type ShopEvent = z.infer<typeof eventSchema>;

/**
 * Verifies a delivery and takes it in. What it changes is on the disk before it returns, so it may
 * be acknowledged then.
 */
export function receiveWebhook(
  stateFile: StateFile,
  delivery: WebhookDelivery,
  now: Date,
): WebhookOutcome {
  const registered = stateFile.state.webhookEndpoint?.registered;
  if (!registered) return 'notReady';
  let content: unknown;
  try {
    // Checks the signature in constant time, and that the timestamp is at most five minutes away.
    content = new Webhook(registered.secret).verify(delivery.body, delivery.headers);
  } catch (error) {
    if (error instanceof WebhookVerificationError) return 'unverified';
    throw error;
  }

  const event = eventSchema.safeParse(content);
  if (!event.success) return 'ignored';
  const { type, data } = event.data;
  const order = findOrderOf(stateFile.state, data);
  if (order === undefined) return 'ignored';

  const id = delivery.headers['webhook-id'];
  if (order.webhooks.some((webhook) => webhook.id === id)) return 'duplicate';
  stateFile.update(() => {
    order.paymentId = data.paymentId;
    order.webhooks.push({ id, type, version: data.version, verifiedAt: now.toISOString() });
    advanceOrder(order, data, now);
  });
  return 'accepted';
}

/**
 * The webhook can be here before the reply that tells the payment's id, hence the look by order id.
 * An order id is only a label, though, which any payment of the store may carry: the payment must
 * also be over what the order costs.
 */
function findOrderOf(
  state: ShopState,
  { paymentId, orderId, token, amount }: ShopEvent['data'],
): Order | undefined {
  return state.orders.find(
    (order) =>
      (order.paymentId ?? paymentId) === paymentId &&
      order.orderId === orderId &&
      order.amount === amount &&
      order.token.toLowerCase() === token.toLowerCase(),
  );
}
