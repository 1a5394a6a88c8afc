import {
  execute,
  placeholders,
  selectRows,
  type Database,
  type Transaction,
} from '../../../platform/db.ts';
import { insertRows } from '../../../platform/insertRows.ts';
import type { HolderUsage } from './decideQuota.ts';
import { isLive, signerOf, type RelayAttempt } from '../model.ts';

/**
 * Running totals of what payers (for refunds: merchants) and stores have on their way and have
 * spent, each the sum over their attempts. Whoever inserts or changes an attempt moves them in the
 * same transaction.
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

/**
 * What is counted stays true until the commit. @param holder the address of a payer, or the id of a
 * store. @param today see dayOf
 */
export async function lockUsage(
  db: Transaction,
  chainId: number,
  holder: string,
  today: string,
): Promise<HolderUsage> {
  await execute(
    db,
    'INSERT INTO relay_quotas (chain_id, holder) VALUES (?, ?) ON DUPLICATE KEY UPDATE holder = holder',
    [chainId, holder],
  );
  const [row] = await selectRows<{
    in_flight: string | number;
    reserved_gas: string | number;
    reserved_cost: string;
  }>(
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
  const quotas = new Map<string, QuotaSum>();
  addQuota(quotas, attempt, reservedBy(toUsage(attempt)));
  await saveQuotas(db, quotas);
}

/** What the changes of attempts do to the totals of their holders. */
export interface UsageMove {
  readonly quotas: ReadonlyMap<string, QuotaSum>;
  readonly costs: ReadonlyMap<string, CostSum>;
}

/** For attempts whose rows are locked and about to be changed to these. Nothing is locked. */
export async function findUsageMove(
  db: Transaction,
  changed: readonly RelayAttempt[],
): Promise<UsageMove> {
  // What has neither ended nor been charged holds what it held.
  const moving = changed.filter(
    ({ status, gasChargedAt }) => !isLive(status) || gasChargedAt !== null,
  );
  const saved = await readUsages(
    db,
    moving.map(({ id }) => id),
  );
  const quotas = new Map<string, QuotaSum>();
  const costs = new Map<string, CostSum>();
  for (const attempt of moving) {
    const before = saved.get(attempt.id);
    if (before === undefined) throw new Error(`there is no relay attempt ${attempt.id}`);
    const after = toUsage(attempt);
    const [had, has] = [reservedBy(before), reservedBy(after)];
    if (has.inFlight !== had.inFlight)
      addQuota(quotas, attempt, {
        inFlight: has.inFlight - had.inFlight,
        gas: has.gas - had.gas,
        cost: has.cost - had.cost,
      });
    if (
      before.gasChargedAt?.getTime() === after.gasChargedAt?.getTime() &&
      before.gasUsed === after.gasUsed
    )
      continue;
    // An attempt counts on the day of its latest charge, with all that it cost.
    if (before.gasChargedAt !== null)
      addCost(costs, attempt, {
        day: dayOf(before.gasChargedAt),
        gas: -before.gasUsed,
        cost: -before.gasCost,
      });
    if (after.gasChargedAt !== null)
      addCost(costs, attempt, {
        day: dayOf(after.gasChargedAt),
        gas: after.gasUsed,
        cost: after.gasCost,
      });
  }
  return { quotas, costs };
}

/** The last of a change: many wait for a store's totals. The holders are locked in one order. */
export async function saveUsageMove(db: Transaction, { quotas, costs }: UsageMove): Promise<void> {
  await saveQuotas(db, quotas);
  await saveCosts(db, costs);
}

/**
 * For attempts that stay live, whose rows are locked and whose reserves are changed by so much. The
 * holders are locked in one order.
 */
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
  for (const { chainId, holder, gas, cost } of [...sums.values()].sort((a, b) =>
    a.holder < b.holder ? -1 : 1,
  )) {
    await execute(
      db,
      'UPDATE relay_quotas SET reserved_gas = reserved_gas + ?, reserved_cost = reserved_cost + ? WHERE chain_id = ? AND holder = ?',
      [gas.toString(), cost.toString(), chainId, holder],
    );
  }
}

function toUsage(attempt: RelayAttempt): AttemptUsage {
  const { status, reservedGas, reservedCost, gasUsed, gasCost, gasChargedAt } = attempt;
  return { isLive: isLive(status), reservedGas, reservedCost, gasUsed, gasCost, gasChargedAt };
}

/** As they are saved: those who change an attempt hold changed copies of it. */
async function readUsages(
  db: Transaction,
  attemptIds: readonly string[],
): Promise<ReadonlyMap<string, AttemptUsage>> {
  if (attemptIds.length === 0) return new Map();
  const rows = await selectRows<{
    id: string;
    is_live: string | number;
    reserved_gas: string | number;
    reserved_cost: string;
    gas_used: string | number;
    gas_cost: string;
    gas_charged_at: Date | null;
  }>(
    db,
    `SELECT id, status NOT IN ('succeeded', 'failed') AS is_live, reserved_gas, reserved_cost, gas_used, gas_cost, gas_charged_at
     FROM relay_attempts WHERE id IN (${placeholders(attemptIds)})`,
    attemptIds,
  );
  return new Map(
    rows.map((row) => [
      row.id,
      {
        isLive: Boolean(Number(row.is_live)),
        reservedGas: BigInt(row.reserved_gas),
        reservedCost: BigInt(row.reserved_cost),
        gasUsed: BigInt(row.gas_used),
        gasCost: BigInt(row.gas_cost),
        gasChargedAt: row.gas_charged_at,
      },
    ]),
  );
}

interface Reserved {
  readonly inFlight: number;
  readonly gas: bigint;
  readonly cost: bigint;
}

function reservedBy({ isLive, reservedGas, reservedCost }: AttemptUsage): Reserved {
  return isLive
    ? { inFlight: 1, gas: reservedGas, cost: reservedCost }
    : { inFlight: 0, gas: 0n, cost: 0n };
}

type HolderOf = Pick<RelayAttempt, 'chainId' | 'signed' | 'storeId'>;

/** First the payer, then the store, everywhere: addresses come before ids. */
function holdersOf({ signed, storeId }: HolderOf): string[] {
  return [signerOf(signed), storeId];
}

interface QuotaSum extends Holder, Reserved {}

interface CostSum extends Holder {
  readonly day: string;
  readonly gas: bigint;
  readonly cost: bigint;
}

function addQuota(
  sums: Map<string, QuotaSum>,
  attempt: HolderOf,
  { inFlight, gas, cost }: Reserved,
): void {
  const { chainId } = attempt;
  for (const holder of holdersOf(attempt)) {
    const key = `${chainId} ${holder}`;
    const sum = sums.get(key) ?? { chainId, holder, inFlight: 0, gas: 0n, cost: 0n };
    sums.set(key, {
      ...sum,
      inFlight: sum.inFlight + inFlight,
      gas: sum.gas + gas,
      cost: sum.cost + cost,
    });
  }
}

function addCost(
  sums: Map<string, CostSum>,
  attempt: HolderOf,
  { day, gas, cost }: Omit<CostSum, keyof Holder>,
): void {
  const { chainId } = attempt;
  for (const holder of holdersOf(attempt)) {
    const key = `${chainId} ${holder} ${day}`;
    const sum = sums.get(key) ?? { chainId, holder, day, gas: 0n, cost: 0n };
    sums.set(key, { ...sum, gas: sum.gas + gas, cost: sum.cost + cost });
  }
}

/** In the order of their keys, in which everybody locks them. */
function inOrder<T extends Holder & { readonly day?: string }>(sums: ReadonlyMap<string, T>): T[] {
  return [...sums.values()].sort(
    (a, b) =>
      a.chainId - b.chainId || compare(a.holder, b.holder) || compare(a.day ?? '', b.day ?? ''),
  );
}

function compare(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

async function saveQuotas(db: Transaction, sums: ReadonlyMap<string, QuotaSum>): Promise<void> {
  await insertRows(
    db,
    {
      into: 'INSERT INTO relay_quotas (chain_id, holder, in_flight, reserved_gas, reserved_cost)',
      values: '(?, ?, ?, ?, ?)',
      onDuplicate: `ON DUPLICATE KEY UPDATE in_flight = in_flight + VALUES(in_flight), reserved_gas = reserved_gas + VALUES(reserved_gas),
         reserved_cost = reserved_cost + VALUES(reserved_cost)`,
    },
    inOrder(sums).map(({ chainId, holder, inFlight, gas, cost }) => [
      chainId,
      holder,
      inFlight,
      gas.toString(),
      cost.toString(),
    ]),
  );
}

async function saveCosts(db: Transaction, sums: ReadonlyMap<string, CostSum>): Promise<void> {
  await insertRows(
    db,
    {
      into: 'INSERT INTO relay_costs (chain_id, holder, day, gas_used, gas_cost)',
      values: '(?, ?, ?, ?, ?)',
      onDuplicate:
        'ON DUPLICATE KEY UPDATE gas_used = gas_used + VALUES(gas_used), gas_cost = gas_cost + VALUES(gas_cost)',
    },
    inOrder(sums).map(({ chainId, holder, day, gas, cost }) => [
      chainId,
      holder,
      day,
      gas.toString(),
      cost.toString(),
    ]),
  );
}

export interface Holder {
  readonly chainId: number;
  readonly holder: string;
}

/**
 * Holders with anything on their way by their totals or since `since` anything charged, after this
 * one, in order. Of costs, which are kept for days, a page is read in that order: by the index of
 * the day each page would read the whole day.
 */
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
     UNION (SELECT chain_id, holder FROM relay_costs FORCE INDEX (PRIMARY) WHERE day >= ? AND ${isAfter} ORDER BY chain_id, holder LIMIT ?)
     ORDER BY chain_id, holder LIMIT ?`,
    [...place, limit, since, ...place, limit, limit],
  );
  return rows.map((row) => ({ chainId: Number(row.chain_id), holder: row.holder }));
}

/**
 * What the totals should say, added up from the attempts. Reads all of the holder's live attempts
 * and those charged on the day.
 */
export async function sumUsage(
  db: Transaction,
  { chainId, holder }: Holder,
  day: string,
): Promise<HolderUsage> {
  const column = holder.startsWith('0x') ? 'payer' : 'store_id';
  const [live] = await selectRows<{
    count: string | number;
    gas: string | null;
    cost: string | null;
  }>(
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
export async function writeUsage(
  db: Transaction,
  { chainId, holder }: Holder,
  day: string,
  usage: HolderUsage,
): Promise<void> {
  await execute(
    db,
    'UPDATE relay_quotas SET in_flight = ?, reserved_gas = ?, reserved_cost = ? WHERE chain_id = ? AND holder = ?',
    [usage.inFlight, usage.reservedGas.toString(), usage.reservedCost.toString(), chainId, holder],
  );
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
