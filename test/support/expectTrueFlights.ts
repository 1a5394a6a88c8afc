import { expect } from 'chai';

import { selectRows, type Database } from '../../platform/db.ts';

/** What is kept of whether transactions fly is what their attempts say. */
export async function expectTrueFlights(db: Database): Promise<void> {
  expect(await listWrongFlights(db), 'transactions whose flight is kept wrong').to.deep.equal([]);
}

/** Transactions of which something else is kept. */
export function listWrongFlights(
  db: Database,
): Promise<{ readonly id: string; readonly is_flying: string | number }[]> {
  return selectRows(
    db,
    `SELECT t.id, t.is_flying FROM relay_transactions t WHERE t.is_flying <> EXISTS (
       SELECT 1 FROM relay_attempts a WHERE a.transaction_id = t.id AND a.status IN ('submitting', 'submitted', 'unknown'))`,
    [],
  );
}
