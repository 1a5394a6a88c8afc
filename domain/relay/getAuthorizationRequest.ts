import type { Context } from '../../platform/context.ts';
import type { PaymentAuthorization } from '../chain/contractModel.ts';
import type { TypedData } from '../chain/ports.ts';
import {
  authorizationOf,
  getRelayablePayment,
  type PaymentOfPayer,
  transferOf,
} from './accept/getRelayablePayment.ts';
import { offerPermit, type PermitOffer } from './refusals/offerPermit.ts';

export interface AuthorizationRequest extends PermitOffer {
  readonly authorization: PaymentAuthorization;
  readonly typedData: TypedData;
}

/**
 * What this payer signs on the authorization rail. The payment id is its nonce: any number of
 * payments may be authorised side by side.
 * @throws AppError notFound, alreadyProcessed, expired, stateConflict, notOffered, belowMinimum,
 *   deadline, chain unavailable
 */
export async function getAuthorizationRequest(
  ctx: Context,
  input: PaymentOfPayer,
): Promise<AuthorizationRequest> {
  const { payment, chain } = await getRelayablePayment(ctx, input);
  const authorization = authorizationOf(payment, input.payer);
  const offer = await offerPermit(chain, transferOf(payment, input.payer));
  const typedData = chain.buildAuthorizationTypedData({
    paymentId: payment.id,
    terms: payment.terms,
    authorization,
  });
  return { authorization, typedData, ...offer };
}
