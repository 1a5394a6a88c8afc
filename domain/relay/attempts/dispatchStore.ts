import {
  execute,
  placeholders,
  selectRows,
  type Database,
  type Transaction,
} from '../../../platform/db.ts';
import { lockInOrder } from '../../../platform/lockInOrder.ts';
import type { Address } from '../../../shared/hex.ts';
import { ATTEMPT_COLUMNS, toAttempt, type AttemptRow } from './attemptRow.ts';
import { MAX_SENDS } from './decideBatchSize.ts';
import { RELAY_RAILS, type RelayAttempt, type RelayRail } from '../model.ts';

/** SQL of choosing who is sent next: attempts that wait, and the claims on them. */

/** Which of the attempts that wait may be chosen. */
export interface Choosing {
  readonly chainId: number;
  readonly now: Date;
  /**
   * Nothing is claimed or stands aside for longer: it is free, since the clock that said so was
   * wrong.
   */
  readonly freeAfter: Date;
  /** Those with less time left than until then are left out. */
  readonly deadlineAfter: Date;
  /**
   * This one is chosen though it stands aside, and however little time it has left; null: there is
   * none.
   */
  readonly ownId: string | null;
}

/** The condition, with its bindings in the order of the question marks. */
function chooseable({ now, freeAfter, deadlineAfter, ownId }: Choosing) {
  return {
    sql: `(a.choose_after IS NULL OR a.choose_after <= ? OR a.choose_after > ? OR (a.id = ? AND a.claim_id IS NULL))
       AND (a.deadline > ? OR a.id = ?) AND a.sends < ?`,
    bindings: [now, freeAfter, ownId ?? '', deadlineAfter, ownId ?? '', MAX_SENDS],
  };
}

/**
 * Those that wait behind it go with it if they can: they are of its rail, and their batches came
 * back as often.
 */
export type Head = Pick<RelayAttempt, 'batchFailures'> & { readonly rail: RelayRail };

/**
 * Who is first on each rail, in the order of their turns: all of a chain's rails share its
 * relayers, and turns are given over all of them. So one rail's many jobs do not keep the others'
 * requests waiting.
 */
export async function listHeads(db: Database, choosing: Choosing): Promise<Head[]> {
  const may = chooseable(choosing);
  // One look at the beginning of the index for each rail.
  const one = `(SELECT a.rail, a.batch_failures, a.turn, a.id FROM relay_attempts a
     WHERE a.chain_id = ? AND a.rail = ? AND a.status = 'queued' AND ${may.sql} ORDER BY a.turn, a.id LIMIT 1)`;
  const rows = await selectRows<{ rail: RelayRail; batch_failures: string | number }>(
    db,
    `SELECT rail, batch_failures FROM (${RELAY_RAILS.map(() => one).join(' UNION ALL ')}) heads ORDER BY turn, id`,
    RELAY_RAILS.flatMap((rail) => [choosing.chainId, rail, ...may.bindings]),
  );
  return rows.map((row) => ({ rail: row.rail, batchFailures: Number(row.batch_failures) }));
}

/** As it was when it was claimed. */
export type ClaimedAttempt = RelayAttempt & {
  /**
   * Until when it stood aside, however long ago; null: it did not since it was taken on, sent or
   * brought forward.
   */
  readonly asideUntil: Date | null;
};

/**
 * Claims attempts that go with the head, in the order of their turns. Those that another claim, or
 * a change of their own, has locked are passed over: this waits for nobody, and so can be part of
 * no deadlock.
 */
export async function claimAttempts(
  db: Transaction,
  input: Choosing & {
    readonly head: Head;
    readonly limit: number;
    readonly claimId: string;
    readonly lapsesAt: Date;
  },
): Promise<ClaimedAttempt[]> {
  const may = chooseable(input);
  // The index gives the order. With a sort, every waiting row would be locked.
  const rows = await selectRows<
    AttemptRow & { readonly claim_id: string | null; readonly choose_after: Date | null }
  >(
    db,
    `SELECT ${ATTEMPT_COLUMNS}, a.claim_id, a.choose_after FROM relay_attempts a FORCE INDEX (ix_relay_attempts_waiting)
     WHERE a.chain_id = ? AND a.rail = ? AND a.status = 'queued' AND a.batch_failures = ? AND ${may.sql}
     ORDER BY a.turn, a.id LIMIT ? FOR UPDATE SKIP LOCKED`,
    [input.chainId, input.head.rail, input.head.batchFailures, ...may.bindings, input.limit],
  );
  if (rows.length === 0) return [];
  const ids = rows.map(({ id }) => id);
  await execute(
    db,
    `UPDATE relay_attempts FORCE INDEX (PRIMARY) SET claim_id = ?, choose_after = ? WHERE id IN (${placeholders(ids)})`,
    [input.claimId, input.lapsesAt, ...ids],
  );
  // A claim that has lapsed has written its own date over the one before.
  return rows.map((row) => ({
    ...toAttempt(row),
    asideUntil: row.claim_id === null ? row.choose_after : null,
  }));
}

/** Of those that it still holds. The order of the locks is that of the ids, as everywhere. */
export async function renewClaim(
  db: Database,
  claimId: string,
  attemptIds: readonly string[],
  lapsesAt: Date,
): Promise<void> {
  if (attemptIds.length === 0) return;
  await execute(
    db,
    `UPDATE relay_attempts FORCE INDEX (PRIMARY) SET choose_after = ? WHERE id IN (${placeholders(attemptIds)}) AND claim_id = ? AND status = 'queued'`,
    [lapsesAt, ...attemptIds, claimId],
  );
}

/**
 * Which of them the claim still holds. A claim is lost when it has lapsed and somebody else has
 * made another.
 */
export async function listClaimed(
  db: Transaction,
  claimId: string,
  attemptIds: readonly string[],
): Promise<ReadonlySet<string>> {
  if (attemptIds.length === 0) return new Set();
  const rows = await selectRows<{ id: string }>(
    db,
    `SELECT id FROM relay_attempts FORCE INDEX (PRIMARY) WHERE id IN (${placeholders(attemptIds)}) AND claim_id = ?`,
    [...attemptIds, claimId],
  );
  return new Set(rows.map(({ id }) => id));
}

/**
 * Ends the claim on those that it still holds. @param chooseAfter they stand aside until then;
 * null: anybody may choose them at once
 */
export async function releaseAttempts(
  db: Database | Transaction,
  claimId: string,
  attemptIds: readonly string[],
  chooseAfter: Date | null,
): Promise<void> {
  if (attemptIds.length === 0) return;
  await execute(
    db,
    `UPDATE relay_attempts FORCE INDEX (PRIMARY) SET claim_id = NULL, choose_after = ? WHERE id IN (${placeholders(attemptIds)}) AND claim_id = ?`,
    [chooseAfter, ...attemptIds, claimId],
  );
}

/**
 * Locks what a claim still holds. @returns the turns by id: one may have been brought forward since
 * it was claimed
 */
export async function lockClaimed(
  db: Transaction,
  claimId: string,
  attemptIds: readonly string[],
): Promise<ReadonlyMap<string, bigint>> {
  const rows = await lockInOrder(attemptIds, (ids) =>
    selectRows<{ id: string; turn: string | number }>(
      db,
      `SELECT id, turn FROM relay_attempts FORCE INDEX (PRIMARY) WHERE id IN (${placeholders(ids)}) AND claim_id = ? ORDER BY id FOR UPDATE`,
      [...ids, claimId],
    ),
  );
  return new Map(rows.map(({ id, turn }) => [id, BigInt(turn)]));
}

/** Of attempts that are locked: their turns by id. */
export async function updateTurns(
  db: Transaction,
  turns: ReadonlyMap<string, bigint>,
): Promise<void> {
  if (turns.size === 0) return;
  const ids = [...turns.keys()];
  await execute(
    db,
    `UPDATE relay_attempts FORCE INDEX (PRIMARY) SET turn = CASE id ${ids.map(() => 'WHEN ? THEN CAST(? AS UNSIGNED)').join(' ')} END
     WHERE id IN (${placeholders(ids)})`,
    [...[...turns].flatMap(([id, turn]) => [id, turn.toString()]), ...ids],
  );
}

/** One that waits is chosen by nobody until then, unless somebody has claimed it meanwhile. */
export async function postponeChoice(db: Database, attemptId: string, until: Date): Promise<void> {
  await execute(
    db,
    "UPDATE relay_attempts SET choose_after = ? WHERE id = ? AND claim_id IS NULL AND status = 'queued'",
    [until, attemptId],
  );
}

/**
 * Those of these signers that stand aside or have stood aside, or are being chosen; first in, first
 * out. Locks nothing.
 */
export async function listAside(
  db: Database | Transaction,
  input: { readonly chainId: number; readonly signers: readonly Address[] },
): Promise<{ readonly id: string; readonly signer: Address; readonly rail: RelayRail }[]> {
  const { chainId, signers } = input;
  if (signers.length === 0) return [];
  const rows = await selectRows<{ id: string; signer: Address; rail: RelayRail }>(
    db,
    `SELECT id, payer AS signer, rail FROM relay_attempts FORCE INDEX (ix_relay_attempts_payer_end)
     WHERE chain_id = ? AND payer IN (${placeholders(signers)}) AND rail IN (${placeholders(RELAY_RAILS)}) AND status = 'queued'
       AND choose_after IS NOT NULL`,
    [chainId, ...signers, ...RELAY_RAILS],
  );
  return rows.sort((a, b) => (a.id < b.id ? -1 : 1));
}

/**
 * Those of them that wait, and that nobody has locked at this moment: this waits for nobody.
 * @returns their turns by id
 */
export async function tryLockTurns(
  db: Transaction,
  attemptIds: readonly string[],
): Promise<ReadonlyMap<string, bigint>> {
  const rows = await lockInOrder(attemptIds, (ids) =>
    selectRows<{ id: string; turn: string | number }>(
      db,
      `SELECT id, turn FROM relay_attempts FORCE INDEX (PRIMARY) WHERE id IN (${placeholders(ids)}) AND status = 'queued' ORDER BY id
       FOR UPDATE SKIP LOCKED`,
      ids,
    ),
  );
  return new Map(rows.map(({ id, turn }) => [id, BigInt(turn)]));
}

/** Of attempts that are locked: those that stand aside may be chosen at once. */
export async function endStandingAside(
  db: Transaction,
  attemptIds: readonly string[],
): Promise<void> {
  if (attemptIds.length === 0) return;
  await execute(
    db,
    `UPDATE relay_attempts FORCE INDEX (PRIMARY) SET choose_after = NULL WHERE id IN (${placeholders(attemptIds)}) AND claim_id IS NULL`,
    attemptIds,
  );
}

/** More than this many make no difference to when each is looked at again. */
const MAX_COUNTED = 10_000;

/** How many wait on the chain, on whatever rail: at most `MAX_COUNTED`. */
export async function countWaiting(db: Database | Transaction, chainId: number): Promise<number> {
  const [row] = await selectRows<{ count: string | number }>(
    db,
    `SELECT COUNT(*) AS count FROM (
       SELECT id FROM relay_attempts WHERE chain_id = ? AND rail IN (${placeholders(RELAY_RAILS)}) AND status = 'queued' LIMIT ?) waiting`,
    [chainId, ...RELAY_RAILS, MAX_COUNTED],
  );
  return Number(row?.count ?? 0);
}

/** How many of a store wait on the chain: at most `MAX_COUNTED`. */
export async function countWaitingOfStore(
  db: Database,
  { chainId, storeId }: { readonly chainId: number; readonly storeId: string },
): Promise<number> {
  const [row] = await selectRows<{ count: string | number }>(
    db,
    `SELECT COUNT(*) AS count FROM (
       SELECT id FROM relay_attempts FORCE INDEX (ix_relay_attempts_store) WHERE store_id = ? AND chain_id = ? AND status = 'queued' LIMIT ?) waiting`,
    [storeId, chainId, MAX_COUNTED],
  );
  return Number(row?.count ?? 0);
}

/** An attempt that waits to be sent. */
export interface WaitingAttempt {
  readonly id: string;
  readonly chainId: number;
  readonly deadline: Date;
  readonly sends: number;
}

/** Those of them that wait. */
export async function listWaiting(
  db: Transaction,
  attemptIds: readonly string[],
): Promise<WaitingAttempt[]> {
  if (attemptIds.length === 0) return [];
  const rows = await selectRows<{
    id: string;
    chain_id: string | number;
    deadline: Date;
    sends: string | number;
  }>(
    db,
    `SELECT id, chain_id, deadline, sends FROM relay_attempts WHERE id IN (${placeholders(attemptIds)}) AND status = 'queued'`,
    attemptIds,
  );
  return rows.map(({ id, chain_id: chainId, deadline, sends }) => ({
    id,
    chainId: Number(chainId),
    deadline,
    sends: Number(sends),
  }));
}
