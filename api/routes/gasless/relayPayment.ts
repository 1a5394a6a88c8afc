import type { ForwardRequest } from '../../../domain/chain/contractModel.ts';
import * as relay from '../../../domain/relay/relayPayment.ts';
import { asBytes32, asHex } from '../../../shared/hex.ts';
import type { components } from '../../generated/openapi.ts';
import type { Handler } from '../../http/handler.ts';
import { parseAddress } from '../parseAddress.ts';
import { acceptRelayed } from './acceptRelayed.ts';
import { parsePermit } from './parsePermit.ts';

export const relayPayment: Handler<'relayPayment'> = (
  ctx,
  { identity, params, body, claim, header, signal },
) => {
  const input = {
    storeId: identity.storeId,
    paymentId: asBytes32(params.paymentId),
    forwardRequest: parseForwardRequest(body.forwardRequest),
    signature: asHex(body.signature),
    permit: parsePermit(body.permit),
    priority: body.priority,
  };
  return acceptRelayed(ctx, { ...input, claim, prefer: header('prefer'), signal }, (also) =>
    relay.relayPayment(ctx, input, also),
  );
};

function parseForwardRequest(request: components['schemas']['ForwardRequest']): ForwardRequest {
  return {
    from: parseAddress(request.from, '/body/forwardRequest/from'),
    to: parseAddress(request.to, '/body/forwardRequest/to'),
    value: BigInt(request.value),
    gas: BigInt(request.gas),
    nonce: BigInt(request.nonce),
    deadline: Number(request.deadline),
    data: asHex(request.data),
  };
}
