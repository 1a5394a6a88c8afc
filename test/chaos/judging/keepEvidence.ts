import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { selectRows, type Database } from '../../../platform/db.ts';

const TABLES = [
  'payments',
  'refunds',
  'events',
  'relay_attempts',
  'relay_transactions',
  'relay_transaction_hashes',
  'relay_transaction_items',
  'relayers',
  'relay_quotas',
  'relay_costs',
  'relay_waste',
  'outbox',
  'webhook_deliveries',
  'chain_cursors',
  'chain_rereads',
];

/**
 * Writes what the database holds in the end, a row a line, beside the logs of the processes: what
 * finds out how a promise came to be broken.
 */
export async function keepEvidence(db: Database, directory: string): Promise<void> {
  for (const table of TABLES) {
    const rows = await selectRows<Readonly<Record<string, unknown>>>(
      db,
      `SELECT * FROM ${table}`,
      [],
    );
    writeFileSync(
      join(directory, `${table}.jsonl`),
      rows.map((row) => `${JSON.stringify(row)}\n`).join(''),
    );
  }
}
