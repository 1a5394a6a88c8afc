import { idempotently } from '../../../domain/idempotency/service.ts';
import type { Payment } from '../../../domain/payments/model.ts';
import * as payments from '../../../domain/payments/service.ts';
import type { AlsoInTransaction } from '../../../platform/unitOfWork.ts';
import { asBytes32 } from '../../../shared/hex.ts';
import type { Handler } from '../../http/handler.ts';
import { toPaymentResource } from './toPaymentResource.ts';

export const cancelPayment: Handler<'cancelPayment'> = (ctx, { identity, params, claim }) => {
  const input = { storeId: identity.storeId, paymentId: asBytes32(params.paymentId) };
  return idempotently(
    ctx,
    claim,
    (also: AlsoInTransaction<Payment>) => payments.cancelPayment(ctx, input, also),
    async (payment) => ({ status: 200 as const, body: await toPaymentResource(ctx, payment) }),
  );
};
