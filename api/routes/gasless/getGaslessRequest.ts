import * as relay from '../../../domain/relay/getGaslessRequest.ts';
import { asBytes32 } from '../../../shared/hex.ts';
import type { Handler } from '../../http/handler.ts';
import { parseAddress } from '../parseAddress.ts';
import { toPermitOfferResource, toTypedDataResource } from './toTypedDataResource.ts';

export const getGaslessRequest: Handler<'getGaslessRequest'> = async (
  ctx,
  { identity, params, query },
) => {
  const { nonce, forwardRequest, typedData, ...offer } = await relay.getGaslessRequest(ctx, {
    storeId: identity.storeId,
    paymentId: asBytes32(params.paymentId),
    payer: parseAddress(query.userAddress, '/query/userAddress'),
  });
  return {
    status: 200,
    body: {
      nonce: nonce.toString(),
      forwardRequest: {
        from: forwardRequest.from,
        to: forwardRequest.to,
        value: forwardRequest.value.toString(),
        gas: forwardRequest.gas.toString(),
        nonce: forwardRequest.nonce.toString(),
        deadline: String(forwardRequest.deadline),
        data: forwardRequest.data,
      },
      typedData: toTypedDataResource(typedData),
      ...toPermitOfferResource(offer),
    },
  };
};
