import type { Database } from './db.ts';
import { LOCK_ORDER } from '../db/lockOrder.ts';

/**
 * For tests: a statement of a transaction that locks rows of a table which stands before one that
 * the transaction has locked already is refused. So whatever the tests do keeps to the one order,
 * whether two transactions meet there or not.
 */
export class LockOrderError extends Error {
  override readonly name = 'LockOrderError';
}

/** What a knex query event has of interest here; `__knexTxId` only in a transaction. */
interface QueryEvent {
  readonly sql: string;
  readonly bindings?: readonly unknown[];
  readonly __knexTxId?: string | null;
}

const RANKS: ReadonlyMap<string, number> = new Map(
  LOCK_ORDER.map(({ table }, rank) => [table, rank]),
);
const GUARDED: ReadonlySet<string> = new Set(
  LOCK_ORDER.flatMap(({ table, guarded }) => (guarded === undefined ? [] : [table])),
);
const UNDER: ReadonlyMap<string, string> = new Map(
  LOCK_ORDER.flatMap(({ table, under }) => (under === undefined ? [] : [[table, under]])),
);
const PARENTS: ReadonlyMap<string, string> = new Map(
  LOCK_ORDER.flatMap(({ table, refersTo }) => (refersTo === undefined ? [] : [[table, refersTo]])),
);

/** All that were refused in this process: who catches an error must not hide one. */
export const lockOrderErrors: LockOrderError[] = [];

/** By table that a transaction has locked rows of: what the statements named, ids above all. */
type Locked = Map<string, Set<string>>;

/** Watches the statements of all transactions of this database. */
export function assertLockOrder(db: Database): void {
  const lockedBy = new Map<string, Locked>();
  db.on('query', ({ sql, bindings = [], __knexTxId: id }: QueryEvent) => {
    if (typeof id !== 'string') return;
    if (/^(COMMIT|ROLLBACK)\b/i.test(sql)) {
      lockedBy.delete(id);
      return;
    }
    const locking = findLocking(sql);
    if (locking === undefined) return;
    const locked: Locked = lockedBy.get(id) ?? new Map<string, Set<string>>();
    lockedBy.set(id, locked);
    const named = bindings.map(String);
    for (const table of locking.tables) {
      if (locking.isChecked && !isLocked(table, named, locking, locked)) check(table, locked, sql);
      if (locking.isChange && GUARDED.has(table)) continue;
      locked.set(table, new Set([...(locked.get(table) ?? []), ...named]));
    }
  });
}

/** Nobody else can have a lock of these rows, since the transaction has one. */
function isLocked(
  table: string,
  named: readonly string[],
  { isChange }: Locking,
  locked: Locked,
): boolean {
  const before = locked.get(table);
  if (isChange) return before !== undefined || locked.has(UNDER.get(table) ?? '');
  return before !== undefined && named.every((name) => before.has(name));
}

function check(table: string, locked: Locked, sql: string): void {
  const rank = rankOf(table);
  const later = [...locked.keys()].find((other) => rankOf(other) > rank);
  if (later === undefined) return;
  const error = new LockOrderError(
    `${table} is locked after ${later}, against the order of db/lockOrder.ts: ${sql}`,
  );
  lockOrderErrors.push(error);
  throw error;
}

function rankOf(table: string): number {
  const rank = RANKS.get(table);
  if (rank === undefined) throw new Error(`db/lockOrder.ts has no table ${table}`);
  return rank;
}

interface Locking {
  readonly tables: readonly string[];
  /** It may wait for a lock of somebody else's. */
  readonly isChecked: boolean;
  /** It changes rows, which the transaction may have locked before. */
  readonly isChange: boolean;
}

/** @returns undefined: the statement locks no rows that somebody else may hold, or wait for */
export function findLocking(sql: string): Locking | undefined {
  const text = sql.trim().replace(/\s+/g, ' ');
  if (/^\(?SELECT\b/.test(text)) {
    if (!/\b(FOR UPDATE|FOR SHARE|LOCK IN SHARE MODE)\b/.test(text)) return undefined;
    const tables = [...text.matchAll(/\b(?:FROM|JOIN) ([a-z_]+)/g)].map(([, table]) => table ?? '');
    return { tables, isChecked: !/\b(SKIP LOCKED|NOWAIT)\b/.test(text), isChange: false };
  }
  // What is joined to the new values of many rows: see updateRows.
  const changed = /^UPDATE (?:\(.*\) v STRAIGHT_JOIN )?([a-z_]+)|^DELETE FROM ([a-z_]+)/.exec(text);
  const table = changed?.[1] ?? changed?.[2];
  if (table !== undefined) return { tables: [table], isChecked: true, isChange: true };
  const inserted = /^INSERT INTO ([a-z_]+)/.exec(text)?.[1];
  if (inserted === undefined) return undefined;
  const parent = PARENTS.get(inserted);
  const tables = parent === undefined ? [] : [parent];
  // Else it is a new row, which is nobody else's.
  if (text.includes('ON DUPLICATE KEY UPDATE')) tables.push(inserted);
  return tables.length === 0 ? undefined : { tables, isChecked: true, isChange: true };
}
