import type { Receipt } from '../chain/ports.ts';
import { gasToReserve } from './decide.ts';
import { splitUsed, typicalGas, type SharedItem, type Suspicion } from './decideShares.ts';
import type { RelayAttempt, RelayTransaction } from './model.ts';
import { findRefusalIn } from './subject.ts';

type Carrier = Pick<RelayTransaction, 'items'>;
type Used = Pick<Receipt, 'gasUsed' | 'dataGasUsed' | 'refusals'>;
type Carried = Pick<RelayAttempt, 'id' | 'batchIndex' | 'signed' | 'paymentId' | 'permit' | 'runsForeignCode'>;

interface Load {
  /** All that are in the transaction. */
  readonly attempts: readonly Carried[];
  /** What the chain takes for the data of one at most. */
  readonly dataGasPerRequest: bigint;
}

/**
 * What each attempt of a mined transaction is charged of its gas, by attempt id. Attempts that have left the transaction since it was sent are taken for plain
 * ones: what falls to them is theirs when it turns out that it paid for them all the same (shareOfLeft), else nobody's.
 */
export function shareGas(transaction: Carrier, receipt: Used, load: Load): ReadonlyMap<string, bigint> {
  return new Map(
    placesOf(transaction, receipt, load).flatMap(({ attempt, share }) => (attempt === undefined ? [] : [[attempt.id, share] as const])),
  );
}

/** What one that has left the transaction is charged: no more than falls to any that has, so that all together never pay more than was used. */
function shareOfLeft(transaction: Carrier, receipt: Used, load: Load): bigint {
  const left = placesOf(transaction, receipt, load).filter(({ attempt }) => attempt === undefined);
  return left.reduce<bigint | undefined>((least, { share }) => (least === undefined || share < least ? share : least), undefined) ?? 0n;
}

/**
 * What one is charged of a transaction that turned out to have done what it is for: its own share while it is
 * in it still, since the provider never told that transaction's hash, or told another; else shareOfLeft.
 */
export function shareOfDone(transaction: Carrier, receipt: Used, load: Load & { readonly attemptId: string }): bigint {
  return shareGas(transaction, receipt, load).get(load.attemptId) ?? shareOfLeft(transaction, receipt, load);
}

function placesOf(transaction: Carrier, receipt: Used, { attempts, dataGasPerRequest }: Load) {
  // Of one rail, in every transaction.
  const rail = attempts[0]?.signed.rail ?? 'authorization';
  const places = Array.from({ length: transaction.items }, (_, index) => attempts.find(({ batchIndex }) => batchIndex === index));
  const items = places.map((attempt): SharedItem => {
    if (attempt === undefined) {
      return { typical: typicalGas({ rail, hasPermit: false, runsForeignCode: false }), suspicion: 'none', most: 0n };
    }
    const { permit, runsForeignCode } = attempt;
    return {
      typical: typicalGas({ rail, hasPermit: permit !== null, runsForeignCode }),
      suspicion: suspicionOf(attempt, receipt),
      most: gasToReserve(rail, true, 0n),
    };
  });
  const shares = splitUsed(receipt, items, dataGasPerRequest);
  return places.map((attempt, index) => ({ attempt, share: shares[index] ?? 0n }));
}

function suspicionOf(attempt: Carried, receipt: Used): Suspicion {
  // A permit may have had code asked that the account got after the transaction was sent.
  if (!attempt.runsForeignCode && attempt.permit === null) return 'none';
  if (findRefusalIn(receipt, attempt) !== undefined) return 'refused';
  return attempt.runsForeignCode ? 'ranCode' : 'permit';
}
