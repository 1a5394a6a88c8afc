import {
  execute,
  placeholders,
  selectRows,
  type Database,
  type Transaction,
} from '../../../platform/db.ts';
import { lockInOrder } from '../../../platform/lockInOrder.ts';
import { updateRows } from '../../../platform/updateRows.ts';
import { asBytes32, type Address, type Bytes32 } from '../../../shared/hex.ts';
import {
  ATTEMPT_COLUMNS,
  toAttempt,
  toStoredPermit,
  toStoredRequest,
  type AttemptRow,
} from './attemptRow.ts';
import { joinPromise } from '../../outbox/joinPromise.ts';
import {
  isLive,
  signerOf,
  type RelayAttempt,
  type RelayAttemptStatus,
  type RelayRail,
} from '../model.ts';

/**
 * What an attempt holds while it is live: nobody else may be live for the same payment or refund,
 * or use the same forwarder nonce.
 */
function claimsOf(attempt: RelayAttempt): {
  readonly subjectId: string | null;
  readonly nonce: string | null;
} {
  if (!isLive(attempt.status)) return { subjectId: null, nonce: null };
  const nonce =
    attempt.signed.rail === 'forwarder' ? attempt.signed.request.nonce.toString() : null;
  return { subjectId: attempt.refundId ?? attempt.paymentId, nonce };
}

/**
 * @throws a duplicate key error when the payment or refund has a live attempt already, or its
 *   forwarder nonce is held by one
 */
export async function insertAttempt(db: Transaction, attempt: RelayAttempt): Promise<void> {
  const claims = claimsOf(attempt);
  await execute(
    db,
    `INSERT INTO relay_attempts (id, payment_id, refund_id, live_subject_id, store_id, chain_id, rail, status, payer, live_nonce, deadline, request,
       signature, permit, runs_foreign_code, priority, turn, turn_step, reserved_gas, reserved_cost, created_at, updated_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    [
      attempt.id,
      attempt.paymentId,
      attempt.refundId,
      claims.subjectId,
      attempt.storeId,
      attempt.chainId,
      attempt.signed.rail,
      attempt.status,
      signerOf(attempt.signed),
      claims.nonce,
      attempt.deadline,
      JSON.stringify(toStoredRequest(attempt.signed)),
      attempt.signature,
      attempt.permit === null ? null : JSON.stringify(toStoredPermit(attempt.permit)),
      attempt.runsForeignCode,
      attempt.priority,
      attempt.turn.toString(),
      attempt.turnStep.toString(),
      attempt.reservedGas.toString(),
      attempt.reservedCost.toString(),
      attempt.createdAt,
      attempt.updatedAt,
    ],
  );
}

/** What can change in an attempt's life; an ended one gives up what it holds. */
const CHANGING = [
  'status',
  'live_subject_id',
  'live_nonce',
  'transaction_id',
  'batch_index',
  'sends',
  'batch_failures',
  'may_still_land',
  'gas_used',
  'gas_cost',
  'gas_charged_at',
  'error_code',
  'error_detail',
  'updated_at',
] as const;

/** Of attempts that the caller has locked. */
export async function updateAttempts(
  db: Transaction,
  attempts: readonly RelayAttempt[],
): Promise<void> {
  await updateRows(
    db,
    {
      table: 'relay_attempts',
      key: { column: 'id', type: 'CHAR(40)', index: 'PRIMARY' },
      columns: CHANGING,
    },
    attempts.map((attempt) => {
      const claims = claimsOf(attempt);
      return [
        attempt.id,
        attempt.status,
        claims.subjectId,
        claims.nonce,
        attempt.transactionId,
        attempt.batchIndex,
        attempt.sends,
        attempt.batchFailures,
        attempt.mayStillLand,
        attempt.gasUsed.toString(),
        attempt.gasCost.toString(),
        attempt.gasChargedAt,
        attempt.errorCode,
        attempt.errorDetail?.slice(0, 1000) ?? null,
        attempt.updatedAt,
      ];
    }),
  );
}

/** What is set aside for it; the totals of its holders move with it. */
export async function updateReserve(db: Transaction, attempt: RelayAttempt): Promise<void> {
  await execute(
    db,
    'UPDATE relay_attempts SET runs_foreign_code = ?, reserved_gas = ?, reserved_cost = ? WHERE id = ?',
    [
      attempt.runsForeignCode,
      attempt.reservedGas.toString(),
      attempt.reservedCost.toString(),
      attempt.id,
    ],
  );
}

export async function findAttempt(
  db: Database | Transaction,
  attemptId: string,
): Promise<RelayAttempt | undefined> {
  const [row] = await selectRows<AttemptRow>(
    db,
    `SELECT ${ATTEMPT_COLUMNS} FROM relay_attempts a WHERE a.id = ?`,
    [attemptId],
  );
  return row && toAttempt(row);
}

/** By id, which is the order in which everybody locks several. */
export async function lockAttempts(
  db: Transaction,
  attemptIds: readonly string[],
): Promise<RelayAttempt[]> {
  return lockInOrder(attemptIds, async (ids) => {
    const rows = await selectRows<AttemptRow>(
      db,
      `SELECT ${ATTEMPT_COLUMNS} FROM relay_attempts a FORCE INDEX (PRIMARY) WHERE a.id IN (${placeholders(ids)}) ORDER BY a.id FOR UPDATE`,
      ids,
    );
    return rows.map(toAttempt);
  });
}

/** Of those that are in it, in the order in which it carries them. */
export async function listAttemptsOfTransaction(
  db: Database | Transaction,
  transactionId: string,
): Promise<RelayAttempt[]> {
  const rows = await selectRows<AttemptRow>(
    db,
    `SELECT ${ATTEMPT_COLUMNS} FROM relay_attempts a WHERE a.transaction_id = ? ORDER BY a.batch_index`,
    [transactionId],
  );
  return rows.map(toAttempt);
}

/** An attempt in its place in a transaction. */
export interface Item {
  /** From 0, as the transaction carries them. */
  readonly index: number;
  readonly attempt: RelayAttempt;
}

/** All that the transaction was sent with: those too that have left it since. */
export async function listItemsOfTransaction(
  db: Database | Transaction,
  transactionId: string,
): Promise<Item[]> {
  const rows = await selectRows<AttemptRow & { seq: string | number }>(
    db,
    `SELECT ${ATTEMPT_COLUMNS}, i.seq FROM relay_transaction_items i JOIN relay_attempts a ON a.id = i.attempt_id
     WHERE i.transaction_id = ? ORDER BY i.seq`,
    [transactionId],
  );
  return rows.map((row) => ({ index: Number(row.seq), attempt: toAttempt(row) }));
}

export type ShownAttempt = RelayAttempt & { readonly txHash: Bytes32 | null };

/**
 * Oldest first, each with its transaction's latest hash; those of the payment's refunds are not
 * among them.
 */
export async function listAttemptsOfPayment(
  db: Database,
  paymentId: Bytes32,
): Promise<ShownAttempt[]> {
  const rows = await selectRows<AttemptRow & { hash: string | null }>(
    db,
    `SELECT ${ATTEMPT_COLUMNS}, t.hash FROM relay_attempts a LEFT JOIN relay_transactions t ON t.id = a.transaction_id
     WHERE a.payment_id = ? AND a.refund_id IS NULL ORDER BY a.created_at, a.id`,
    [paymentId],
  );
  return rows.map(toShownAttempt);
}

/** Of these refunds, oldest first, each with its transaction's latest hash. */
export async function listAttemptsOfRefunds(
  db: Database,
  refundIds: readonly string[],
): Promise<ShownAttempt[]> {
  if (refundIds.length === 0) return [];
  const rows = await selectRows<AttemptRow & { hash: string | null }>(
    db,
    `SELECT ${ATTEMPT_COLUMNS}, t.hash FROM relay_attempts a LEFT JOIN relay_transactions t ON t.id = a.transaction_id
     WHERE a.refund_id IN (${placeholders(refundIds)}) ORDER BY a.created_at, a.id`,
    refundIds,
  );
  return rows.map(toShownAttempt);
}

function toShownAttempt(row: AttemptRow & { hash: string | null }): ShownAttempt {
  return { ...toAttempt(row), txHash: row.hash === null ? null : asBytes32(row.hash) };
}

/** Forwarder nonces that live attempts of this payer hold, lowest first. */
export async function listLiveNonces(
  db: Database | Transaction,
  chainId: number,
  payer: Address,
): Promise<bigint[]> {
  const rows = await selectRows<{ live_nonce: string | number }>(
    db,
    'SELECT live_nonce FROM relay_attempts WHERE chain_id = ? AND payer = ? AND live_nonce IS NOT NULL ORDER BY live_nonce',
    [chainId, payer],
  );
  return rows.map((row) => BigInt(row.live_nonce));
}

/** When a forwarder request of this payer last ended; undefined when none has. */
export async function findLatestEnd(
  db: Database,
  chainId: number,
  payer: Address,
): Promise<Date | undefined> {
  // One status at a time: of each, the index has the latest at its end.
  const latest = (status: string) =>
    `(SELECT updated_at FROM relay_attempts WHERE chain_id = ? AND payer = ? AND rail = 'forwarder' AND status = '${status}'
      ORDER BY updated_at DESC LIMIT 1)`;
  const [row] = await selectRows<{ ended_at: Date | null }>(
    db,
    `SELECT MAX(updated_at) AS ended_at FROM (${latest('succeeded')} UNION ALL ${latest('failed')}) AS ended`,
    [chainId, payer, chainId, payer],
  );
  return row?.ended_at ?? undefined;
}

/** Live attempts that have been left alone since `before` and for which no work is promised. */
export async function listForgottenAttempts(
  db: Database,
  before: Date,
  limit: number,
): Promise<RelayAttempt[]> {
  const sending = joinPromise('r', 'relay', 'a.id');
  const confirming = joinPromise('c', 'confirm', 'a.transaction_id');
  const rows = await selectRows<AttemptRow>(
    db,
    `SELECT ${ATTEMPT_COLUMNS} FROM relay_attempts a ${sending.join} ${confirming.join}
     WHERE a.status IN ('queued', 'submitting', 'submitted', 'unknown', 'mined') AND a.updated_at < ?
       AND ${sending.isMissing} AND ${confirming.isMissing}
     ORDER BY a.updated_at LIMIT ?`,
    [before, limit],
  );
  return rows.map(toAttempt);
}

export interface AttemptCount {
  readonly chainId: number;
  readonly rail: RelayRail;
  readonly status: RelayAttemptStatus;
  readonly count: number;
}

/** Of those that have not ended. */
export async function countAttemptsByStatus(db: Database): Promise<AttemptCount[]> {
  const rows = await selectRows<{
    chain_id: string | number;
    rail: RelayRail;
    status: RelayAttemptStatus;
    count: string | number;
  }>(
    db,
    `SELECT chain_id, rail, status, COUNT(*) AS count FROM relay_attempts
     WHERE status IN ('queued', 'submitting', 'submitted', 'unknown', 'mined') GROUP BY chain_id, rail, status`,
  );
  return rows.map((row) => ({
    chainId: Number(row.chain_id),
    rail: row.rail,
    status: row.status,
    count: Number(row.count),
  }));
}
