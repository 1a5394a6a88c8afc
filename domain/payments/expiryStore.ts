import { selectRows, type Database } from '../../platform/db.ts';
import { asBytes32, type Bytes32 } from '../../shared/hex.ts';

/** Where a payment stands in the order in which pending ones expire. */
export interface ExpiryPlace {
  readonly expiresAt: Date;
  readonly seq: bigint;
}

export interface PendingExpiry extends ExpiryPlace {
  readonly id: Bytes32;
}

/** Before all others. */
export const FIRST_EXPIRY: ExpiryPlace = { expiresAt: new Date(0), seq: 0n };

/**
 * Pending payments that expire before a date, those after a place: the soonest first, as they lie
 * in the index.
 */
export async function listPendingExpiries(
  db: Database,
  range: { readonly after: ExpiryPlace; readonly before: Date; readonly limit: number },
): Promise<PendingExpiry[]> {
  const { after, before, limit } = range;
  const rows = await selectRows<{ id: string; expires_at: Date; seq: string | number }>(
    db,
    `SELECT id, expires_at, seq FROM payments FORCE INDEX (ix_payments_status_expiry)
     WHERE status = 'pending' AND expires_at >= ? AND expires_at < ? AND (expires_at > ? OR seq > ?) ORDER BY expires_at, seq LIMIT ?`,
    [after.expiresAt, before, after.expiresAt, after.seq.toString(), limit],
  );
  return rows.map((row) => ({
    id: asBytes32(row.id),
    expiresAt: row.expires_at,
    seq: BigInt(row.seq),
  }));
}

export async function findEarliestPendingExpiry(db: Database): Promise<Date | undefined> {
  const [row] = await selectRows<{ earliest: Date | null }>(
    db,
    "SELECT MIN(expires_at) AS earliest FROM payments WHERE status = 'pending'",
  );
  return row?.earliest ?? undefined;
}
