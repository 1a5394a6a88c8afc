import * as relay from '../../../domain/relay/executePayment.ts';
import { asBytes32, asHex } from '../../../shared/hex.ts';
import type { Handler } from '../../http/handler.ts';
import { parseAddress } from '../parseAddress.ts';
import { acceptRelayed } from './acceptRelayed.ts';
import { parsePermit } from './parsePermit.ts';

export const executePayment: Handler<'executePayment'> = (
  ctx,
  { identity, params, body, claim, header, signal },
) => {
  const input = {
    storeId: identity.storeId,
    paymentId: asBytes32(params.paymentId),
    payer: parseAddress(body.customerAddress, '/body/customerAddress'),
    signature: asHex(body.signature),
    permit: parsePermit(body.permit),
    priority: body.priority,
  };
  return acceptRelayed(ctx, { ...input, claim, prefer: header('prefer'), signal }, (also) =>
    relay.executePayment(ctx, input, also),
  );
};
