import type { Context } from '../../platform/context.ts';
import type { UnitOfWork } from '../../platform/unitOfWork.ts';
import type { Blame } from './decideWaste.ts';
import { signerOf, type RelayAttempt } from './model.ts';
import { addWaste, type WasteHolder } from './wasteStore.ts';

/**
 * Remembers, in the transaction that decides about the attempt, that it was mined and did nothing.
 * @param input.gasCost wei, what it cost this time
 */
export async function noteWaste(
  ctx: Context,
  unit: UnitOfWork,
  attempt: RelayAttempt,
  input: { readonly blame: Blame; readonly gasCost: bigint },
): Promise<void> {
  const { blame, gasCost } = input;
  ctx.log.warn({ attemptId: attempt.id, storeId: attempt.storeId, blame, gasCost: gasCost.toString() }, 'gas was wasted');
  if (blame === 'nobody') return;
  const holders = wasteHoldersOf(attempt).filter(({ kind }) => kind !== 'signer' || blame === 'signer');
  await addWaste(unit.trx, { chainId: attempt.chainId, holders, at: ctx.clock.now(), gasCost });
}

/** Whose failures speak against a request. */
export function wasteHoldersOf(request: Pick<RelayAttempt, 'signed' | 'paymentId' | 'refundId' | 'storeId'>): WasteHolder[] {
  return [
    { kind: 'signer', holder: signerOf(request.signed) },
    { kind: 'subject', holder: request.refundId ?? request.paymentId },
    { kind: 'store', holder: request.storeId },
  ];
}
