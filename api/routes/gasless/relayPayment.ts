import { idempotently, replaceStoredReply } from '../../../domain/idempotency/service.ts';
import type { Payment } from '../../../domain/payments/model.ts';
import { waitForStatus } from '../../../domain/payments/status.ts';
import type { ForwardRequest, Permit } from '../../../domain/relay/model.ts';
import * as relay from '../../../domain/relay/service.ts';
import type { AlsoInTransaction } from '../../../platform/unitOfWork.ts';
import { asBytes32, asHex } from '../../../shared/hex.ts';
import type { components } from '../../generated/openapi.ts';
import type { Handler } from '../../handler.ts';
import { parseAddress } from '../parseAddress.ts';
import { toPaymentStatusReply } from '../payments/toPaymentStatusReply.ts';
import { parsePreferWait } from './parsePreferWait.ts';

type RelayRequest = components['schemas']['RelayRequest'];

export const relayPayment: Handler<'relayPayment'> = async (ctx, { identity, params, body, claim, header, signal }) => {
  const { storeId } = identity;
  const paymentId = asBytes32(params.paymentId);
  const waitSeconds = parsePreferWait(header('prefer'));
  const input = {
    storeId,
    paymentId,
    forwardRequest: parseForwardRequest(body.forwardRequest),
    signature: asHex(body.signature),
    permit: parsePermit(body.permit),
  };
  const accepted = await idempotently(
    ctx,
    claim,
    (also: AlsoInTransaction<Payment>) => relay.relayPayment(ctx, input, also),
    // Just accepted: no event of the chain is known, so there is nothing to count.
    ({ id, status, txHash }) => ({ status: 202 as const, body: toPaymentStatusReply({ paymentId: id, status, txHash, confirmations: 0 }) }),
  );
  if (waitSeconds === undefined || accepted.replayed) return accepted;

  const hashKnownOrOver = await waitForStatus(
    ctx,
    { storeId, paymentId, waitSeconds, signal },
    ({ status, txHash }) => txHash !== null || status !== 'processing',
  );
  const reply = { status: 202, headers: { 'Preference-Applied': 'wait' }, body: toPaymentStatusReply(hashKnownOrOver) } as const;
  await replaceStoredReply(ctx, claim, reply);
  return reply;
};

function parseForwardRequest(request: RelayRequest['forwardRequest']): ForwardRequest {
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

function parsePermit(permit: RelayRequest['permit']): Permit | null {
  return permit === undefined
    ? null
    : { value: BigInt(permit.value), deadline: BigInt(permit.deadline), signature: asHex(permit.signature) };
}
