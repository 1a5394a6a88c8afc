import { selectRows, type Database } from '../../../platform/db.ts';
import { listWrongFlights } from '../../support/expectTrueFlights.ts';
import type { ChaosChain } from '../chains/startChaosChains.ts';
import { askFor, toHex } from '../nodes/rpc.ts';
import { mustBePaid, type Character, type PlannedPayment } from '../people/planPayments.ts';

interface Input {
  readonly db: Database;
  readonly chains: readonly ChaosChain[];
  readonly payments: readonly Pick<PlannedPayment, 'paymentId' | 'character'>[];
}

/**
 * More than any item of a request that only pays may use by itself: the dearest way (forwarder,
 * permit, the payer's first, by itself in its transaction) takes about 150,000, and a contract
 * wallet's signature check comes on top; what a chain takes for data is apart from it.
 */
const DEAREST_HONEST_GAS = 220_000n;
/** Whose code uses much gas in a block, and pays all the same or may. */
const COSTLY: ReadonlySet<Character> = new Set<Character>([
  'turnsCostly',
  'wastesGas',
  'getsCostlyCode',
]);
/** Whose receipts are asked for at the same time. */
const BLOCKS_AT_ONCE = 50;

/** What is kept of sums is what adding up gives; and gas is charged to whom it was used for. */
export async function judgeBooks({ db, chains, payments }: Input): Promise<string[]> {
  const flights = await listWrongFlights(db);
  return [
    ...flights.map(
      ({ id, is_flying }) =>
        `transaction ${id} is kept as ${Number(is_flying) === 1 ? 'flying' : 'landed'}, its attempts say otherwise`,
    ),
    ...(await judgeTotals(db)),
    ...(await judgeGas(db, chains, payments)),
  ];
}

const LIVE = "status NOT IN ('succeeded', 'failed')";

/** The running totals of payers and stores, by chain. */
async function judgeTotals(db: Database): Promise<string[]> {
  const held = ['in_flight', 'reserved_gas', 'reserved_cost'];
  const spent = ['gas_used', 'gas_cost'];
  const quotas = await selectRows<TotalsRow>(
    db,
    `SELECT CONCAT(chain_id, ' ', holder) AS name, ${held.join(', ')} FROM relay_quotas`,
    [],
  );
  const costs = await selectRows<TotalsRow>(
    db,
    `SELECT CONCAT(chain_id, ' ', holder, ' ', DATE_FORMAT(day, '%Y-%m-%d')) AS name, ${spent.join(', ')} FROM relay_costs`,
    [],
  );
  const [reservedSums, costSums]: TotalsRow[][] = [[], []];
  for (const holder of ['payer', 'store_id']) {
    reservedSums?.push(
      ...(await selectRows<TotalsRow>(
        db,
        `SELECT CONCAT(chain_id, ' ', ${holder}) AS name, COUNT(*) AS in_flight, SUM(reserved_gas) AS reserved_gas, SUM(reserved_cost) AS reserved_cost
         FROM relay_attempts WHERE ${LIVE} GROUP BY chain_id, ${holder}`,
        [],
      )),
    );
    costSums?.push(
      ...(await selectRows<TotalsRow>(
        db,
        `SELECT CONCAT(chain_id, ' ', ${holder}, ' ', DATE_FORMAT(gas_charged_at, '%Y-%m-%d')) AS name, SUM(gas_used) AS gas_used, SUM(gas_cost) AS gas_cost
         FROM relay_attempts WHERE gas_charged_at IS NOT NULL GROUP BY chain_id, ${holder}, DATE_FORMAT(gas_charged_at, '%Y-%m-%d')`,
        [],
      )),
    );
  }
  return [
    ...compare('on their way', held, quotas, reservedSums ?? []),
    ...compare('spent', spent, costs, costSums ?? []),
  ];
}

type TotalsRow = Readonly<Record<string, string | number>>;

function compare(
  what: string,
  columns: readonly string[],
  kept: readonly TotalsRow[],
  sums: readonly TotalsRow[],
): string[] {
  const toNumbers = (row: TotalsRow | undefined) =>
    columns.map((column) => BigInt(row?.[column] ?? 0)).join(', ');
  const names = new Set([...kept, ...sums].map((row) => String(row['name'])));
  return [...names].flatMap((name) => {
    const [total, sum] = [kept, sums].map((rows) =>
      toNumbers(rows.find((row) => row['name'] === name)),
    );
    return total === sum
      ? []
      : [
          `total of what is ${what} of ${name} (${columns.join(', ')}): kept ${String(total)}, the attempts make ${String(sum)}`,
        ];
  });
}

/**
 * Everything that is charged was used; whoever succeeded was charged; and nobody honest is charged
 * what others burn.
 */
async function judgeGas(
  db: Database,
  chains: readonly ChaosChain[],
  payments: Input['payments'],
): Promise<string[]> {
  const breaches: string[] = [];
  const used = await readGasUsed(db, chains);
  const attempts = await selectRows<{
    id: string;
    chain_id: string | number;
    payment_id: string;
    refund_id: string | null;
    status: string;
    sends: string | number;
    gas_used: string | number;
    transaction_id: string | null;
    may_run_code: string | number;
  }>(
    db,
    `SELECT id, chain_id, payment_id, refund_id, status, sends, gas_used, transaction_id,
       (runs_foreign_code OR permit IS NOT NULL) AS may_run_code FROM relay_attempts`,
    [],
  );
  for (const { chainId, name } of chains) {
    const charged = attempts
      .filter(({ chain_id }) => Number(chain_id) === chainId)
      .reduce((sum, { gas_used }) => sum + BigInt(gas_used), 0n);
    const all = used.get(chainId) ?? 0n;
    if (charged > all)
      breaches.push(`on the ${name} chain ${charged} gas is charged, its transactions used ${all}`);
  }
  const dataGas = new Map(
    chains.map(({ chainId, dataGasPerRequest }) => [chainId, BigInt(dataGasPerRequest)]),
  );
  const honest = new Set<string>(payments.filter(mustBePaid).map(({ paymentId }) => paymentId));
  // A known limit (ARCHITECTURE.md): the chain does not tell which item of a transaction used its
  // gas. Who burns gas and pays all the same cannot be told from others in it whose accounts may
  // have run code.
  const costly = new Set<string>(
    payments.filter(({ character }) => COSTLY.has(character)).map(({ paymentId }) => paymentId),
  );
  // One that has left a transaction without paying in it was refused there: what it burned is its
  // own.
  const paidIn = await selectRows<{ transaction_id: string; payment_id: string }>(
    db,
    `SELECT i.transaction_id, a.payment_id FROM relay_transaction_items i JOIN relay_attempts a ON a.id = i.attempt_id
     JOIN payments p ON p.id = a.payment_id JOIN relay_transaction_hashes h ON h.transaction_id = i.transaction_id AND h.hash = p.tx_hash`,
    [],
  );
  const shared = new Set(
    [...attempts, ...paidIn]
      .filter(({ payment_id }) => costly.has(payment_id))
      .map(({ transaction_id }) => transaction_id),
  );
  for (const {
    id,
    chain_id,
    payment_id,
    refund_id,
    status,
    sends,
    gas_used,
    transaction_id,
    may_run_code,
  } of attempts) {
    const gas = BigInt(gas_used);
    if (status === 'succeeded' && gas === 0n)
      breaches.push(`attempt ${id} succeeded and is charged no gas`);
    if (!honest.has(payment_id) || refund_id !== null) continue;
    if (Number(may_run_code) === 1 && transaction_id !== null && shared.has(transaction_id))
      continue;
    const dearest = DEAREST_HONEST_GAS + (dataGas.get(Number(chain_id)) ?? 0n);
    if (gas > dearest * BigInt(Math.max(1, Number(sends))))
      breaches.push(
        `attempt ${id} of honest payment ${payment_id} on chain ${chain_id}, ${status}, sent ${sends} times, is charged ${gas} gas: ` +
          `in transaction ${transaction_id ?? 'none'}, ${Number(may_run_code) === 1 ? 'may have run' : 'ran no'} code; of costly ones are ${[...shared].join(', ')}`,
      );
  }
  return breaches;
}

interface UsedGas {
  readonly from: string;
  readonly gasUsed: string;
}

/** By every transaction of a relayer that is on its chain. */
async function readGasUsed(
  db: Database,
  chains: readonly ChaosChain[],
): Promise<ReadonlyMap<number, bigint>> {
  const rows = await selectRows<{ address: string }>(
    db,
    'SELECT address FROM relayers WHERE address IS NOT NULL',
    [],
  );
  const relayers = new Set(rows.map(({ address }) => address.toLowerCase()));
  const used = new Map<number, bigint>();
  for (const { chainId, ask, home, mining } of chains) {
    const head = await mining.getHead();
    let gas = 0n;
    for (
      let first = Number(home.stack.deployment.blockNumber);
      first <= head;
      first += BLOCKS_AT_ONCE
    ) {
      const numbers = Array.from(
        { length: Math.min(BLOCKS_AT_ONCE, head - first + 1) },
        (_, index) => first + index,
      );
      const blocks = await Promise.all(
        numbers.map((number) =>
          askFor<readonly UsedGas[]>(ask, 'eth_getBlockReceipts', [toHex(number)]),
        ),
      );
      for (const { from, gasUsed } of blocks.flat())
        if (relayers.has(from.toLowerCase())) gas += BigInt(gasUsed);
    }
    used.set(chainId, gas);
  }
  return used;
}
