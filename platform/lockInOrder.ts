/** Few enough for one statement, enough that thousands of rows take few of them. */
const MAX_ROWS = 500;

/**
 * Locks the rows of one table in ascending order of their ids, whatever order the ids come in: the
 * one order in which everybody locks several rows of a table, so that two transactions that want
 * the same rows wait and never meet in a deadlock. The database's own order within a statement is
 * that of the index it walks, so `lock` has to name the index of the id.
 * @param lock locks and reads the rows of at most 500 ids, in the order given
 * @returns what it read, in the order of the ids
 */
export async function lockInOrder<Id extends string, Row>(
  ids: readonly Id[],
  lock: (ids: readonly Id[]) => Promise<readonly Row[]>,
): Promise<Row[]> {
  const sorted = [...new Set(ids)].sort();
  const rows: Row[] = [];
  for (let from = 0; from < sorted.length; from += MAX_ROWS)
    rows.push(...(await lock(sorted.slice(from, from + MAX_ROWS))));
  return rows;
}
