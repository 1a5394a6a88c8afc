import { execute, selectRows, type Transaction } from '../../platform/db.ts';

/** Where a store and its chain are in the order of turns. */
export interface TurnState {
  readonly served: bigint;
  readonly last: bigint;
}

/** The store's usage must be locked: its turns are given out one after the other. */
export async function readTurns(db: Transaction, input: { readonly chainId: number; readonly storeId: string }): Promise<TurnState> {
  const [row] = await selectRows<{ last_turn: string | number; served_turn: string | number | null }>(
    db,
    `SELECT q.last_turn, t.served_turn FROM relay_quotas q LEFT JOIN relay_turns t ON t.chain_id = q.chain_id
     WHERE q.chain_id = ? AND q.holder = ?`,
    [input.chainId, input.storeId],
  );
  return { served: BigInt(row?.served_turn ?? 0), last: BigInt(row?.last_turn ?? 0) };
}

export async function updateLastTurn(
  db: Transaction,
  input: { readonly chainId: number; readonly storeId: string; readonly turn: bigint },
): Promise<void> {
  await execute(db, 'UPDATE relay_quotas SET last_turn = ? WHERE chain_id = ? AND holder = ?', [
    input.turn.toString(),
    input.chainId,
    input.storeId,
  ]);
}

/** A batch that begins with this turn is sent. What came back keeps its turn: the order has been further on already then, and stays there. */
export async function noteServedTurn(db: Transaction, chainId: number, turn: bigint): Promise<void> {
  await execute(
    db,
    `INSERT INTO relay_turns (chain_id, served_turn) VALUES (?, ?)
     ON DUPLICATE KEY UPDATE served_turn = GREATEST(served_turn, VALUES(served_turn))`,
    [chainId, turn.toString()],
  );
}
