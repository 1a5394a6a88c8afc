import type { Receipt } from '../chain/ports.ts';
import { gasToReserve } from './decide.ts';
import { splitGas, typicalGas, type SharedItem } from './decideShares.ts';
import type { RelayAttempt, RelayTransaction } from './model.ts';
import { findRefusalIn } from './subject.ts';

/**
 * What each attempt of a mined transaction is charged of its gas, by attempt id. Attempts that have left the transaction since it was sent are taken for plain
 * ones: what falls to them is nobody's.
 */
export function shareGas(transaction: RelayTransaction, receipt: Receipt, attempts: readonly RelayAttempt[]): ReadonlyMap<string, bigint> {
  const [first] = attempts;
  if (first === undefined) return new Map();
  const { rail } = first.signed;
  const places = Array.from({ length: transaction.items }, (_, index) => attempts.find(({ batchIndex }) => batchIndex === index));
  const shares = splitGas(
    receipt.gasUsed,
    places.map((attempt): SharedItem => {
      if (attempt === undefined) return { typical: typicalGas({ rail, hasPermit: false, runsForeignCode: false }), most: undefined };
      const { permit, runsForeignCode, reservedGas } = attempt;
      // A permit may have had code asked that the account got after the transaction was sent.
      const mayHaveBurned = (runsForeignCode || permit !== null) && findRefusalIn(receipt, attempt) !== undefined;
      return {
        typical: typicalGas({ rail, hasPermit: permit !== null, runsForeignCode }),
        most: mayHaveBurned ? (runsForeignCode ? reservedGas : gasToReserve(rail, true, 0n)) : undefined,
      };
    }),
  );
  return new Map(places.flatMap((attempt, index) => (attempt === undefined ? [] : [[attempt.id, shares[index] ?? 0n] as const])));
}
