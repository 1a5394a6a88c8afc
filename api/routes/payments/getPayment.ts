import * as payments from '../../../domain/payments/service.ts';
import { listRelayAttempts } from '../../../domain/relay/service.ts';
import { listPaymentEvents } from '../../../domain/webhooks/service.ts';
import { asBytes32 } from '../../../shared/hex.ts';
import type { Handler } from '../../handler.ts';
import { toPaymentResource } from './toPaymentResource.ts';
import { toRelayAttemptResource } from './toRelayAttemptResource.ts';

export const getPayment: Handler<'getPayment'> = async (ctx, { identity, params }) => {
  // First the payment: whether it is this store's decides over everything else.
  const payment = await payments.getPayment(ctx, { storeId: identity.storeId, paymentId: asBytes32(params.paymentId) });
  const [resource, events, attempts] = await Promise.all([
    toPaymentResource(ctx, payment),
    listPaymentEvents(ctx, { paymentId: payment.id }),
    listRelayAttempts(ctx, { paymentId: payment.id }),
  ]);
  return {
    status: 200,
    body: {
      ...resource,
      timeline: events.map(({ eventId, type, version, at }) => ({ eventId, type, version, at: at.toISOString() })),
      relayAttempts: attempts.map(toRelayAttemptResource),
    },
  };
};
