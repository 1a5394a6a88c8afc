import {
  execute,
  placeholders,
  selectRows,
  type Database,
  type Transaction,
} from '../../platform/db.ts';
import type { Address } from '../../shared/hex.ts';
import type { RelayerLoad, RelayerRecord, RelayerStanding } from './model.ts';

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

/** Whose load is read, and how far it is counted. */
export interface CountedRelayer {
  readonly id: string;
  /**
   * Counting ends here; what is beyond a relayer's limits does not matter to who chooses one.
   * Absent: everything is counted.
   */
  readonly mostSent?: number;
  readonly mostInFlight?: number;
}

interface LoadRow {
  readonly place: string | number;
  readonly kind: 'sent' | 'flying' | 'abandoned';
  readonly count: string | number;
  readonly oldest: Date | null;
  readonly latest: Date | null;
}

/** Each part reads entries of one index, in its order, and no rows. */
const LOAD_PARTS = [
  ['sent', 'sent_at > ? ORDER BY sent_at DESC'],
  ['flying', 'is_flying = TRUE ORDER BY sent_at'],
  ['abandoned', 'abandoned_at IS NOT NULL ORDER BY abandoned_at'],
] as const;
const NO_LIMIT = Number.MAX_SAFE_INTEGER;

/**
 * One for each, in that order. It is read under the relayers' locks, so it costs the same however
 * many requests are on their way.
 */
export async function readRelayerLoads(
  db: Database | Transaction,
  relayers: readonly CountedRelayer[],
  windowStart: Date,
): Promise<RelayerLoad[]> {
  if (relayers.length === 0) return [];
  const parts = relayers.flatMap(({ id, mostSent = NO_LIMIT, mostInFlight = NO_LIMIT }, place) =>
    LOAD_PARTS.map(([kind, condition]) => ({
      sql: `(SELECT ${place} AS place, '${kind}' AS kind, COUNT(*) AS count, MIN(sent_at) AS oldest, MAX(sent_at) AS latest
        FROM (SELECT sent_at FROM relay_transactions WHERE relayer_id = ? AND ${condition} LIMIT ?) AS counted)`,
      bindings: kind === 'sent' ? [id, windowStart, mostSent] : [id, mostInFlight],
    })),
  );
  const rows = await selectRows<LoadRow>(
    db,
    parts.map(({ sql }) => sql).join(' UNION ALL '),
    parts.flatMap(({ bindings }) => bindings),
  );
  return relayers.map(({ id: relayerId }, place) => {
    const of = (kind: LoadRow['kind']) =>
      rows.find((row) => Number(row.place) === place && row.kind === kind);
    const [sent, flying, abandoned] = [of('sent'), of('flying'), of('abandoned')];
    const [oldestInFlight] = [flying?.oldest, abandoned?.oldest]
      .flatMap((date) => date ?? [])
      .sort((a, b) => a.getTime() - b.getTime());
    return {
      relayerId,
      sent: Number(sent?.count ?? 0),
      oldestSentAt: sent?.oldest ?? null,
      latestSentAt: sent?.latest ?? null,
      inFlight: Number(flying?.count ?? 0),
      abandoned: Number(abandoned?.count ?? 0),
      oldestInFlightAt: oldestInFlight ?? null,
    };
  });
}
