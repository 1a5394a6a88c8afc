import type { PrivateKeyAccount } from 'viem/accounts';

import type { WorkResult } from '../../domain/outbox/model.ts';
import type { Payment } from '../../domain/payments/model.ts';
import { scanChain } from '../../domain/scan/scanChain.ts';
import { getPayment } from '../../domain/payments/service.ts';
import { confirmTransaction } from '../../domain/relay/confirmTransaction.ts';
import type { RelayAttempt } from '../../domain/relay/model.ts';
import { sendAttempt } from '../../domain/relay/sendAttempt.ts';
import { listRelayAttempts } from '../../domain/relay/listAttempts.ts';
import { relayPayment } from '../../domain/relay/relayPayment.ts';
import type { Context } from '../../platform/context.ts';
import { execute } from '../../platform/db.ts';
import type { Bytes32 } from '../../shared/hex.ts';
import { signGasless } from './gasless.ts';
import { waitUntil } from './waitUntil.ts';

export type ListedAttempt = RelayAttempt & { readonly txHash: Bytes32 | null };

/** Has the customer sign and hands that in. @returns the new attempt, queued */
export async function acceptRelay(
  ctx: Context,
  customer: PrivateKeyAccount,
  payment: Payment,
): Promise<ListedAttempt> {
  await relayPayment(ctx, await signGasless(ctx, customer, payment));
  return readAttempt(ctx, payment);
}

/** The payment's latest attempt. */
export async function readAttempt(
  ctx: Context,
  payment: Pick<Payment, 'id'>,
): Promise<ListedAttempt> {
  const attempt = (await listRelayAttempts(ctx, { paymentId: payment.id })).at(-1);
  if (attempt === undefined) throw new Error(`payment ${payment.id} has no relay attempt`);
  return attempt;
}

export function readPayment(
  ctx: Context,
  payment: Pick<Payment, 'id' | 'storeId'>,
): Promise<Payment> {
  return getPayment(ctx, { storeId: payment.storeId, paymentId: payment.id });
}

/**
 * Ends what earlier tests have left waiting. A job serves those whose turn it is, whatever it was
 * promised for: they would go first.
 */
export async function endWaitingAttempts(ctx: Context): Promise<void> {
  await execute(
    ctx.db,
    "UPDATE relay_attempts SET status = 'failed', live_subject_id = NULL, live_nonce = NULL WHERE status = 'queued'",
  );
}

/** Follows the transaction of the payment's latest attempt one step. */
export async function confirmOnce(ctx: Context, payment: Pick<Payment, 'id'>): Promise<WorkResult> {
  const { transactionId } = await readAttempt(ctx, payment);
  if (transactionId === null) throw new Error('the attempt has no transaction to follow');
  return confirmTransaction(ctx, transactionId);
}

/**
 * Does what the workers would, again and again, without their waiting. @returns the payment and its
 * latest attempt when `isReached`
 */
export async function driveUntil(
  ctx: Context,
  payment: Pick<Payment, 'id' | 'storeId' | 'chainId'>,
  isReached: (payment: Payment, attempt: ListedAttempt) => boolean,
  timeoutMs = 15_000,
): Promise<{ readonly payment: Payment; readonly attempt: ListedAttempt }> {
  let last = '';
  try {
    return await waitUntil(
      async () => {
        const seen = await readAttempt(ctx, payment);
        if (seen.status === 'queued' || seen.status === 'submitting')
          await sendAttempt(ctx, seen.id);
        const { transactionId, status } = await readAttempt(ctx, payment);
        if (transactionId !== null && status !== 'submitting')
          await confirmTransaction(ctx, transactionId);
        await scanChain(ctx, payment.chainId);
        const [current, attempt] = [
          await readPayment(ctx, payment),
          await readAttempt(ctx, payment),
        ];
        last = `the payment is ${current.status}, its attempt ${attempt.status} (${attempt.errorCode ?? 'no error'})`;
        return isReached(current, attempt) ? { payment: current, attempt } : undefined;
      },
      { timeoutMs, everyMs: 100 },
    );
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : String(error)}: ${last}`, {
      cause: error,
    });
  }
}

export const isOver = (_payment: Payment, attempt: ListedAttempt): boolean =>
  attempt.status === 'succeeded' || attempt.status === 'failed';
