import type { Context } from '../../platform/context.ts';
import type { AlsoInTransaction } from '../../platform/unitOfWork.ts';
import type { Bytes32, Hex } from '../../shared/hex.ts';
import type { ForwardRequest, Permit } from '../chain/contractModel.ts';
import type { Payment } from '../payments/model.ts';
import type { RelayPriority } from '../stores/model.ts';
import { acceptSigned } from './accept/acceptSigned.ts';
import { getRelayablePayment } from './accept/getRelayablePayment.ts';
import { leastMsOf } from './attempts/leastMsOf.ts';
import { assertNumbersFit, permitNumbers } from './accept/assertNumbersFit.ts';
import { assertRequestFits } from './accept/assertRequestFits.ts';

export interface RelayPaymentInput {
  readonly storeId: string;
  readonly paymentId: Bytes32;
  readonly forwardRequest: ForwardRequest;
  readonly signature: Hex;
  readonly permit: Permit | null;
  /** Among the store's own requests. Absent: normal. */
  readonly priority?: RelayPriority | undefined;
}

/**
 * Takes a forward request on: everything that can be known before sending is checked, then the
 * attempt is saved and its sending promised.
 * @throws AppError with the real reason, see RELAY_ERRORS, PAYMENT_ERRORS, CHAIN_ERRORS
 */
export async function relayPayment(
  ctx: Context,
  input: RelayPaymentInput,
  also?: AlsoInTransaction<Payment>,
): Promise<Payment> {
  const { forwardRequest: request, permit } = input;
  assertNumbersFit([
    ['/body/forwardRequest/nonce', request.nonce, 256n],
    ['/body/forwardRequest/deadline', BigInt(request.deadline), 48n],
    ...permitNumbers(permit),
  ]);
  const { payment, chain } = await getRelayablePayment(ctx, { ...input, payer: request.from });
  assertRequestFits({
    payment,
    request,
    payCall: chain.encodePay(payment.terms),
    now: ctx.clock.now(),
    leastSeconds: leastMsOf(ctx, payment.chainId) / 1000,
  });
  return acceptSigned(ctx, { ...input, payment, signed: { rail: 'forwarder', request } }, also);
}
