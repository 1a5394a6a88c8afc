import { idempotently } from '../../../domain/idempotency/service.ts';
import type { Refund } from '../../../domain/refunds/model.ts';
import * as refunds from '../../../domain/relay/refundPayment.ts';
import type { AlsoInTransaction } from '../../../platform/unitOfWork.ts';
import { asBytes32, asHex } from '../../../shared/hex.ts';
import { parseAmountUnits } from '../../../shared/money.ts';
import type { Handler } from '../../http/handler.ts';
import { parsePermit } from '../gasless/parsePermit.ts';
import { toRefundResource } from './toRefundResource.ts';

export const refundPayment: Handler<'refundPayment'> = (ctx, { identity, params, body, claim }) => {
  const input = {
    storeId: identity.storeId,
    paymentId: asBytes32(params.paymentId),
    amount: parseAmountUnits(body.amount),
    nonce: BigInt(body.nonce),
    deadline: Number(body.deadline),
    signature: asHex(body.signature),
    permit: parsePermit(body.permit),
    priority: body.priority,
  };
  return idempotently(
    ctx,
    claim,
    (also: AlsoInTransaction<Refund>) => refunds.refundPayment(ctx, input, also),
    (refund) => ({ status: 202 as const, body: toRefundResource(refund) }),
  );
};
