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
  /** It waits to be sent again, while a transaction that was given up may still be mined. */
  readonly isQueued: boolean;
}

/** Of these owners, on all rails. Each has few: how many are on their way at once is limited. */
export async function listFlying(
  db: Database | Transaction,
  input: { readonly chainId: number; readonly owners: readonly Address[]; readonly minedAfter: Date },
): Promise<FlyingAttempt[]> {
  const { chainId, owners, minedAfter } = input;
  if (owners.length === 0) return [];
  const rows = await selectRows<{ id: string; payer: Address; token: Address; brings_permit: number; status: RelayAttemptStatus }>(
    db,
    `SELECT a.id, a.payer, p.token, a.permit IS NOT NULL AS brings_permit, a.status
     FROM relay_attempts a FORCE INDEX (ix_relay_attempts_payer_end) JOIN payments p ON p.id = a.payment_id
     WHERE a.chain_id = ? AND a.payer IN (${placeholders(owners)}) AND a.rail IN ('forwarder', 'authorization', 'refund')
       AND a.status IN ('queued', 'submitting', 'submitted', 'unknown', 'mined')
       AND (a.status <> 'queued' OR a.may_still_land = TRUE) AND (a.status <> 'mined' OR a.updated_at > ?)`,
    [chainId, ...owners, minedAfter],
  );
  return rows.map(({ id, payer, token, brings_permit: permit, status }) => {
    return { id, owner: payer, token, bringsPermit: Number(permit) !== 0, isQueued: status === 'queued' };
  });
}
