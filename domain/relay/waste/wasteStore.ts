import {
  execute,
  placeholders,
  selectRows,
  type Database,
  type Transaction,
} from '../../../platform/db.ts';
import { kindOfRule, startOfHour, type Waste, type WasteHolder } from './decideWaste.ts';

/** Adds one request to each of them. */
export async function addWaste(
  db: Transaction,
  input: {
    readonly chainId: number;
    readonly holders: readonly WasteHolder[];
    readonly at: Date;
    readonly gasCost: bigint;
  },
): Promise<void> {
  // In one order, so that two who add to the same rows wait for each other and nothing worse.
  const holders = [...input.holders].sort((a, b) => (a.holder < b.holder ? -1 : 1));
  const hour = startOfHour(input.at);
  await execute(
    db,
    `INSERT INTO relay_waste (chain_id, holder, hour, kind, items, gas_cost, latest_at)
     VALUES ${holders.map(() => '(?, ?, ?, ?, 1, ?, ?)').join(', ')}
     ON DUPLICATE KEY UPDATE items = items + 1, gas_cost = gas_cost + VALUES(gas_cost),
       latest_at = GREATEST(latest_at, VALUES(latest_at))`,
    holders.flatMap(({ rule, holder }) => [
      input.chainId,
      holder,
      hour,
      kindOfRule(rule),
      input.gasCost.toString(),
      input.at,
    ]),
  );
}

/** By holder; who wasted nothing is not in it. At most one row a holder and hour is read. */
export async function readWaste(
  db: Database | Transaction,
  input: { readonly chainId: number; readonly holders: readonly string[]; readonly since: Date },
): Promise<ReadonlyMap<string, Waste>> {
  const rows = await selectRows<{ holder: string; items: string | number; latest_at: Date }>(
    db,
    `SELECT holder, SUM(items) AS items, MAX(latest_at) AS latest_at FROM relay_waste FORCE INDEX (PRIMARY)
     WHERE chain_id = ? AND holder IN (${placeholders(input.holders)}) AND hour >= ? GROUP BY holder`,
    [input.chainId, ...input.holders, input.since],
  );
  return new Map(
    rows.map((row) => [row.holder, { items: Number(row.items), latestAt: row.latest_at }]),
  );
}

export interface StoreWaste {
  readonly chainId: number;
  readonly storeId: string;
  readonly items: number;
  /** Wei. */
  readonly gasCost: bigint;
}

/** The costliest first. */
export async function listStoreWaste(
  db: Database,
  since: Date,
  limit: number,
): Promise<StoreWaste[]> {
  const rows = await selectRows<{
    chain_id: string | number;
    holder: string;
    items: string | number;
    gas_cost: string;
  }>(
    db,
    `SELECT chain_id, holder, SUM(items) AS items, SUM(gas_cost) AS gas_cost FROM relay_waste
     WHERE kind = 'store' AND hour >= ? GROUP BY chain_id, holder ORDER BY SUM(gas_cost) DESC, holder LIMIT ?`,
    [since, limit],
  );
  return rows.map((row) => ({
    chainId: Number(row.chain_id),
    storeId: row.holder,
    items: Number(row.items),
    gasCost: BigInt(row.gas_cost),
  }));
}

/** @returns how many rows of hours before this one, at most `limit` */
export function deleteWasteBefore(db: Database, hour: Date, limit: number): Promise<number> {
  return execute(db, 'DELETE FROM relay_waste WHERE hour < ? ORDER BY hour LIMIT ?', [hour, limit]);
}

/** @returns how many failures were forgotten */
export async function deleteWasteOf(
  db: Transaction,
  chainId: number,
  holder: string,
): Promise<number> {
  const rows = await selectRows<{ items: string | number }>(
    db,
    'SELECT items FROM relay_waste WHERE chain_id = ? AND holder = ? ORDER BY hour FOR UPDATE',
    [chainId, holder],
  );
  await execute(db, 'DELETE FROM relay_waste WHERE chain_id = ? AND holder = ?', [chainId, holder]);
  return rows.reduce((sum, row) => sum + Number(row.items), 0);
}
