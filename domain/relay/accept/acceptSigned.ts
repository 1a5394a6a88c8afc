import type { Context } from '../../../platform/context.ts';
import {
  type AlsoInTransaction,
  inUnitOfWork,
  type UnitOfWork,
} from '../../../platform/unitOfWork.ts';
import { AppError } from '../../../shared/errors.ts';
import type { Hex } from '../../../shared/hex.ts';
import type { Permit, SignedRequest } from '../../chain/contractModel.ts';
import { getChain, listKnownBlocks } from '../../chain/service.ts';
import type { Payment } from '../../payments/model.ts';
import { acceptRelay } from '../../payments/service.ts';
import type { RelayPriority } from '../../stores/model.ts';
import { askNonceFor } from '../attempts/forwarderNonces.ts';
import { relayDeadline } from './assertRequestFits.ts';
import { RELAY_ERRORS } from '../errors.ts';
import { signerOf } from '../model.ts';
import { findRefusalOf } from '../refusals/findRefusalOf.ts';
import { toRefusalError } from '../refusals/toRefusalError.ts';
import { saveNewAttempt } from './saveNewAttempt.ts';
import { findGasPrice } from './findGasPrice.ts';

export async function acceptSigned(
  ctx: Context,
  input: {
    readonly storeId: string;
    readonly payment: Payment;
    readonly signed: SignedRequest;
    readonly signature: Hex;
    readonly permit: Permit | null;
    readonly priority?: RelayPriority | undefined;
  },
  also: AlsoInTransaction<Payment> | undefined,
): Promise<Payment> {
  const { storeId, payment, signed, permit, priority = 'normal' } = input;
  const { id: paymentId, chainId, terms } = payment;
  const chain = getChain(ctx, chainId);
  const payer = signerOf(signed);
  const signature = await chain.verifySignature({
    signed,
    paymentId,
    terms,
    signature: input.signature,
  });
  if (signature === undefined)
    throw new AppError(RELAY_ERRORS.badSignature, {
      detail: `The signature is not that of ${payer} for this request.`,
    });
  const item = { signed, signature, permit, paymentId, terms };
  const [refusal, chainNonce, gasPrice, runsForeignCode] = await Promise.all([
    listKnownBlocks(ctx, chainId).then((since) => findRefusalOf(chain, item, since)),
    signed.rail === 'forwarder' ? askNonceFor(ctx, chain, signed.request) : undefined,
    findGasPrice(ctx, chainId),
    chain.runsForeignCode(item),
  ]);
  if (refusal !== undefined) throw toRefusalError(refusal, item);

  const attemptId = ctx.newId('rla');
  const accept = async (unit: UnitOfWork) => {
    const accepted = await acceptRelay(ctx, unit, { storeId, paymentId, attemptId, payer });
    await saveNewAttempt(ctx, unit, {
      ...{
        id: attemptId,
        paymentId,
        refundId: null,
        storeId,
        chainId,
        signed,
        signature,
        permit,
        runsForeignCode,
        priority,
        gasPrice,
      },
      ...(chainNonce === undefined ? {} : { chainNonce }),
      deadline: relayDeadline(payment, deadlineOf(signed)),
    });
    await also?.(unit.trx, accepted);
    return accepted;
  };
  return inUnitOfWork(ctx, accept, { turnOf: storeId });
}

function deadlineOf(signed: SignedRequest): { readonly deadline: number } {
  switch (signed.rail) {
    case 'forwarder':
      return signed.request;
    case 'authorization':
      return signed.authorization;
    case 'refund':
      return signed.refund;
  }
}
