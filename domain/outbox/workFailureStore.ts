import { execute, selectRows, type Database, type Transaction } from '../../platform/db.ts';
import type { WorkFailures, WorkSubject } from './model.ts';

interface Row {
  readonly queue: string;
  readonly subject_id: string;
  readonly failures: string | number;
  readonly first_failed_at: Date;
  readonly last_failed_at: Date;
  readonly last_error: string;
}

function toWorkFailures(row: Row): WorkFailures {
  return {
    queue: row.queue,
    subjectId: row.subject_id,
    failures: Number(row.failures),
    firstFailedAt: row.first_failed_at,
    lastFailedAt: row.last_failed_at,
    lastError: row.last_error,
  };
}

const COLUMNS = 'queue, subject_id, failures, first_failed_at, last_failed_at, last_error';

/** One more in a row. */
export async function addFailure(
  db: Database,
  { queue, subjectId }: WorkSubject,
  now: Date,
  error: string,
): Promise<void> {
  await execute(
    db,
    `INSERT INTO work_failures (queue, subject_id, failures, first_failed_at, last_failed_at, last_error) VALUES (?, ?, 1, ?, ?, ?)
     ON DUPLICATE KEY UPDATE failures = failures + 1, last_failed_at = VALUES(last_failed_at), last_error = VALUES(last_error)`,
    [queue, subjectId, now, now, error],
  );
}

export async function deleteFailures(
  db: Database | Transaction,
  { queue, subjectId }: WorkSubject,
): Promise<void> {
  await execute(db, 'DELETE FROM work_failures WHERE queue = ? AND subject_id = ?', [
    queue,
    subjectId,
  ]);
}

/** What counts as failing again and again: so many in a row, the first of them before. */
export interface FailingSince {
  readonly failures: number;
  readonly since: Date;
}

/**
 * For one of those that ask at once. @returns undefined: it is not failing again and again, or was
 * told of since `notSince`
 */
export async function takeFailureAlert(
  db: Database,
  { queue, subjectId }: WorkSubject,
  {
    failures,
    since,
    notSince,
    now,
  }: FailingSince & { readonly notSince: Date; readonly now: Date },
): Promise<WorkFailures | undefined> {
  const taken = await execute(
    db,
    `UPDATE work_failures SET alerted_at = ?
     WHERE queue = ? AND subject_id = ? AND failures >= ? AND first_failed_at <= ? AND (alerted_at IS NULL OR alerted_at <= ?)`,
    [now, queue, subjectId, failures, since, notSince],
  );
  if (taken === 0) return undefined;
  const [row] = await selectRows<Row>(
    db,
    `SELECT ${COLUMNS} FROM work_failures WHERE queue = ? AND subject_id = ?`,
    [queue, subjectId],
  );
  return row && toWorkFailures(row);
}

/** What fails most first. */
export async function listFailures(
  db: Database,
  { failures, since }: FailingSince,
  limit: number,
): Promise<WorkFailures[]> {
  const rows = await selectRows<Row>(
    db,
    `SELECT ${COLUMNS} FROM work_failures WHERE failures >= ? AND first_failed_at <= ? ORDER BY failures DESC, queue, subject_id LIMIT ?`,
    [failures, since, limit],
  );
  return rows.map(toWorkFailures);
}

export async function countFailures(
  db: Database,
  { failures, since }: FailingSince,
): Promise<{ readonly queue: string; readonly count: number }[]> {
  const rows = await selectRows<{ queue: string; count: string | number }>(
    db,
    'SELECT queue, COUNT(*) AS count FROM work_failures WHERE failures >= ? AND first_failed_at <= ? GROUP BY queue',
    [failures, since],
  );
  return rows.map(({ queue, count }) => ({ queue, count: Number(count) }));
}

/**
 * Of work that nobody will try again: its promise is gone, or its schedule has not run since that
 * day. @returns how many
 */
export async function deleteEndedFailures(
  db: Database,
  before: Date,
  limit: number,
): Promise<number> {
  const rows = await selectRows<Row>(
    db,
    `SELECT ${COLUMNS.split(', ')
      .map((name) => `f.${name}`)
      .join(', ')}
     FROM work_failures f LEFT JOIN outbox o ON o.queue = f.queue AND o.subject_id = f.subject_id
     WHERE f.last_failed_at < ? AND o.id IS NULL LIMIT ?`,
    [before, limit],
  );
  for (const { queue, subject_id: subjectId } of rows)
    await execute(
      db,
      'DELETE FROM work_failures WHERE queue = ? AND subject_id = ? AND last_failed_at < ?',
      [queue, subjectId, before],
    );
  return rows.length;
}
