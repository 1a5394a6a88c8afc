import type { Context } from '../../platform/context.ts';
import type { AlsoInTransaction } from '../../platform/unitOfWork.ts';
import type { Address, Bytes32, Hex } from '../../shared/hex.ts';
import type { Permit } from '../chain/contractModel.ts';
import type { Payment } from '../payments/model.ts';
import type { RelayPriority } from '../stores/model.ts';
import { acceptSigned } from './accept/acceptSigned.ts';
import { authorizationOf, getRelayablePayment } from './accept/getRelayablePayment.ts';
import { assertNumbersFit, permitNumbers } from './accept/assertNumbersFit.ts';

export interface ExecutePaymentInput {
  readonly storeId: string;
  readonly paymentId: Bytes32;
  readonly payer: Address;
  readonly signature: Hex;
  readonly permit: Permit | null;
  /** Among the store's own requests. Absent: normal. */
  readonly priority?: RelayPriority | undefined;
}

/**
 * Takes a payment authorization on, as relayPayment does a forward request.
 * @throws AppError with the real reason, see RELAY_ERRORS, PAYMENT_ERRORS, CHAIN_ERRORS
 */
export async function executePayment(
  ctx: Context,
  input: ExecutePaymentInput,
  also?: AlsoInTransaction<Payment>,
): Promise<Payment> {
  assertNumbersFit(permitNumbers(input.permit));
  const { payment } = await getRelayablePayment(ctx, input);
  return acceptSigned(
    ctx,
    {
      ...input,
      payment,
      signed: { rail: 'authorization', authorization: authorizationOf(payment, input.payer) },
    },
    also,
  );
}
