import * as relay from '../../../domain/relay/getAuthorizationRequest.ts';
import { asBytes32 } from '../../../shared/hex.ts';
import type { Handler } from '../../http/handler.ts';
import { parseAddress } from '../parseAddress.ts';
import { toPermitOfferResource, toTypedDataResource } from './toTypedDataResource.ts';

export const getAuthorizationRequest: Handler<'getAuthorizationRequest'> = async (
  ctx,
  { identity, params, query },
) => {
  const { authorization, typedData, ...offer } = await relay.getAuthorizationRequest(ctx, {
    storeId: identity.storeId,
    paymentId: asBytes32(params.paymentId),
    payer: parseAddress(query.customerAddress, '/query/customerAddress'),
  });
  return {
    status: 200,
    body: {
      deadline: String(authorization.deadline),
      typedData: toTypedDataResource(typedData),
      ...toPermitOfferResource(offer),
    },
  };
};
