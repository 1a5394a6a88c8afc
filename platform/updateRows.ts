import { execute, type Transaction } from './db.ts';
import { splitRows, type RowBindings } from './splitRows.ts';

/**
 * Gives each of many rows its own values, in as few statements as a server takes: the new values
 * are a table of their own there, and joined to the rows. The rows are locked by the caller, which
 * is why their order does not matter.
 * @param target.key the column that tells the rows apart, with its type and the unique index to
 *   find them by
 * @param rows each: the key, then a value for each of `target.columns`
 */
export async function updateRows(
  trx: Transaction,
  target: {
    readonly table: string;
    readonly key: {
      readonly column: string;
      readonly type: `CHAR(${number})`;
      readonly index: string;
    };
    readonly columns: readonly string[];
  },
  rows: readonly RowBindings[],
): Promise<void> {
  const { table, key, columns } = target;
  for (const part of splitRows(rows)) {
    const [first] = part;
    if (first === undefined) return;
    if (part.length === 1) {
      const [id, ...values] = first;
      if (id === undefined) throw new Error('a row without its key');
      await execute(
        trx,
        `UPDATE ${table} SET ${columns.map((column) => `${column} = ?`).join(', ')} WHERE ${key.column} = ?`,
        [...values, id],
      );
      continue;
    }
    // Of the key's own character set: of another one, the index would be of no use.
    const head = `SELECT CAST(? AS ${key.type} CHARACTER SET ascii) AS row_key, ${columns.map((column) => `? AS ${column}`).join(', ')}`;
    const others = ` UNION ALL SELECT ?${', ?'.repeat(columns.length)}`.repeat(part.length - 1);
    const assignments = columns.map((column) => `t.${column} = v.${column}`).join(', ');
    await execute(
      trx,
      `UPDATE (${head}${others}) v STRAIGHT_JOIN ${table} t FORCE INDEX (${key.index}) ON t.${key.column} = v.row_key SET ${assignments}`,
      part.flat(),
    );
  }
}
