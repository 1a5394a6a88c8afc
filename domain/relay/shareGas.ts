import type { Receipt } from '../chain/ports.ts';
import { gasToReserve } from './decide.ts';
import { splitGas, typicalGas, type SharedItem, type Suspicion } from './decideShares.ts';
import type { RelayAttempt, RelayTransaction } from './model.ts';
import { findRefusalIn } from './subject.ts';

type Carrier = Pick<RelayTransaction, 'items'>;
type Used = Pick<Receipt, 'gasUsed' | 'refusals'>;
type Carried = Pick<RelayAttempt, 'id' | 'batchIndex' | 'signed' | 'paymentId' | 'permit' | 'runsForeignCode' | 'reservedGas'>;

/**
 * What each attempt of a mined transaction is charged of its gas, by attempt id. Attempts that have left the transaction since it was sent are taken for plain
 * ones: what falls to them is theirs when it turns out that it paid for them all the same (shareOfLeft), else nobody's.
 */
export function shareGas(transaction: Carrier, receipt: Used, attempts: readonly Carried[]): ReadonlyMap<string, bigint> {
  return new Map(
    placesOf(transaction, receipt, attempts).flatMap(({ attempt, share }) => (attempt === undefined ? [] : [[attempt.id, share] as const])),
  );
}

/** What one that has left the transaction is charged: no more than falls to any that has, so that all together never pay more than was used. */
function shareOfLeft(transaction: Carrier, receipt: Used, attempts: readonly Carried[]): bigint {
  const left = placesOf(transaction, receipt, attempts).filter(({ attempt }) => attempt === undefined);
  return left.reduce<bigint | undefined>((least, { share }) => (least === undefined || share < least ? share : least), undefined) ?? 0n;
}

/**
 * What one is charged of a transaction that turned out to have done what it is for: its own share while it is
 * in it still, since the provider never told that transaction's hash, or told another; else shareOfLeft.
 * @param attempts all that are in the transaction
 */
export function shareOfDone(
  transaction: Carrier,
  receipt: Used,
  { attempts, attemptId }: { readonly attempts: readonly Carried[]; readonly attemptId: string },
): bigint {
  return shareGas(transaction, receipt, attempts).get(attemptId) ?? shareOfLeft(transaction, receipt, attempts);
}

function placesOf(transaction: Carrier, receipt: Used, attempts: readonly Carried[]) {
  // Of one rail, in every transaction.
  const rail = attempts[0]?.signed.rail ?? 'authorization';
  const places = Array.from({ length: transaction.items }, (_, index) => attempts.find(({ batchIndex }) => batchIndex === index));
  const shares = splitGas(
    receipt.gasUsed,
    places.map((attempt): SharedItem => {
      if (attempt === undefined) {
        return { typical: typicalGas({ rail, hasPermit: false, runsForeignCode: false }), suspicion: 'none', most: 0n };
      }
      const { permit, runsForeignCode, reservedGas } = attempt;
      return {
        typical: typicalGas({ rail, hasPermit: permit !== null, runsForeignCode }),
        suspicion: suspicionOf(attempt, receipt),
        most: runsForeignCode ? reservedGas : gasToReserve(rail, true, 0n),
      };
    }),
  );
  return places.map((attempt, index) => ({ attempt, share: shares[index] ?? 0n }));
}

function suspicionOf(attempt: Carried, receipt: Used): Suspicion {
  // A permit may have had code asked that the account got after the transaction was sent.
  if (!attempt.runsForeignCode && attempt.permit === null) return 'none';
  if (findRefusalIn(receipt, attempt) !== undefined) return 'refused';
  return attempt.runsForeignCode ? 'ranCode' : 'permit';
}
