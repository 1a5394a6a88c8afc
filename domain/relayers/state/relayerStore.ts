import {
  type Database,
  execute,
  placeholders,
  selectRows,
  type Transaction,
} from '../../../platform/db.ts';
import type { Address } from '../../../shared/hex.ts';
import type { RelayerRecord, RelayerStanding } from '../model.ts';

interface RelayerRow {
  readonly id: string;
  readonly standing: RelayerStanding;
  readonly failures: string | number;
  readonly resting_until: Date | null;
  readonly resting_reason: string | null;
  readonly address: Address | null;
  readonly balance: string | null;
  readonly low_below: string | null;
  readonly has_stuck_nonce: number;
  readonly checked_at: Date | null;
}

const COLUMNS =
  'id, standing, failures, resting_until, resting_reason, address, balance, low_below, has_stuck_nonce, checked_at';

function toRecord(row: RelayerRow): RelayerRecord {
  return {
    id: row.id,
    standing: row.standing,
    failures: Number(row.failures),
    restingUntil: row.resting_until,
    restingReason: row.resting_reason,
    address: row.address,
    balance: row.balance === null ? null : BigInt(row.balance),
    lowBelow: row.low_below === null ? null : BigInt(row.low_below),
    hasStuckNonce: Boolean(row.has_stuck_nonce),
    checkedAt: row.checked_at,
  };
}

/** Those that were used or checked at least once. */
export async function listRelayers(
  db: Database | Transaction,
  ids: readonly string[],
): Promise<RelayerRecord[]> {
  if (ids.length === 0) return [];
  const rows = await selectRows<RelayerRow>(
    db,
    `SELECT ${COLUMNS} FROM relayers WHERE id IN (${placeholders(ids)}) ORDER BY id`,
    ids,
  );
  return rows.map(toRecord);
}

/**
 * Locks them in the order of their ids, so that their limits hold however many workers there are.
 */
export async function lockRelayers(
  db: Transaction,
  ids: readonly string[],
): Promise<RelayerRecord[]> {
  const sorted = [...ids].sort();
  if (sorted.length === 0) return [];
  const lock = () =>
    selectRows<RelayerRow>(
      db,
      `SELECT ${COLUMNS} FROM relayers WHERE id IN (${placeholders(sorted)}) ORDER BY id FOR UPDATE`,
      sorted,
    );
  let rows = await lock();
  if (rows.length < sorted.length) {
    // Once in a relayer's life.
    await execute(
      db,
      `INSERT INTO relayers (id) VALUES ${sorted.map(() => '(?)').join(', ')} ON DUPLICATE KEY UPDATE id = VALUES(id)`,
      sorted,
    );
    rows = await lock();
  }
  return rows.map(toRecord);
}

/** The circuit breaker's part. */
export async function updateRelayerCircuit(
  db: Transaction,
  relayer: Pick<RelayerRecord, 'id' | 'failures' | 'restingUntil' | 'restingReason'>,
): Promise<void> {
  await execute(
    db,
    'UPDATE relayers SET failures = ?, resting_until = ?, resting_reason = ? WHERE id = ?',
    [
      relayer.failures,
      relayer.restingUntil,
      relayer.restingReason?.slice(0, 255) ?? null,
      relayer.id,
    ],
  );
}

/** What a check found. */
export async function updateRelayerStanding(
  db: Transaction,
  relayer: Pick<
    RelayerRecord,
    'id' | 'standing' | 'address' | 'balance' | 'lowBelow' | 'hasStuckNonce' | 'checkedAt'
  >,
): Promise<void> {
  await execute(
    db,
    `UPDATE relayers SET standing = ?, address = COALESCE(?, address), balance = COALESCE(?, balance), low_below = COALESCE(?, low_below),
       has_stuck_nonce = ?, checked_at = ? WHERE id = ?`,
    [
      relayer.standing,
      relayer.address,
      relayer.balance?.toString() ?? null,
      relayer.lowBelow?.toString() ?? null,
      relayer.hasStuckNonce,
      relayer.checkedAt,
      relayer.id,
    ],
  );
}
