import * as refunds from '../../../domain/relay/refundPayment.ts';
import { asBytes32 } from '../../../shared/hex.ts';
import { formatAmountUnits, parseAmountUnits } from '../../../shared/money.ts';
import type { Handler } from '../../http/handler.ts';
import { toPermitOfferResource, toTypedDataResource } from '../gasless/toTypedDataResource.ts';

export const getRefundRequest: Handler<'getRefundRequest'> = async (
  ctx,
  { identity, params, query },
) => {
  const { refund, typedData, ...offer } = await refunds.getRefundRequest(ctx, {
    storeId: identity.storeId,
    paymentId: asBytes32(params.paymentId),
    amount: parseAmountUnits(query.amount),
  });
  return {
    status: 200,
    body: {
      merchant: refund.merchant,
      amount: formatAmountUnits(refund.amount),
      nonce: refund.nonce.toString(),
      deadline: String(refund.deadline),
      typedData: toTypedDataResource(typedData),
      ...toPermitOfferResource(offer),
    },
  };
};
