import { selectRows, type Database, type Transaction } from '../../platform/db.ts';
import { FILLED_TABLES } from './fillDatabase.ts';
import { shapeOf, type RecordedStatement } from './recordStatements.ts';

export interface Finding {
  readonly during: string;
  /** See shapeOf. */
  readonly shape: string;
  /** One entry a table: how it is read, by which index, and what else the database says about it. */
  readonly plan: readonly string[];
  /** How often the storage engine was asked for a row. */
  readonly reads: number;
  /** Rows returned or changed. */
  readonly rows: number;
  readonly ms: number;
  /** In words, when it reads what it does not need. */
  readonly complaint: string | undefined;
}

/** A statement that has to read more than what comes of it. */
export interface Exception {
  readonly name: string;
  readonly matches: RegExp;
  /** More are too many here too. Of a thousand payments, ten are on their way in what fillDatabase makes. */
  readonly mayReadPerThousandPayments: number;
}

/** What a statement may read that returns nothing, as often as it likes. */
const FREE_READS = 40;
/** A row may be looked up by an index, and lead to some in other tables. */
const READS_PER_ROW = 6;

/** Runs each again by itself, in a transaction that is rolled back, and looks at what it read. */
export async function examineStatements(
  db: Database,
  statements: readonly RecordedStatement[],
  { payments, exceptions }: { readonly payments: number; readonly exceptions: readonly Exception[] },
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
  readonly type: string | null;
  readonly key: string | null;
  readonly Extra: string | null;
}

async function examine(
  trx: Transaction,
  { during, sql, bindings }: RecordedStatement,
  { payments, exceptions }: Parameters<typeof examineStatements>[2],
): Promise<Finding> {
  const given = bindings as Parameters<typeof selectRows>[2];
  const plan = await selectRows<PlanRow>(trx, `EXPLAIN ${sql}`, given);
  const before = await countReads(trx);
  const between = await countReads(trx);
  const startedAt = performance.now();
  const [result] = (await trx.raw(sql, [...(given ?? [])])) as [unknown[] | { affectedRows: number }, unknown];
  const ms = performance.now() - startedAt;
  // Counting reads some rows itself.
  const reads = Math.max(0, (await countReads(trx)) - between - (between - before));
  const rows = Array.isArray(result) ? result.length : result.affectedRows;
  const shape = shapeOf(sql);
  const exception = exceptions.find(({ matches }) => matches.test(shape));
  const mayRead =
    FREE_READS +
    (exception === undefined ? READS_PER_ROW * Math.max(rows, bindings.length) : (exception.mayReadPerThousandPayments * payments) / 1_000);
  const complaint = reads > mayRead ? `${reads} reads for ${rows} rows, ${mayRead} would do` : findScan(plan, exception);
  return { during, shape, plan: plan.map(describe), reads, rows, ms, complaint };
}

/** Whether a large table is read from one end to the other, by whatever index. */
function findScan(plan: readonly PlanRow[], exception: Exception | undefined): string | undefined {
  if (exception !== undefined) return undefined;
  const aliases = new Set<string>([...FILLED_TABLES, 'p', 'a', 'o', 'r', 'c', 't', 'd', 'ev', 'h']);
  const scanned = plan.find(({ table, type }) => table !== null && aliases.has(table) && type === 'ALL');
  return scanned === undefined ? undefined : `reads all of ${scanned.table ?? ''}`;
}

function describe({ table, type, key, Extra }: PlanRow): string {
  const extra = Extra === null || Extra === '' ? '' : ` (${Extra})`;
  return `${table ?? '-'}: ${type ?? '-'}${key === null ? '' : ` ${key}`}${extra}`;
}

async function countReads(trx: Transaction): Promise<number> {
  const rows = await selectRows<{ Value: string }>(trx, "SHOW SESSION STATUS LIKE 'Handler_read%'");
  return rows.reduce((sum, { Value }) => sum + Number(Value), 0);
}
