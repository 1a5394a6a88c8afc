import { placeholders, selectRows, type Database, type Transaction } from '../../platform/db.ts';
import type { Address } from '../../shared/hex.ts';
import type { RelayAttemptStatus } from './model.ts';

/** An attempt that a transaction carries, or may carry, which is in no block as far as is known, or only since a moment ago. */
export interface FlyingAttempt {
  readonly id: string;
  /** Whose tokens it moves. */
  readonly owner: Address;
  readonly token: Address;
  readonly bringsPermit: boolean;
  /** `queued`: it waits to be sent again, while a transaction that was given up may still be mined. */
  readonly status: RelayAttemptStatus;
  /** null on the rails that know no order. */
  readonly forwarderNonce: bigint | null;
  readonly deadline: Date;
  readonly sends: number;
}

interface FlyingRow {
  readonly id: string;
  readonly payer: Address;
  readonly token: Address;
  readonly brings_permit: string | number;
  readonly status: RelayAttemptStatus;
  readonly live_nonce: string | number | null;
  readonly deadline: Date;
  readonly sends: string | number;
}

/** Of these owners, on all rails. Each has few: how many are on their way at once is limited. */
export async function listFlying(
  db: Database | Transaction,
  input: { readonly chainId: number; readonly owners: readonly Address[]; readonly minedAfter: Date },
): Promise<FlyingAttempt[]> {
  const { chainId, owners, minedAfter } = input;
  if (owners.length === 0) return [];
  const rows = await selectRows<FlyingRow>(
    db,
    `SELECT a.id, a.payer, p.token, a.permit IS NOT NULL AS brings_permit, a.status, a.live_nonce, a.deadline, a.sends
     FROM relay_attempts a FORCE INDEX (ix_relay_attempts_payer_end) JOIN payments p ON p.id = a.payment_id
     WHERE a.chain_id = ? AND a.payer IN (${placeholders(owners)}) AND a.rail IN ('forwarder', 'authorization', 'refund')
       AND a.status IN ('queued', 'submitting', 'submitted', 'unknown', 'mined')
       AND (a.status <> 'queued' OR a.may_still_land = TRUE) AND (a.status <> 'mined' OR a.updated_at > ?)`,
    [chainId, ...owners, minedAfter],
  );
  return rows.map(toFlying);
}

function toFlying(row: FlyingRow): FlyingAttempt {
  return {
    id: row.id,
    owner: row.payer,
    token: row.token,
    bringsPermit: Number(row.brings_permit) !== 0,
    status: row.status,
    forwarderNonce: row.live_nonce === null ? null : BigInt(row.live_nonce),
    deadline: row.deadline,
    sends: Number(row.sends),
  };
}
