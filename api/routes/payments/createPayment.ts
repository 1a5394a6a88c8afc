import { idempotently } from '../../../domain/idempotency/service.ts';
import type { Payment } from '../../../domain/payments/model.ts';
import * as payments from '../../../domain/payments/service.ts';
import type { AlsoInTransaction } from '../../../platform/unitOfWork.ts';
import { parseAmountUnits } from '../../../shared/money.ts';
import type { Handler } from '../../http/handler.ts';
import { parseAddress } from '../parseAddress.ts';
import { toPaymentResource } from './toPaymentResource.ts';

/** openapi.yaml has the same as `default`, which the validator fills in. */
const DEFAULT_EXPIRES_IN_SECONDS = 900;

export const createPayment: Handler<'createPayment'> = (ctx, { identity, body, claim }) => {
  const input: payments.CreatePaymentInput = {
    storeId: identity.storeId,
    orderId: body.orderId,
    amount: parseAmountUnits(body.amount),
    token: parseAddress(body.token, '/body/token'),
    merchant:
      body.merchant === undefined ? undefined : parseAddress(body.merchant, '/body/merchant'),
    chainId: body.chainId,
    expiresInSeconds: body.expiresInSeconds ?? DEFAULT_EXPIRES_IN_SECONDS,
    customerEmail: body.customerEmail,
    metadata: body.metadata,
  };
  return idempotently(
    ctx,
    claim,
    (also: AlsoInTransaction<Payment>) => payments.createPayment(ctx, input, also),
    async (payment) => ({
      status: 201 as const,
      headers: { Location: `/api/v1/payments/${payment.id}` },
      body: await toPaymentResource(ctx, payment),
    }),
  );
};
