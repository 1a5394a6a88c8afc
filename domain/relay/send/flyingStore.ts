import { placeholders, selectRows, type Database, type Transaction } from '../../../platform/db.ts';
import type { Address } from '../../../shared/hex.ts';
import type { RelayAttemptStatus } from '../model.ts';

/** An attempt that a transaction carries, or may carry, or has carried until a moment ago. */
export interface FlyingAttempt {
  readonly id: string;
  readonly transactionId: string | null;
  /** Whose tokens it moves. */
  readonly owner: Address;
  readonly token: Address;
  readonly bringsPermit: boolean;
  /**
   * `queued`: it waits to be sent again, while a transaction that was given up may still be mined.
   */
  readonly status: RelayAttemptStatus;
  /** Since when it has that status. */
  readonly changedAt: Date;
  /** null on the rails that know no order. */
  readonly forwarderNonce: bigint | null;
  readonly deadline: Date;
  readonly sends: number;
}

interface FlyingRow {
  readonly id: string;
  readonly transaction_id: string | null;
  readonly payer: Address;
  readonly token: Address;
  readonly brings_permit: string | number;
  readonly status: RelayAttemptStatus;
  readonly updated_at: Date;
  readonly live_nonce: string | number | null;
  readonly deadline: Date;
  readonly sends: string | number;
}

/**
 * Of these owners, on all rails. Each has few: how many are on their way at once is limited.
 * @param input.endedAfter those that ended earlier are left out
 */
export async function listFlying(
  db: Database | Transaction,
  input: {
    readonly chainId: number;
    readonly owners: readonly Address[];
    readonly endedAfter: Date;
  },
): Promise<FlyingAttempt[]> {
  const { chainId, owners, endedAfter } = input;
  if (owners.length === 0) return [];
  // Two questions, so that the index leaves out what ended long ago.
  const select = (condition: string) =>
    `(SELECT a.id, a.transaction_id, a.payer, p.token, a.permit IS NOT NULL AS brings_permit, a.status, a.updated_at, a.live_nonce, a.deadline, a.sends
      FROM relay_attempts a FORCE INDEX (ix_relay_attempts_payer_end) JOIN payments p ON p.id = a.payment_id
      WHERE a.chain_id = ? AND a.payer IN (${placeholders(owners)}) AND a.rail IN ('forwarder', 'authorization', 'refund') AND ${condition})`;
  const live = select(
    `a.status IN ('queued', 'submitting', 'submitted', 'unknown', 'mined') AND (a.status <> 'queued' OR a.may_still_land = TRUE)`,
  );
  const ended = select(`a.status IN ('succeeded', 'failed') AND a.updated_at > ? AND a.sends > 0`);
  const rows = await selectRows<FlyingRow>(db, `${live} UNION ALL ${ended}`, [
    chainId,
    ...owners,
    chainId,
    ...owners,
    endedAfter,
  ]);
  return rows.map(toFlying);
}

function toFlying(row: FlyingRow): FlyingAttempt {
  return {
    id: row.id,
    transactionId: row.transaction_id,
    owner: row.payer,
    token: row.token,
    bringsPermit: Number(row.brings_permit) !== 0,
    status: row.status,
    changedAt: row.updated_at,
    forwarderNonce: row.live_nonce === null ? null : BigInt(row.live_nonce),
    deadline: row.deadline,
    sends: Number(row.sends),
  };
}
