import type { Context } from '../../../platform/context.ts';
import type { UnitOfWork } from '../../../platform/unitOfWork.ts';
import { listAttemptsOfTransaction } from './attemptStore.ts';
import { changeAttempts } from './changeAttempt.ts';
import type { RelayTransaction } from '../model.ts';
import type { ProviderTransaction } from '../../relayers/ports.ts';
import { lockWithPurposes, noteHash } from './purpose.ts';
import { insertTransactionHash, lockTransaction, updateTransaction } from './transactionStore.ts';

/**
 * The provider has the transaction, under this id and (perhaps only now, perhaps a new one) this
 * hash. Attempts that waited for this certainty become `submitted`; what they are for shows the
 * hash.
 */
export async function recordProviderTransaction(
  ctx: Context,
  unit: UnitOfWork,
  transactionId: string,
  provider: Pick<ProviderTransaction, 'providerTransactionId' | 'hash'>,
): Promise<RelayTransaction> {
  // Attempts and what they are for before their transaction: the order that everybody keeps.
  const carried = await lockWithPurposes(
    unit,
    await listAttemptsOfTransaction(unit.trx, transactionId),
  );
  const transaction = await lockTransaction(unit.trx, transactionId);
  if (transaction === undefined) throw new Error(`relay transaction ${transactionId} is gone`);
  const newHash =
    provider.hash !== null && !transaction.hashes.includes(provider.hash)
      ? provider.hash
      : undefined;
  const updated: RelayTransaction = {
    ...transaction,
    providerTransactionId: provider.providerTransactionId,
    hash: provider.hash ?? transaction.hash,
    hashes: newHash === undefined ? transaction.hashes : [...transaction.hashes, newHash],
  };
  await updateTransaction(unit.trx, updated);
  if (newHash !== undefined) await insertTransactionHash(unit.trx, transaction, newHash);
  const own = carried.filter(({ attempt }) => attempt.transactionId === transactionId);
  await changeAttempts(
    ctx,
    unit,
    own
      .filter(({ attempt: { status } }) => status === 'submitting' || status === 'unknown')
      .map(({ attempt }) => ({ attempt, event: 'accepted' })),
  );
  if (updated.hash !== null) await noteHash(ctx, unit, own, updated.hash);
  return updated;
}
