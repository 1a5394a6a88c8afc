import { execute, selectRows, type Database } from '../../platform/db.ts';
import type { RereadReason } from '../chain/model.ts';

/** What came of reading blocks again, of one chain and for one reason. */
export interface Reread {
  readonly chainId: number;
  readonly reason: RereadReason;
  readonly ranges: number;
  readonly found: number;
}

/** So many ranges were read again, and so much was found. */
export async function countReread(
  db: Database,
  input: {
    readonly chainId: number;
    readonly reason: RereadReason;
    readonly ranges: number;
    readonly found: number;
    readonly now: Date;
  },
): Promise<void> {
  const { chainId, reason, ranges, found, now } = input;
  await execute(
    db,
    `INSERT INTO chain_rereads (chain_id, reason, ranges, found, last_at) VALUES (?, ?, ?, ?, ?)
     ON DUPLICATE KEY UPDATE ranges = ranges + VALUES(ranges), found = found + VALUES(found)`,
    [chainId, reason, ranges, found, now],
  );
}

/**
 * Takes the chain's turn to be audited, which comes up once in each interval; the first one is an
 * interval after the first question.
 * @returns whether it is the caller's
 */
export async function takeAuditTurn(
  db: Database,
  input: { readonly chainId: number; readonly intervalMs: number; readonly now: Date },
): Promise<boolean> {
  const { chainId, intervalMs, now } = input;
  const taken = await execute(
    db,
    "UPDATE chain_rereads SET last_at = ? WHERE chain_id = ? AND reason = 'audit' AND last_at <= ?",
    [now, chainId, new Date(now.getTime() - intervalMs)],
  );
  if (taken > 0) return true;
  await execute(
    db,
    `INSERT INTO chain_rereads (chain_id, reason, ranges, found, last_at) VALUES (?, 'audit', 0, 0, ?)
     ON DUPLICATE KEY UPDATE chain_id = VALUES(chain_id)`,
    [chainId, now],
  );
  return false;
}

/** Of a turn that was taken at `now` and came to nothing: the next one who asks has it. */
export async function returnAuditTurn(
  db: Database,
  input: { readonly chainId: number; readonly intervalMs: number; readonly now: Date },
): Promise<void> {
  const { chainId, intervalMs, now } = input;
  await execute(
    db,
    "UPDATE chain_rereads SET last_at = ? WHERE chain_id = ? AND reason = 'audit' AND last_at = ?",
    [new Date(now.getTime() - intervalMs), chainId, now],
  );
}

export async function listRereads(db: Database): Promise<Reread[]> {
  const rows = await selectRows<{
    chain_id: string | number;
    reason: RereadReason;
    ranges: string | number;
    found: string | number;
  }>(db, 'SELECT chain_id, reason, ranges, found FROM chain_rereads');
  return rows.map(({ chain_id: chainId, reason, ranges, found }) => ({
    chainId: Number(chainId),
    reason,
    ranges: Number(ranges),
    found: Number(found),
  }));
}
