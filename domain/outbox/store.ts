import { addMs } from '../../shared/clock.ts';
import {
  execute,
  placeholders,
  selectRows,
  type Database,
  type Transaction,
} from '../../platform/db.ts';
import { insertRows } from '../../platform/insertRows.ts';
import { updateRows } from '../../platform/updateRows.ts';
import { OUTBOX_QUEUES, type OutboxQueue, type OutboxRow } from './model.ts';

interface Row {
  readonly id: string;
  readonly queue: OutboxQueue;
  readonly subject_id: string;
  readonly request_id: string | null;
  readonly run_at: Date;
  readonly generation: number;
  readonly store_id: string;
  readonly has_failed?: string | number;
}

function toOutboxRow(row: Row): OutboxRow {
  return {
    id: row.id,
    queue: row.queue,
    subjectId: row.subject_id,
    requestId: row.request_id,
    storeId: row.store_id,
    runAt: row.run_at,
    generation: Number(row.generation),
    hasFailed: Number(row.has_failed ?? 0) === 1,
  };
}

export interface NewOutboxRow {
  readonly id: string;
  readonly queue: OutboxQueue;
  readonly subjectId: string;
  readonly requestId: string | null;
  readonly storeId: string;
  readonly runAt: Date;
}

/**
 * An open row for the same queue and subject becomes the new promise, of a later generation: a job
 * that is just ending the old one must not delete it. Two further on, since that job may be one
 * ahead of its row: its publisher may have died between the adding and the commit.
 */
export async function insertOutboxRows(
  db: Transaction,
  newRows: readonly NewOutboxRow[],
  now: Date,
): Promise<void> {
  if (newRows.length === 0) return;
  // In one order: several may be promised by others at the same time.
  const rows = newRows.toSorted(
    (a, b) => compare(a.queue, b.queue) || compare(a.subjectId, b.subjectId),
  );
  await insertRows(
    db,
    {
      into: 'INSERT INTO outbox (id, queue, subject_id, request_id, store_id, run_at, publish_at, generation, created_at)',
      values: '(?, ?, ?, ?, ?, ?, ?, 0, ?)',
      onDuplicate: `ON DUPLICATE KEY UPDATE generation = generation + 2, run_at = VALUES(run_at), publish_at = VALUES(publish_at),
        put_off_until = NULL`,
    },
    rows.map((row) => [
      row.id,
      row.queue,
      row.subjectId,
      row.requestId,
      row.storeId,
      row.runAt,
      now,
      now,
    ]),
  );
}

function compare(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

/** The queues that have rows which are due for them, in the order in which they are served. */
export async function listPublishableQueues(db: Database, now: Date): Promise<OutboxQueue[]> {
  const one = '(SELECT queue FROM outbox WHERE queue = ? AND publish_at <= ? LIMIT 1)';
  const rows = await selectRows<{ queue: OutboxQueue }>(
    db,
    OUTBOX_QUEUES.map(() => one).join(' UNION ALL '),
    OUTBOX_QUEUES.flatMap((queue) => [queue, now]),
  );
  const found = new Set(rows.map(({ queue }) => queue));
  return OUTBOX_QUEUES.filter((queue) => found.has(queue));
}

const LOCKED_COLUMNS = 'id, queue, subject_id, request_id, store_id, run_at, generation';

/**
 * So many pages of due rows are looked through for some that no other publisher has: more than
 * there are publishers at work at once.
 */
const MAX_PAGES = 10;

/**
 * Locks rows that are due for the queue, the oldest first; rows that another publisher has locked
 * are left to it. They are found without a lock, and locked by their ids: who locks through an
 * index keeps the entries of rows that it passes over, and who has these rows would wait for it
 * when it moves their dates.
 * @param limit fewer are locked when there are no more, or others have the rest; fewer than twice
 *   as many in any case
 */
export async function lockPublishableRows(
  trx: Transaction,
  queue: OutboxQueue,
  now: Date,
  limit: number,
): Promise<OutboxRow[]> {
  const locked: OutboxRow[] = [];
  for (let page = 0; page < MAX_PAGES && locked.length < limit; page++) {
    const found = await selectRows<{ id: string }>(
      trx,
      `SELECT id FROM outbox FORCE INDEX (ix_outbox_queue_publish)
       WHERE queue = ? AND publish_at <= ? ORDER BY publish_at LIMIT ? OFFSET ?`,
      [queue, now, limit, page * limit],
    );
    locked.push(...(await lockDueRows(trx, found, now)));
    if (found.length < limit) break;
  }
  return locked;
}

/** The same, of one store: at most `limit`, fewer when others have locked some of the oldest. */
export async function lockPublishableRowsOfStore(
  trx: Transaction,
  {
    queue,
    storeId,
    now,
    limit,
  }: {
    readonly queue: OutboxQueue;
    readonly storeId: string;
    readonly now: Date;
    readonly limit: number;
  },
): Promise<OutboxRow[]> {
  const found = await selectRows<{ id: string }>(
    trx,
    `SELECT id FROM outbox FORCE INDEX (ix_outbox_queue_store_publish)
     WHERE queue = ? AND store_id = ? AND publish_at <= ? ORDER BY publish_at LIMIT ?`,
    [queue, storeId, now, limit],
  );
  return lockDueRows(trx, found, now);
}

/**
 * Those that are still due and that nobody else has locked, in the order in which they were found.
 */
async function lockDueRows(
  trx: Transaction,
  found: readonly { readonly id: string }[],
  now: Date,
): Promise<OutboxRow[]> {
  if (found.length === 0) return [];
  const rows = await selectRows<Row>(
    trx,
    `SELECT ${LOCKED_COLUMNS} FROM outbox FORCE INDEX (PRIMARY) WHERE id IN (${placeholders(found)}) AND publish_at <= ? FOR UPDATE SKIP LOCKED`,
    [...found.map(({ id }) => id), now],
  );
  const byId = new Map(rows.map((row) => [row.id, toOutboxRow(row)]));
  return found.flatMap(({ id }) => byId.get(id) ?? []);
}

/**
 * The next `limit` stores after this one, with when the oldest of their rows is due for the queue;
 * null when they have none.
 */
export async function listStoresWithWork(
  trx: Transaction,
  queue: OutboxQueue,
  after: string,
  limit: number,
): Promise<{ readonly storeId: string; readonly oldestPublishAt: Date | null }[]> {
  const rows = await selectRows<{ id: string; oldest: Date | null }>(
    trx,
    `SELECT s.id, (SELECT o.publish_at FROM outbox o FORCE INDEX (ix_outbox_queue_store_publish)
       WHERE o.queue = ? AND o.store_id = s.id ORDER BY o.publish_at LIMIT 1) AS oldest
     FROM stores s WHERE s.id > ? ORDER BY s.id LIMIT ?`,
    [queue, after, limit],
  );
  return rows.map(({ id, oldest }) => ({ storeId: id, oldestPublishAt: oldest }));
}

/**
 * A job that only waits for its turn is put on its queue again too: less and less often, or a long
 * queue would fill up with repetitions.
 */
const MAX_REDRIVE_DOUBLINGS = 4;

/**
 * Counts the rows' next generation and sets when it would be due for another: `redriveMs` after it
 * can first be worked on, twice as long after each generation; unless `isPrompt`: a queue whose
 * jobs begin at once is never long.
 */
export async function markPublished(
  db: Transaction,
  rows: readonly OutboxRow[],
  now: Date,
  redriveMs: number,
  isPrompt: boolean,
): Promise<void> {
  if (rows.length === 0) return;
  await execute(
    db,
    `UPDATE outbox SET generation = generation + 1, publish_at = DATE_ADD(GREATEST(run_at, ?), INTERVAL ? * POW(2, LEAST(generation - 1, ?)) MICROSECOND)
     WHERE id IN (${rows.map(() => '?').join(', ')})`,
    [now, redriveMs * 1000, isPrompt ? 0 : MAX_REDRIVE_DOUBLINGS, ...rows.map((row) => row.id)],
  );
}

export async function findOutboxRow(db: Database, id: string): Promise<OutboxRow | undefined> {
  const [row] = await selectRows<Row>(
    db,
    `SELECT o.id, o.queue, o.subject_id, o.request_id, o.store_id, o.run_at, o.generation, f.queue IS NOT NULL AS has_failed
     FROM outbox o LEFT JOIN work_failures f ON f.queue = o.queue AND f.subject_id = o.subject_id WHERE o.id = ?`,
    [id],
  );
  return row && toOutboxRow(row);
}

/**
 * A job may be worked on before the transaction that put it on its queue has committed: its row is
 * then still of the generation before. So a job owns its row unless the row is of a later
 * generation.
 */
export interface JobOfRow {
  readonly outboxId: string;
  readonly generation: number;
}

/**
 * The row is of the job's generation then, whether its publisher has committed or died: the next
 * one has to have an id that the queue does not know.
 * @param redriveMs after `runAt`; 0: no job waits for that date, so it is put on its queue again
 *   then
 * @returns whether the row is still there and the job's own
 */
export async function postponeOutboxRow(
  db: Database,
  job: JobOfRow,
  runAt: Date,
  redriveMs: number,
): Promise<boolean> {
  const matched = await execute(
    db,
    'UPDATE outbox SET run_at = ?, publish_at = ?, generation = ? WHERE id = ? AND generation <= ?',
    [runAt, addMs(runAt, redriveMs), job.generation, job.outboxId, job.generation],
  );
  return matched > 0;
}

/**
 * Of rows that the caller has locked: not to be put on their queue before these dates, on purpose.
 */
export async function putOffRows(
  trx: Transaction,
  rows: readonly { readonly id: string; readonly publishAt: Date }[],
): Promise<void> {
  await updateRows(
    trx,
    {
      table: 'outbox',
      key: { column: 'id', type: 'CHAR(40)', index: 'PRIMARY' },
      columns: ['publish_at', 'put_off_until'],
    },
    rows.map(({ id, publishAt }) => [id, publishAt, publishAt]),
  );
}

/**
 * Rows that would be put on their queue later are put there at that date. It waits for a publisher
 * that is putting one of them off at this moment: with a condition on the date, the statement would
 * pass over a row that was due before.
 */
export async function makeRowsDue(
  db: Database,
  queue: OutboxQueue,
  subjectIds: readonly string[],
  at: Date,
): Promise<void> {
  const sorted = [...subjectIds].sort();
  await execute(
    db,
    `UPDATE outbox SET run_at = LEAST(run_at, ?), publish_at = LEAST(publish_at, ?), put_off_until = LEAST(put_off_until, ?)
     WHERE queue = ? AND subject_id IN (${placeholders(sorted)})`,
    [at, at, at, queue, ...sorted],
  );
}

/** @returns false: it is gone already, or there is another promise meanwhile */
export async function deleteOutboxRow(db: Database | Transaction, job: JobOfRow): Promise<boolean> {
  return (
    (await execute(db, 'DELETE FROM outbox WHERE id = ? AND generation <= ?', [
      job.outboxId,
      job.generation,
    ])) > 0
  );
}

/** Rows of one statement. */
const MAX_DELETED_AT_ONCE = 1_000;

export async function deleteRowsOf(
  trx: Transaction,
  queue: OutboxQueue,
  subjectIds: readonly string[],
): Promise<void> {
  for (let from = 0; from < subjectIds.length; from += MAX_DELETED_AT_ONCE) {
    const chunk = subjectIds.slice(from, from + MAX_DELETED_AT_ONCE);
    await execute(
      trx,
      `DELETE FROM outbox WHERE queue = ? AND subject_id IN (${placeholders(chunk)})`,
      [queue, ...chunk],
    );
  }
}

/** By subject; those that have no row are left out. */
export async function findRunDates(
  db: Database,
  queue: OutboxQueue,
  subjectIds: readonly string[],
): Promise<ReadonlyMap<string, Date>> {
  if (subjectIds.length === 0) return new Map();
  const rows = await selectRows<{ subject_id: string; run_at: Date }>(
    db,
    `SELECT subject_id, run_at FROM outbox WHERE queue = ? AND subject_id IN (${placeholders(subjectIds)})`,
    [queue, ...subjectIds],
  );
  return new Map(rows.map((row) => [row.subject_id, row.run_at]));
}

/**
 * @returns of each queue that has rows: how many, and since when the oldest could have been done.
 *   What a gate put off could not, until then.
 */
export async function countRows(
  db: Database,
): Promise<{ readonly queue: OutboxQueue; readonly count: number; readonly oldestDueAt: Date }[]> {
  const rows = await selectRows<{ queue: OutboxQueue; count: string | number; oldest: Date }>(
    db,
    `SELECT queue, COUNT(*) AS count, MIN(CASE WHEN put_off_until > run_at THEN put_off_until ELSE run_at END) AS oldest
     FROM outbox GROUP BY queue`,
  );
  return rows.map((row) => ({
    queue: row.queue,
    count: Number(row.count),
    oldestDueAt: row.oldest,
  }));
}
