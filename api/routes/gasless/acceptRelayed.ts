import type { IdempotencyClaim } from '../../../domain/idempotency/model.ts';
import { idempotently, replaceStoredReply } from '../../../domain/idempotency/service.ts';
import type { Payment } from '../../../domain/payments/model.ts';
import { waitForStatus } from '../../../domain/payments/status.ts';
import type { Context } from '../../../platform/context.ts';
import type { AlsoInTransaction } from '../../../platform/unitOfWork.ts';
import type { Bytes32 } from '../../../shared/hex.ts';
import { toPaymentStatusReply } from '../payments/toPaymentStatusReply.ts';
import { parsePreferWait } from './parsePreferWait.ts';

/**
 * Hands a signed request in, once for an Idempotency-Key, and waits for the hash when the caller
 * prefers that.
 */
export async function acceptRelayed(
  ctx: Context,
  request: {
    readonly storeId: string;
    readonly paymentId: Bytes32;
    readonly claim: IdempotencyClaim | null;
    readonly prefer: string | undefined;
    readonly signal: AbortSignal;
  },
  accept: (also: AlsoInTransaction<Payment>) => Promise<Payment>,
) {
  const { storeId, paymentId, claim, prefer, signal } = request;
  const waitSeconds = parsePreferWait(prefer);
  const accepted = await idempotently(
    ctx,
    claim,
    accept,
    // Just accepted: no event of the chain is known, so there is nothing to count.
    ({ id, status, txHash }) => ({
      status: 202 as const,
      body: toPaymentStatusReply({ paymentId: id, status, txHash, confirmations: 0 }),
    }),
  );
  if (waitSeconds === undefined || accepted.replayed) return accepted;

  const hashKnownOrOver = await waitForStatus(
    ctx,
    { storeId, paymentId, waitSeconds, signal },
    ({ status, txHash }) => txHash !== null || status !== 'processing',
  );
  const reply = {
    status: 202,
    headers: { 'Preference-Applied': 'wait' },
    body: toPaymentStatusReply(hashKnownOrOver),
  } as const;
  await replaceStoredReply(ctx, claim, reply);
  return reply;
}
