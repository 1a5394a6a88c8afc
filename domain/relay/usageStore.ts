import { execute, selectRows, type Database, type Transaction } from '../../platform/db.ts';
import type { HolderUsage } from './decideQuota.ts';
import { signerOf, type RelayAttempt } from './model.ts';

/**
 * Running totals of what payers (for refunds: merchants) and stores have on their way and have spent, each the sum over their attempts. Whoever inserts or
 * changes an attempt moves them in the same transaction.
 */

/** What one attempt adds to the totals of its signer and of its store. */
interface AttemptUsage {
  readonly isLive: boolean;
  readonly reservedGas: bigint;
  readonly reservedCost: bigint;
  readonly gasUsed: bigint;
  readonly gasCost: bigint;
  readonly gasChargedAt: Date | null;
}

/** What is counted stays true until the commit. @param holder the address of a payer, or the id of a store. @param today see dayOf */
export async function lockUsage(db: Transaction, chainId: number, holder: string, today: string): Promise<HolderUsage> {
  await execute(db, 'INSERT INTO relay_quotas (chain_id, holder) VALUES (?, ?) ON DUPLICATE KEY UPDATE holder = holder', [chainId, holder]);
  const [row] = await selectRows<{ in_flight: string | number; reserved_gas: string | number; reserved_cost: string }>(
    db,
    'SELECT in_flight, reserved_gas, reserved_cost FROM relay_quotas WHERE chain_id = ? AND holder = ? FOR UPDATE',
    [chainId, holder],
  );
  const [spent] = await selectRows<{ gas_used: string | number; gas_cost: string }>(
    db,
    'SELECT gas_used, gas_cost FROM relay_costs WHERE chain_id = ? AND holder = ? AND day = ?',
    [chainId, holder, today],
  );
  return {
    inFlight: Number(row?.in_flight ?? 0),
    reservedGas: BigInt(row?.reserved_gas ?? 0),
    reservedCost: BigInt(row?.reserved_cost ?? 0),
    spentGas: BigInt(spent?.gas_used ?? 0),
    spentCost: BigInt(spent?.gas_cost ?? 0),
  };
}

/** UTC, as the database writes a date. */
export function dayOf(at: Date): string {
  return at.toISOString().slice(0, 10);
}

/** For an attempt that is inserted in this transaction, whose holders' totals are locked. */
export async function addUsage(db: Transaction, attempt: RelayAttempt): Promise<void> {
  await addToQuotas(db, attempt, reservedBy(toUsage(attempt)));
}

/** For an attempt whose row is locked and about to be changed to this. */
export async function moveUsage(db: Transaction, changed: RelayAttempt): Promise<void> {
  const after = toUsage(changed);
  // Neither ended nor charged: it holds what it held.
  if (after.isLive && after.gasChargedAt === null) return;
  const before = await readUsageOf(db, changed.id);
  const [had, has] = [reservedBy(before), reservedBy(after)];
  const reserved = { inFlight: has.inFlight - had.inFlight, gas: has.gas - had.gas, cost: has.cost - had.cost };
  if (reserved.inFlight !== 0) await addToQuotas(db, changed, reserved);
  if (before.gasChargedAt?.getTime() === after.gasChargedAt?.getTime() && before.gasUsed === after.gasUsed) return;
  // An attempt counts on the day of its latest charge, with all that it cost.
  await addToCosts(db, changed, [
    ...(before.gasChargedAt === null ? [] : [{ day: dayOf(before.gasChargedAt), gas: -before.gasUsed, cost: -before.gasCost }]),
    ...(after.gasChargedAt === null ? [] : [{ day: dayOf(after.gasChargedAt), gas: after.gasUsed, cost: after.gasCost }]),
  ]);
}

/** For attempts that stay live, whose rows are locked and whose reserves are changed by so much. The holders are locked in one order. */
export async function moveReserves(
  db: Transaction,
  moves: readonly { readonly attempt: RelayAttempt; readonly gas: bigint; readonly cost: bigint }[],
): Promise<void> {
  const sums = new Map<string, { chainId: number; holder: string; gas: bigint; cost: bigint }>();
  for (const { attempt, gas, cost } of moves) {
    for (const holder of holdersOf(attempt)) {
      const sum = sums.get(holder) ?? { chainId: attempt.chainId, holder, gas: 0n, cost: 0n };
      sums.set(holder, { ...sum, gas: sum.gas + gas, cost: sum.cost + cost });
    }
  }
  for (const { chainId, holder, gas, cost } of [...sums.values()].sort((a, b) => (a.holder < b.holder ? -1 : 1))) {
    await execute(
      db,
      'UPDATE relay_quotas SET reserved_gas = reserved_gas + ?, reserved_cost = reserved_cost + ? WHERE chain_id = ? AND holder = ?',
      [gas.toString(), cost.toString(), chainId, holder],
    );
  }
}

function toUsage(attempt: RelayAttempt): AttemptUsage {
  const { status, reservedGas, reservedCost, gasUsed, gasCost, gasChargedAt } = attempt;
  return { isLive: status !== 'succeeded' && status !== 'failed', reservedGas, reservedCost, gasUsed, gasCost, gasChargedAt };
}

/** As it is saved: those who change an attempt hold changed copies of it. */
async function readUsageOf(db: Transaction, attemptId: string): Promise<AttemptUsage> {
  const [row] = await selectRows<{
    is_live: string | number;
    reserved_gas: string | number;
    reserved_cost: string;
    gas_used: string | number;
    gas_cost: string;
    gas_charged_at: Date | null;
  }>(
    db,
    `SELECT status NOT IN ('succeeded', 'failed') AS is_live, reserved_gas, reserved_cost, gas_used, gas_cost, gas_charged_at
     FROM relay_attempts WHERE id = ?`,
    [attemptId],
  );
  if (row === undefined) throw new Error(`there is no relay attempt ${attemptId}`);
  return {
    isLive: Boolean(Number(row.is_live)),
    reservedGas: BigInt(row.reserved_gas),
    reservedCost: BigInt(row.reserved_cost),
    gasUsed: BigInt(row.gas_used),
    gasCost: BigInt(row.gas_cost),
    gasChargedAt: row.gas_charged_at,
  };
}

interface Reserved {
  readonly inFlight: number;
  readonly gas: bigint;
  readonly cost: bigint;
}

function reservedBy({ isLive, reservedGas, reservedCost }: AttemptUsage): Reserved {
  return isLive ? { inFlight: 1, gas: reservedGas, cost: reservedCost } : { inFlight: 0, gas: 0n, cost: 0n };
}

type HolderOf = Pick<RelayAttempt, 'chainId' | 'signed' | 'storeId'>;

/** First the payer, then the store, everywhere: addresses come before ids. */
function holdersOf({ signed, storeId }: HolderOf): string[] {
  return [signerOf(signed), storeId];
}

async function addToQuotas(db: Transaction, attempt: HolderOf, { inFlight, gas, cost }: Reserved): Promise<void> {
  for (const holder of holdersOf(attempt)) {
    await execute(
      db,
      `INSERT INTO relay_quotas (chain_id, holder, in_flight, reserved_gas, reserved_cost) VALUES (?, ?, ?, ?, ?)
       ON DUPLICATE KEY UPDATE in_flight = in_flight + VALUES(in_flight), reserved_gas = reserved_gas + VALUES(reserved_gas),
         reserved_cost = reserved_cost + VALUES(reserved_cost)`,
      [attempt.chainId, holder, inFlight, gas.toString(), cost.toString()],
    );
  }
}

async function addToCosts(
  db: Transaction,
  attempt: HolderOf,
  costs: readonly { readonly day: string; readonly gas: bigint; readonly cost: bigint }[],
): Promise<void> {
  for (const holder of holdersOf(attempt)) {
    for (const { day, gas, cost } of [...costs].sort((a, b) => (a.day < b.day ? -1 : 1))) {
      await execute(
        db,
        `INSERT INTO relay_costs (chain_id, holder, day, gas_used, gas_cost) VALUES (?, ?, ?, ?, ?)
         ON DUPLICATE KEY UPDATE gas_used = gas_used + VALUES(gas_used), gas_cost = gas_cost + VALUES(gas_cost)`,
        [attempt.chainId, holder, day, gas.toString(), cost.toString()],
      );
    }
  }
}

export interface Holder {
  readonly chainId: number;
  readonly holder: string;
}

/** Holders with anything on their way by their totals or since `since` anything charged, after this one, in order. */
export async function listBusyHolders(
  db: Database,
  input: { readonly after: Holder; readonly since: string; readonly limit: number },
): Promise<Holder[]> {
  const { after, since, limit } = input;
  const isAfter = '(chain_id > ? OR (chain_id = ? AND holder > ?))';
  const place = [after.chainId, after.chainId, after.holder];
  const rows = await selectRows<{ chain_id: string | number; holder: string }>(
    db,
    `(SELECT chain_id, holder FROM relay_quotas WHERE (in_flight > 0 OR in_flight < 0) AND ${isAfter} ORDER BY chain_id, holder LIMIT ?)
     UNION (SELECT chain_id, holder FROM relay_costs WHERE day >= ? AND ${isAfter} ORDER BY chain_id, holder LIMIT ?)
     ORDER BY chain_id, holder LIMIT ?`,
    [...place, limit, since, ...place, limit, limit],
  );
  return rows.map((row) => ({ chainId: Number(row.chain_id), holder: row.holder }));
}

/** What the totals should say, added up from the attempts. Reads all of the holder's live attempts and those charged on the day. */
export async function sumUsage(db: Transaction, { chainId, holder }: Holder, day: string): Promise<HolderUsage> {
  const column = holder.startsWith('0x') ? 'payer' : 'store_id';
  const [live] = await selectRows<{ count: string | number; gas: string | null; cost: string | null }>(
    db,
    `SELECT COUNT(*) AS count, SUM(reserved_gas) AS gas, SUM(reserved_cost) AS cost FROM relay_attempts
     WHERE ${column} = ? AND chain_id = ? AND status IN ('queued', 'submitting', 'submitted', 'unknown', 'mined')`,
    [holder, chainId],
  );
  const [charged] = await selectRows<{ gas: string | null; cost: string | null }>(
    db,
    `SELECT SUM(gas_used) AS gas, SUM(gas_cost) AS cost FROM relay_attempts
     WHERE ${column} = ? AND chain_id = ? AND gas_charged_at >= ? AND gas_charged_at < ? + INTERVAL 1 DAY`,
    [holder, chainId, day, day],
  );
  return {
    inFlight: Number(live?.count ?? 0),
    reservedGas: BigInt(live?.gas ?? 0),
    reservedCost: BigInt(live?.cost ?? 0),
    spentGas: BigInt(charged?.gas ?? 0),
    spentCost: BigInt(charged?.cost ?? 0),
  };
}

/** Of a holder whose totals are locked. */
export async function writeUsage(db: Transaction, { chainId, holder }: Holder, day: string, usage: HolderUsage): Promise<void> {
  await execute(db, 'UPDATE relay_quotas SET in_flight = ?, reserved_gas = ?, reserved_cost = ? WHERE chain_id = ? AND holder = ?', [
    usage.inFlight,
    usage.reservedGas.toString(),
    usage.reservedCost.toString(),
    chainId,
    holder,
  ]);
  await execute(
    db,
    `INSERT INTO relay_costs (chain_id, holder, day, gas_used, gas_cost) VALUES (?, ?, ?, ?, ?)
     ON DUPLICATE KEY UPDATE gas_used = VALUES(gas_used), gas_cost = VALUES(gas_cost)`,
    [chainId, holder, day, usage.spentGas.toString(), usage.spentCost.toString()],
  );
}

/** @returns how many rows of days before this one, at most `limit` */
export async function deleteCostsBefore(db: Database, day: string, limit: number): Promise<number> {
  const rows = await selectRows<{ chain_id: string; holder: string; day: string }>(
    db,
    `SELECT chain_id, holder, DATE_FORMAT(day, '%Y-%m-%d') AS day FROM relay_costs WHERE day < ? LIMIT ?`,
    [day, limit],
  );
  if (rows.length === 0) return 0;
  const keys = rows.map((row) => [row.chain_id, row.holder, row.day]);
  await execute(
    db,
    `DELETE FROM relay_costs WHERE ${keys.map(() => '(chain_id = ? AND holder = ? AND day = ?)').join(' OR ')}`,
    keys.flat(),
  );
  return rows.length;
}
