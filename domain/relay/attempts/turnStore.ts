import { execute, selectRows, type Database, type Transaction } from '../../../platform/db.ts';
import type { Address } from '../../../shared/hex.ts';
import type { RelayPriority } from '../../stores/model.ts';
import type { WaitingTurn } from './decideGivingWay.ts';
import type { RelayAttempt, RelayRail } from '../model.ts';

/** Where a store and its chain are in the order of turns. */
export interface TurnState {
  readonly served: bigint;
  readonly last: bigint;
}

/** The store's usage must be locked: its turns are given out one after the other. */
export async function readTurns(
  db: Transaction,
  input: { readonly chainId: number; readonly storeId: string },
): Promise<TurnState> {
  const [row] = await selectRows<{
    last_turn: string | number;
    served_turn: string | number | null;
  }>(
    db,
    `SELECT q.last_turn, t.served_turn FROM relay_quotas q LEFT JOIN relay_turns t ON t.chain_id = q.chain_id
     WHERE q.chain_id = ? AND q.holder = ?`,
    [input.chainId, input.storeId],
  );
  return { served: BigInt(row?.served_turn ?? 0), last: BigInt(row?.last_turn ?? 0) };
}

/** The turn that the latest batch of the chain began with, or who was looked at last. */
export async function readServedTurn(db: Database | Transaction, chainId: number): Promise<bigint> {
  const [row] = await selectRows<{ served_turn: string | number }>(
    db,
    'SELECT served_turn FROM relay_turns WHERE chain_id = ?',
    [chainId],
  );
  return BigInt(row?.served_turn ?? 0);
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

/**
 * A batch that begins with this turn is sent, or was looked at again in vain. What came back keeps
 * its turn: the order has been further on already then, and stays there.
 */
export async function noteServedTurn(
  db: Transaction,
  chainId: number,
  turn: bigint,
): Promise<void> {
  await execute(
    db,
    `INSERT INTO relay_turns (chain_id, served_turn) VALUES (?, ?)
     ON DUPLICATE KEY UPDATE served_turn = GREATEST(served_turn, VALUES(served_turn))`,
    [chainId, turn.toString()],
  );
}

/**
 * For an attempt that has ended in this transaction and was never sent: its store's next turn comes
 * so much sooner.
 */
export async function giveBackTurn(
  db: Transaction,
  { chainId, storeId, turnStep }: RelayAttempt,
): Promise<void> {
  // A bound string is compared as one unless it is cast: MySQL's LEAST() takes "100" for less than
  // "36".
  await execute(
    db,
    `UPDATE relay_quotas SET last_turn = IF(last_turn > CAST(? AS UNSIGNED), last_turn - CAST(? AS UNSIGNED), 0)
     WHERE chain_id = ? AND holder = ?`,
    [turnStep.toString(), turnStep.toString(), chainId, storeId],
  );
}

export interface StoredTurn extends WaitingTurn {
  readonly turnStep: bigint;
}

/**
 * Of a store, on one rail: the earliest that nobody is choosing, at most `limit` of each priority.
 * Locks nothing.
 */
export async function listWaitingTurns(
  db: Transaction,
  input: {
    readonly chainId: number;
    readonly storeId: string;
    readonly rail: RelayRail;
    readonly priorities: readonly RelayPriority[];
    readonly limit: number;
    readonly exceptPayer: Address | undefined;
  },
): Promise<StoredTurn[]> {
  const { chainId, storeId, rail, priorities, limit, exceptPayer } = input;
  if (priorities.length === 0) return [];
  // The index has each priority in the order of turns.
  const part = `(SELECT id, priority, turn, turn_step, gave_way FROM relay_attempts FORCE INDEX (ix_relay_attempts_store)
    WHERE store_id = ? AND chain_id = ? AND status = 'queued' AND rail = ? AND priority = ? AND claim_id IS NULL AND payer <> ? ORDER BY turn LIMIT ?)`;
  const rows = await selectRows<{
    id: string;
    priority: RelayPriority;
    turn: string | number;
    turn_step: string | number;
    gave_way: string | number;
  }>(
    db,
    priorities.map(() => part).join(' UNION ALL '),
    priorities.flatMap((priority) => [storeId, chainId, rail, priority, exceptPayer ?? '', limit]),
  );
  return rows.map((row) => ({
    id: row.id,
    priority: row.priority,
    turn: BigInt(row.turn),
    turnStep: BigInt(row.turn_step),
    gaveWay: Number(row.gave_way),
  }));
}

/**
 * @returns whether it is locked now: not when somebody else has it locked, or has chosen it or
 *   moved it meanwhile
 */
export async function tryLockWaiting(db: Transaction, waiting: WaitingTurn): Promise<boolean> {
  const [locked] = await selectRows<{ id: string }>(
    db,
    `SELECT id FROM relay_attempts FORCE INDEX (PRIMARY)
     WHERE id = ? AND status = 'queued' AND claim_id IS NULL AND turn = ? FOR UPDATE SKIP LOCKED`,
    [waiting.id, waiting.turn.toString()],
  );
  return locked !== undefined;
}

/** For one that is locked: it has given its turn to another one, and has this one from now on. */
export async function giveWay(
  db: Transaction,
  attemptId: string,
  to: { readonly turn: bigint; readonly turnStep: bigint },
): Promise<void> {
  await execute(
    db,
    'UPDATE relay_attempts SET turn = ?, turn_step = ?, gave_way = gave_way + 1 WHERE id = ?',
    [to.turn.toString(), to.turnStep.toString(), attemptId],
  );
}
