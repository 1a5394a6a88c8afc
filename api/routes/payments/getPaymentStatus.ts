import * as status from '../../../domain/payments/status.ts';
import { asBytes32 } from '../../../shared/hex.ts';
import type { Handler } from '../../http/handler.ts';
import { toPaymentStatusReply } from './toPaymentStatusReply.ts';

export const getPaymentStatus: Handler<'getPaymentStatus'> = async (ctx, request) => {
  const waitSeconds = request.query.wait ?? 0;
  const view = await status.getPaymentStatus(ctx, {
    storeId: request.identity.storeId,
    paymentId: asBytes32(request.params.paymentId),
    waitSeconds,
    ...(waitSeconds === 0 ? {} : { signal: request.signal }),
  });
  return { status: 200, body: toPaymentStatusReply(view) };
};
