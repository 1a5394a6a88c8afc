import { selectRows, type Database, type Transaction } from '../../platform/db.ts';
import { FILLED_TABLES } from './fillDatabase.ts';
import { shapeOf, type RecordedStatement } from './recordStatements.ts';

export interface Finding {
  readonly during: string;
  /** See shapeOf. */
  readonly shape: string;
  /**
   * One entry a table: how it is read, by which index, and what else the database says about it.
   */
  readonly plan: readonly string[];
  /** How often the storage engine was asked for a row. */
  readonly reads: number;
  /** Rows returned or changed. */
  readonly rows: number;
  readonly ms: number;
  /** In words, when it reads what it does not need. */
  readonly complaint: string | undefined;
}

/**
 * A statement that has to read more than what comes of it, or to sort it. Each says what it needs;
 * all else is a complaint here too. None has to read a table without an index.
 */
export interface Exception {
  readonly name: string;
  readonly matches: RegExp;
  /**
   * As for every other statement when absent. Of a thousand payments, ten are on their way in what
   * fillDatabase makes.
   */
  readonly mayReadPerThousandPayments?: number;
  /** Whether it may sort however many rows it may read. */
  readonly maySort?: boolean;
}

/**
 * What a statement may read that returns nothing, as often as it likes; and of what it reads, what
 * it may sort without a reason.
 */
const FREE_READS = 40;
/** A row may be looked up by an index, and lead to some in other tables. */
const READS_PER_ROW = 6;

/** Runs each again by itself, in a transaction that is rolled back, and looks at what it read. */
export async function examineStatements(
  db: Database,
  statements: readonly RecordedStatement[],
  {
    payments,
    exceptions,
  }: { readonly payments: number; readonly exceptions: readonly Exception[] },
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const statement of statements) {
    const trx = await db.transaction();
    try {
      findings.push(await examine(trx, statement, { payments, exceptions }));
    } finally {
      await trx.rollback();
    }
  }
  return findings;
}

interface PlanRow {
  readonly table: string | null;
  /** Undefined when the server tells of plans otherwise. */
  readonly type: string | null | undefined;
  readonly key: string | null;
  readonly Extra: string | null;
}

async function examine(
  trx: Transaction,
  { during, sql, bindings }: RecordedStatement,
  { payments, exceptions }: Parameters<typeof examineStatements>[2],
): Promise<Finding> {
  const given = bindings as Parameters<typeof selectRows>[2];
  // Newer MySQL servers say it as a tree otherwise.
  const plan = await selectRows<PlanRow>(trx, `EXPLAIN FORMAT=TRADITIONAL ${sql}`, given);
  if (plan.some(({ type }) => type === undefined))
    throw new Error('the database tells of a plan in a form that is not understood');
  const before = await countReads(trx);
  const between = await countReads(trx);
  const startedAt = performance.now();
  const [result] = (await trx.raw(sql, [...(given ?? [])])) as [
    unknown[] | { affectedRows: number },
    unknown,
  ];
  const ms = performance.now() - startedAt;
  // Counting reads some rows itself.
  const reads = Math.max(0, (await countReads(trx)) - between - (between - before));
  const rows = Array.isArray(result) ? result.length : result.affectedRows;
  const shape = shapeOf(sql);
  const exception = exceptions.find(({ matches }) => matches.test(shape));
  const filled = namesOfFilled(sql);
  const readsPerThousand = exception?.mayReadPerThousandPayments;
  const mayRead =
    FREE_READS +
    (readsPerThousand === undefined
      ? READS_PER_ROW * Math.max(rows, bindings.length)
      : (readsPerThousand * payments) / 1_000);
  const complaint =
    reads > mayRead
      ? `${reads} reads for ${rows} rows, ${mayRead} would do`
      : (findScan(plan, filled) ?? findSort(plan, filled, reads, exception));
  return { during, shape, plan: plan.map(describe), reads, rows, ms, complaint };
}

/** What a statement calls the filled tables that are in it, each by its name and its alias. */
function namesOfFilled(sql: string): ReadonlySet<string> {
  const aliases = FILLED_TABLES.flatMap((table) =>
    // A word behind the name that is no alias, such as WHERE, is the name of no table in a plan.
    [...sql.matchAll(new RegExp(`\\b${table}(?:\\s+AS)?\\s+(\\w+)`, 'gi'))].map(
      ([, word = '']) => word,
    ),
  );
  return new Set([...FILLED_TABLES, ...aliases]);
}

/**
 * Whether a large table is read from one end to the other without an index. Where there is an index
 * for it, the reads tell.
 */
function findScan(plan: readonly PlanRow[], filled: ReadonlySet<string>): string | undefined {
  const scanned = plan.find(
    ({ table, type }) => table !== null && filled.has(table) && type === 'ALL',
  );
  return scanned === undefined ? undefined : `reads all of ${scanned.table ?? ''}`;
}

/**
 * Whether rows of a large table are sorted: what is sorted grows with what there is, however few of
 * it come of the statement. A plan notes a sort of several tables' rows, or of a union's, at any of
 * its entries, so that all of it counts; of what is sorted nothing says more than what was read.
 */
function findSort(
  plan: readonly PlanRow[],
  filled: ReadonlySet<string>,
  reads: number,
  exception: Exception | undefined,
): string | undefined {
  const isSorted = plan.some(({ Extra }) => Extra?.includes('Using filesort') === true);
  const isLarge = plan.some(({ table }) => filled.has(table ?? ''));
  if (!isSorted || !isLarge || reads <= FREE_READS || exception?.maySort === true) return undefined;
  return `sorts what it reads, ${reads} reads`;
}

function describe({ table, type, key, Extra }: PlanRow): string {
  const extra = Extra === null || Extra === '' ? '' : ` (${Extra})`;
  return `${table ?? '-'}: ${type ?? '-'}${key === null ? '' : ` ${key}`}${extra}`;
}

async function countReads(trx: Transaction): Promise<number> {
  const rows = await selectRows<{ Value: string }>(trx, "SHOW SESSION STATUS LIKE 'Handler_read%'");
  return rows.reduce((sum, { Value }) => sum + Number(Value), 0);
}
