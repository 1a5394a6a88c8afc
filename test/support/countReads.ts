import { selectRows, type Transaction } from '../../platform/db.ts';

/**
 * How many rows and index entries the server read for `work`, which must ask through this
 * transaction alone: the same however busy the machine is.
 */
export async function countReads<T>(
  trx: Transaction,
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly reads: number }> {
  const before = await readCounter(trx);
  const result = await work();
  const after = await readCounter(trx);
  return { result, reads: after - before };
}

async function readCounter(trx: Transaction): Promise<number> {
  const rows = await selectRows<{ Variable_name: string; Value: string }>(
    trx,
    "SHOW SESSION STATUS LIKE 'Handler_read%'",
  );
  // What counts temporary tables' rows too stays in: an answer that is put together in one costs as
  // much. The question itself adds the same each time.
  return rows.reduce((sum, { Value }) => sum + Number(Value), 0);
}
