import type { PrivateKeyAccount } from 'viem/accounts';

import type { TypedData } from '../../domain/chain/ports.ts';
import type { Payment } from '../../domain/payments/model.ts';
import type { ExecutePaymentInput } from '../../domain/relay/executePayment.ts';
import { getAuthorizationRequest } from '../../domain/relay/getAuthorizationRequest.ts';
import { getGaslessRequest } from '../../domain/relay/getGaslessRequest.ts';
import type { RelayPaymentInput } from '../../domain/relay/relayPayment.ts';
import type { Context } from '../../platform/context.ts';
import type { Hex } from '../../shared/hex.ts';

/** Signs as a wallet does, from the JSON that the API hands out. */
export function signTypedData(account: PrivateKeyAccount, typedData: TypedData): Promise<Hex> {
  const types: Record<string, { name: string; type: string }[]> = {};
  for (const [name, fields] of Object.entries(typedData.types)) {
    if (name !== 'EIP712Domain') types[name] = [...fields];
  }
  return account.signTypedData({
    domain: typedData.domain,
    types,
    primaryType: typedData.primaryType,
    message: typedData.message,
  });
}

/**
 * What a store's server sends to `relay` after its customer has signed: the request, its signature,
 * and the permit when one was offered.
 */
export async function signGasless(
  ctx: Context,
  customer: PrivateKeyAccount,
  payment: Payment,
): Promise<RelayPaymentInput> {
  const { storeId, id: paymentId } = payment;
  const { forwardRequest, typedData, permit } = await getGaslessRequest(ctx, {
    storeId,
    paymentId,
    payer: customer.address,
  });
  const signature = await signTypedData(customer, typedData);
  return {
    storeId,
    paymentId,
    forwardRequest,
    signature,
    permit:
      permit === null
        ? null
        : {
            value: permit.value,
            deadline: BigInt(permit.deadline),
            signature: await signTypedData(customer, permit.typedData),
          },
  };
}

/** What a store's server sends to `execute` after its customer has signed. */
export async function signAuthorization(
  ctx: Context,
  customer: PrivateKeyAccount,
  payment: Payment,
): Promise<ExecutePaymentInput> {
  const { storeId, id: paymentId } = payment;
  const { typedData, permit } = await getAuthorizationRequest(ctx, {
    storeId,
    paymentId,
    payer: customer.address,
  });
  return {
    storeId,
    paymentId,
    payer: customer.address,
    signature: await signTypedData(customer, typedData),
    permit:
      permit === null
        ? null
        : {
            value: permit.value,
            deadline: BigInt(permit.deadline),
            signature: await signTypedData(customer, permit.typedData),
          },
  };
}
