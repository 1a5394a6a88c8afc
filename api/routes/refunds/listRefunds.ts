import { getPayment } from '../../../domain/payments/service.ts';
import * as refunds from '../../../domain/refunds/service.ts';
import * as relay from '../../../domain/relay/listAttempts.ts';
import { inStoreReadTurn } from '../../../platform/storeReads.ts';
import { asBytes32 } from '../../../shared/hex.ts';
import type { Handler } from '../../http/handler.ts';
import { toRelayAttemptResource } from '../payments/toRelayAttemptResource.ts';
import { toRefundResource } from './toRefundResource.ts';

export const listRefunds: Handler<'listRefunds'> = (ctx, { identity, params }) =>
  inStoreReadTurn(ctx.db, identity.storeId, async () => {
    const payment = await getPayment(ctx, {
      storeId: identity.storeId,
      paymentId: asBytes32(params.paymentId),
    });
    const found = await refunds.listRefunds(ctx, { paymentId: payment.id });
    const attempts = await relay.listRefundAttempts(
      ctx,
      found.map(({ id }) => id),
    );
    const data = found.map((refund) => ({
      ...toRefundResource(refund),
      relayAttempts: attempts
        .filter(({ refundId }) => refundId === refund.id)
        .map(toRelayAttemptResource),
    }));
    return { status: 200, body: { data } };
  });
