import { execute, type Database, type Transaction } from './db.ts';
import { splitRows, type RowBindings } from './splitRows.ts';

/**
 * Inserts any number of rows, in statements that a server takes; in a transaction, or they are not
 * inserted together.
 * @param statement.into `INSERT INTO table (columns)`
 * @param statement.values one row's, e.g. `(?, ?, 'pending')`
 * @param statement.onDuplicate what stands behind the rows, if anything does
 */
export async function insertRows(
  db: Database | Transaction,
  statement: { readonly into: string; readonly values: string; readonly onDuplicate?: string },
  rows: readonly RowBindings[],
): Promise<void> {
  const { into, values, onDuplicate = '' } = statement;
  for (const part of splitRows(rows)) {
    await execute(
      db,
      `${into} VALUES ${part.map(() => values).join(', ')} ${onDuplicate}`,
      part.flat(),
    );
  }
}
