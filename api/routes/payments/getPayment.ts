import { listEvents } from '../../../domain/events/listEvents.ts';
import * as payments from '../../../domain/payments/service.ts';
import { noteReadPayment } from '../../../domain/payments/status.ts';
import { listRelayAttempts } from '../../../domain/relay/listAttempts.ts';
import { inStoreReadTurn } from '../../../platform/storeReads.ts';
import { asBytes32 } from '../../../shared/hex.ts';
import type { Handler } from '../../http/handler.ts';
import { toPaymentResource } from './toPaymentResource.ts';
import { toRelayAttemptResource } from './toRelayAttemptResource.ts';

export const getPayment: Handler<'getPayment'> = (ctx, { identity, params }) =>
  inStoreReadTurn(ctx.db, identity.storeId, async () => {
    // First the payment: whether it is this store's decides over everything else.
    const payment = await payments.getPayment(ctx, {
      storeId: identity.storeId,
      paymentId: asBytes32(params.paymentId),
    });
    const [resource, events, attempts] = await Promise.all([
      toPaymentResource(ctx, payment),
      listEvents(ctx, { type: 'payment', id: payment.id }),
      listRelayAttempts(ctx, { paymentId: payment.id }),
    ]);
    // The timeline may be newer than the payment, and is told as well.
    noteReadPayment(ctx, {
      ...payment,
      version: Math.max(payment.version, ...events.map(({ version }) => version)),
    });
    return {
      status: 200,
      body: {
        ...resource,
        timeline: events.map(({ eventId, type, version, at }) => ({
          eventId,
          type,
          version,
          at: at.toISOString(),
        })),
        relayAttempts: attempts.map(toRelayAttemptResource),
      },
    };
  });
