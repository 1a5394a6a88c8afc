import type { Transaction } from '../../../platform/db.ts';
import type { RelayPriority } from '../../stores/model.ts';
import { getRelayShare } from '../../stores/service.ts';
import { listGivingWay, prioritiesBelow } from '../attempts/decideGivingWay.ts';
import { decideTurn, stepOf, type Turn } from './decideTurn.ts';
import { signerOf } from '../model.ts';
import {
  giveWay,
  listWaitingTurns,
  readTurns,
  tryLockWaiting,
  updateLastTurn,
  type StoredTurn,
} from '../attempts/turnStore.ts';
import type { SignedRequest } from '../../chain/contractModel.ts';

/** How many of each priority are looked at: what is further back has hardly anything to give. */
const LOOKED_AT = 20;

/**
 * Gives a new attempt its turn: the store's next one, or that of a waiting one of less priority,
 * which goes on as if it came now.
 *
 * The store's usage must be locked. Attempts are locked before usage elsewhere, so this waits for
 * none of them: one that is locked is passed over.
 * @param input.inFlight of the store, without this one
 */
export async function giveTurn(
  db: Transaction,
  input: {
    readonly chainId: number;
    readonly storeId: string;
    readonly signed: SignedRequest;
    readonly priority: RelayPriority;
    readonly inFlight: number;
  },
): Promise<Turn> {
  const { chainId, storeId, signed, priority, inFlight } = input;
  const step = stepOf(await getRelayShare(db, storeId));
  const own = decideTurn({ ...(await readTurns(db, { chainId, storeId })), inFlight, step });
  const { turn } = own;
  await updateLastTurn(db, { chainId, storeId, turn });
  if (inFlight === 0) return own;
  const waiting = await listWaitingTurns(db, {
    ...{
      chainId,
      storeId,
      rail: signed.rail,
      priorities: prioritiesBelow(priority),
      limit: LOOKED_AT,
    },
    // A forwarder request that went before its payer's earlier one would only wait for it.
    exceptPayer: signed.rail === 'forwarder' ? signerOf(signed) : undefined,
  });
  // Each takes the turn of the one that follows it; the last takes the new one.
  const giving: StoredTurn[] = [];
  for (let above = priority; ;) {
    const next = await lockFirst(db, listGivingWay(above, turn, waiting));
    if (next === undefined) break;
    giving.push(next);
    above = next.priority;
  }
  const turns = [...giving, own];
  for (const [index, { id }] of giving.entries()) await giveWay(db, id, turns[index + 1] ?? own);
  return turns[0] ?? own;
}

async function lockFirst(
  db: Transaction,
  waiting: readonly StoredTurn[],
): Promise<StoredTurn | undefined> {
  for (const one of waiting) if (await tryLockWaiting(db, one)) return one;
  return undefined;
}
