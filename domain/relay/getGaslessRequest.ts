import type { Context } from '../../platform/context.ts';
import { toUnixSeconds } from '../../shared/clock.ts';
import type { ForwardRequest } from '../chain/contractModel.ts';
import type { TypedData } from '../chain/ports.ts';
import {
  getRelayablePayment,
  type PaymentOfPayer,
  transferOf,
} from './accept/getRelayablePayment.ts';
import { listLiveNonces } from './attempts/attemptStore.ts';
import { askChainNonce } from './attempts/forwarderNonces.ts';
import { FORWARD_GAS } from './accept/assertRequestFits.ts';
import { decideNextNonce } from './attempts/decideNextNonce.ts';
import { offerPermit, type PermitOffer } from './refusals/offerPermit.ts';

export interface GaslessRequest extends PermitOffer {
  readonly nonce: bigint;
  readonly forwardRequest: ForwardRequest;
  readonly typedData: TypedData;
}

/**
 * The next request of this payer on the forwarder rail. Its nonce comes after those that are on
 * their way already.
 * @throws AppError notFound, alreadyProcessed, expired, stateConflict, notOffered, belowMinimum,
 *   deadline, chain unavailable
 */
export async function getGaslessRequest(
  ctx: Context,
  input: PaymentOfPayer,
): Promise<GaslessRequest> {
  const { payment, chain } = await getRelayablePayment(ctx, input);
  const [chainNonce, offer] = await Promise.all([
    askChainNonce(ctx, chain, input.payer),
    offerPermit(chain, transferOf(payment, input.payer)),
  ]);
  const nonce = decideNextNonce(
    chainNonce,
    await listLiveNonces(ctx.db, payment.chainId, input.payer),
  );
  const forwardRequest: ForwardRequest = {
    from: input.payer,
    to: payment.gateway,
    value: 0n,
    gas: FORWARD_GAS,
    nonce,
    deadline: toUnixSeconds(payment.terms.expiresAt),
    data: chain.encodePay(payment.terms),
  };
  return {
    nonce,
    forwardRequest,
    typedData: chain.buildForwardRequestTypedData(forwardRequest),
    ...offer,
  };
}
