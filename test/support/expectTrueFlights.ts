import { expect } from 'chai';

import { selectRows, type Database } from '../../platform/db.ts';

/** What is kept of whether transactions fly is what their attempts say. */
export async function expectTrueFlights(db: Database): Promise<void> {
  const wrong = await selectRows(
    db,
    `SELECT t.id, t.is_flying FROM relay_transactions t WHERE t.is_flying <> EXISTS (
       SELECT 1 FROM relay_attempts a WHERE a.transaction_id = t.id AND a.status IN ('submitting', 'submitted', 'unknown'))`,
  );
  expect(wrong, 'transactions whose flight is kept wrong').to.deep.equal([]);
}
