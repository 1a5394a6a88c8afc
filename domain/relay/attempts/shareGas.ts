import type { Receipt } from '../../chain/ports.ts';
import { decideRequestGas } from '../../chain/decideRequestGas.ts';
import { splitUsed, typicalGas, type SharedItem, type Suspicion } from './decideShares.ts';
import type { RelayAttempt, RelayRail, RelayTransaction } from '../model.ts';
import { findRefusalIn } from './purpose.ts';

type Used = Pick<Receipt, 'gasUsed' | 'dataGasUsed' | 'refusals'>;
type Charged = Pick<RelayAttempt, 'id' | 'signed' | 'paymentId' | 'permit' | 'runsForeignCode'>;

interface Load {
  /**
   * All that it was sent with, those that have left it since as well: what they burned in it stays
   * theirs.
   */
  readonly items: readonly { readonly index: number; readonly attempt: Charged }[];
  /** What the chain takes for the data of one at most. */
  readonly dataGasPerRequest: bigint;
}

/**
 * What each attempt is charged of the gas of a mined transaction that was sent with it, by attempt
 * id.
 */
export function shareGas(
  transaction: Pick<RelayTransaction, 'items'>,
  receipt: Used,
  { items, dataGasPerRequest }: Load,
): ReadonlyMap<string, bigint> {
  // Of one rail, in every transaction.
  const rail = items[0]?.attempt.signed.rail ?? 'authorization';
  const places = Array.from(
    { length: transaction.items },
    (_, place) => items.find(({ index }) => index === place)?.attempt,
  );
  const shares = splitUsed(
    receipt,
    places.map((attempt) => toShared(rail, attempt, receipt)),
    dataGasPerRequest,
  );
  return new Map(
    places.flatMap((attempt, place) =>
      attempt === undefined ? [] : [[attempt.id, shares[place] ?? 0n] as const],
    ),
  );
}

/** @param attempt undefined: it had left the transaction before places were kept */
function toShared(rail: RelayRail, attempt: Charged | undefined, receipt: Used): SharedItem {
  if (attempt === undefined) {
    return {
      typical: typicalGas({ rail, hasPermit: false, runsForeignCode: false }),
      suspicion: 'none',
      most: 0n,
    };
  }
  const { permit, runsForeignCode } = attempt;
  return {
    typical: typicalGas({ rail, hasPermit: permit !== null, runsForeignCode }),
    suspicion: suspicionOf(attempt, receipt),
    most: decideRequestGas(rail, true, 0n),
  };
}

function suspicionOf(attempt: Charged, receipt: Used): Suspicion {
  // A permit may have had code asked that the account got after the transaction was sent.
  if (!attempt.runsForeignCode && attempt.permit === null) return 'none';
  if (findRefusalIn(receipt, attempt) !== undefined) return 'refused';
  return attempt.runsForeignCode ? 'ranCode' : 'permit';
}
