import type { Context } from '../../platform/context.ts';
import type { UnitOfWork } from '../../platform/unitOfWork.ts';
import type { Payment } from '../payments/model.ts';
import { lockPaymentForRelay, noteRelayHash } from '../payments/service.ts';
import { changeAttempt } from './changeAttempt.ts';
import type { RelayAttempt, RelayTransaction } from './model.ts';
import type { ProviderTransaction } from './ports.ts';
import { listAttemptsOfTransaction, lockAttempt, lockTransaction, updateTransaction } from './store.ts';

/**
 * The provider has the transaction, under this id and (perhaps only now, perhaps a new one) this hash. Attempts that waited for this certainty
 * become `submitted`; the payments show the hash.
 */
export async function recordProviderTransaction(
  ctx: Context,
  unit: UnitOfWork,
  transactionId: string,
  provider: Pick<ProviderTransaction, 'providerTransactionId' | 'hash'>,
): Promise<RelayTransaction> {
  // Locked in the order that everybody keeps: payments and attempts before their transaction.
  const attempts: { readonly payment: Payment; readonly attempt: RelayAttempt }[] = [];
  for (const seen of await listAttemptsOfTransaction(unit.trx, transactionId)) {
    const payment = await lockPaymentForRelay(unit, seen.paymentId);
    const attempt = await lockAttempt(unit.trx, seen.id);
    if (payment !== undefined && attempt?.transactionId === transactionId) attempts.push({ payment, attempt });
  }
  const transaction = await lockTransaction(unit.trx, transactionId);
  if (transaction === undefined) throw new Error(`relay transaction ${transactionId} is gone`);
  const isNewHash = provider.hash !== null && !transaction.hashes.includes(provider.hash);
  const updated: RelayTransaction = {
    ...transaction,
    providerTransactionId: provider.providerTransactionId,
    hash: provider.hash ?? transaction.hash,
    hashes: isNewHash && provider.hash !== null ? [...transaction.hashes, provider.hash] : transaction.hashes,
  };
  await updateTransaction(unit.trx, updated);
  for (const { payment, attempt } of attempts) {
    if (attempt.status === 'submitting' || attempt.status === 'unknown') await changeAttempt(ctx, unit, attempt, 'accepted');
    if (updated.hash !== null) await noteRelayHash(ctx, unit, payment, attempt.id, updated.hash);
  }
  return updated;
}
