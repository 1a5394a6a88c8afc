import { TABLES } from '../db/tables.ts';
import { selectRows, type Database } from '../platform/db.ts';

/** Relative to the project. */
export const SCHEMA_FILE = 'db/schema.sql';

const HEAD = `-- The tables as the migrations leave them, each with the folder whose own it is (db/tables.ts).
-- Printed by \`npm run db:schema\`; nothing is made from it.
`;

/**
 * The schema of a database as text that is the same on MariaDB and MySQL, from what each says of
 * itself in information_schema: statements that make the tables again, in the order of
 * db/tables.ts.
 *
 * What they say in different ways is brought into one: integers have no display width, JSON is a
 * type, CHECKs have neither character sets nor the parentheses that a server adds. What differs by
 * server or is the default is left out: the engine, the collation of a database.
 */
export async function describeSchema(db: Database): Promise<string> {
  const [columns, indexes, foreignKeys, checks] = await Promise.all([
    listColumns(db),
    listIndexes(db),
    listForeignKeys(db),
    listChecks(db),
  ]);
  const found = new Set(columns.map(({ table }) => table));
  const unknown = [...found].filter((table) => !(table in TABLES));
  if (unknown.length > 0) throw new Error(`db/tables.ts does not have ${unknown.join(', ')}`);
  const of = <Row extends { readonly table: string }>(rows: readonly Row[], table: string) =>
    rows.filter((row) => row.table === table);
  const statements = Object.entries(TABLES).map(([table, owner]) => {
    if (!found.has(table)) throw new Error(`the database has no table ${table}`);
    const ofTable = of(checks, table);
    const jsonColumns = new Set(
      ofTable.flatMap(({ clause }) => /^json_valid\((\w+)\)$/.exec(clause)?.[1] ?? []),
    );
    const lines = [
      ...of(columns, table).map((column) => describeColumn(column, jsonColumns)),
      ...of(indexes, table).map(describeIndex),
      ...of(foreignKeys, table).map(
        ({ name, column, parent, parentColumn }) =>
          `CONSTRAINT ${name} FOREIGN KEY (${column}) REFERENCES ${parent} (${parentColumn})`,
      ),
      ...ofTable
        .filter(({ clause }) => !clause.startsWith('json_valid('))
        .map(({ name, clause }) => `CONSTRAINT ${name} CHECK (${clause})`),
    ];
    return `-- ${owner}\nCREATE TABLE ${table} (\n  ${lines.join(',\n  ')}\n);\n`;
  });
  return [HEAD, ...statements].join('\n');
}

interface Column {
  readonly table: string;
  readonly name: string;
  /** With its width, such as `bigint(20) unsigned`. */
  readonly type: string;
  readonly charset: string | null;
  readonly collation: string | null;
  readonly tableCollation: string;
  readonly isNullable: string;
  readonly defaultValue: string | null;
  readonly extra: string;
  readonly comment: string;
}

function listColumns(db: Database): Promise<Column[]> {
  return selectRows<Column>(
    db,
    `SELECT c.TABLE_NAME AS \`table\`, c.COLUMN_NAME AS name, c.COLUMN_TYPE AS type,
       c.CHARACTER_SET_NAME AS charset, c.COLLATION_NAME AS collation,
       t.TABLE_COLLATION AS tableCollation, c.IS_NULLABLE AS isNullable,
       c.COLUMN_DEFAULT AS defaultValue, c.EXTRA AS extra, c.COLUMN_COMMENT AS comment
     FROM information_schema.COLUMNS c
     JOIN information_schema.TABLES t ON t.TABLE_SCHEMA = c.TABLE_SCHEMA AND t.TABLE_NAME = c.TABLE_NAME
     WHERE c.TABLE_SCHEMA = DATABASE() ORDER BY c.TABLE_NAME, c.ORDINAL_POSITION`,
  );
}

function describeColumn(column: Column, jsonColumns: ReadonlySet<string>): string {
  const isJson = column.type === 'json' || jsonColumns.has(column.name);
  const type = isJson ? 'JSON' : describeType(column.type);
  const isOwn = !isJson && column.collation !== null && column.collation !== column.tableCollation;
  const parts = [column.name, type];
  if (isOwn && column.charset !== 'utf8mb4') parts.push(`CHARACTER SET ${column.charset ?? ''}`);
  if (isOwn) parts.push(`COLLATE ${column.collation}`);
  parts.push(column.isNullable === 'YES' ? 'NULL' : 'NOT NULL');
  const value = describeDefault(column);
  if (value !== undefined) parts.push(`DEFAULT ${value}`);
  if (/\bauto_increment\b/i.test(column.extra)) parts.push('AUTO_INCREMENT');
  if (column.comment !== '') parts.push(`COMMENT '${column.comment.replaceAll("'", "''")}'`);
  return parts.join(' ');
}

function describeType(type: string): string {
  if (type === 'tinyint(1)') return 'BOOLEAN';
  return type.replace(/^(\w*int)\(\d+\)/, '$1').toUpperCase();
}

/** MariaDB quotes texts and writes NULL; MySQL quotes nothing, and has null where there is none. */
function describeDefault({ type, defaultValue }: Column): string | undefined {
  if (defaultValue === null || defaultValue === 'NULL') return undefined;
  if (/^(char|varchar)\(/.test(type)) return `'${defaultValue.replace(/^'(.*)'$/, '$1')}'`;
  if (type === 'tinyint(1)') return defaultValue === '0' ? 'FALSE' : 'TRUE';
  return defaultValue;
}

interface Index {
  readonly table: string;
  readonly name: string;
  readonly isUnique: string | number;
  readonly columns: string;
}

/** The primary key first, then those that are unique, each by name. */
async function listIndexes(db: Database): Promise<Index[]> {
  const rows = await selectRows<Index>(
    db,
    `SELECT TABLE_NAME AS \`table\`, INDEX_NAME AS name, MIN(NON_UNIQUE) = 0 AS isUnique,
       GROUP_CONCAT(CONCAT(COLUMN_NAME, COALESCE(CONCAT('(', SUB_PART, ')'), ''), CASE WHEN COLLATION = 'D' THEN ' DESC' ELSE '' END)
         ORDER BY SEQ_IN_INDEX SEPARATOR ', ') AS columns
     FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() GROUP BY TABLE_NAME, INDEX_NAME`,
  );
  const rank = ({ name, isUnique }: Index) =>
    name === 'PRIMARY' ? 0 : Number(isUnique) === 1 ? 1 : 2;
  return rows.sort((a, b) => rank(a) - rank(b) || compare(a.name, b.name));
}

function describeIndex({ name, isUnique, columns }: Index): string {
  if (name === 'PRIMARY') return `PRIMARY KEY (${columns})`;
  return `${Number(isUnique) === 1 ? 'UNIQUE KEY' : 'KEY'} ${name} (${columns})`;
}

interface ForeignKey {
  readonly table: string;
  readonly name: string;
  readonly column: string;
  readonly parent: string;
  readonly parentColumn: string;
}

async function listForeignKeys(db: Database): Promise<ForeignKey[]> {
  const rows = await selectRows<ForeignKey>(
    db,
    `SELECT TABLE_NAME AS \`table\`, CONSTRAINT_NAME AS name, COLUMN_NAME AS \`column\`,
       REFERENCED_TABLE_NAME AS parent, REFERENCED_COLUMN_NAME AS parentColumn
     FROM information_schema.KEY_COLUMN_USAGE
     WHERE TABLE_SCHEMA = DATABASE() AND REFERENCED_TABLE_NAME IS NOT NULL`,
  );
  return rows.sort((a, b) => compare(a.name, b.name));
}

interface Check {
  readonly table: string;
  readonly name: string;
  readonly clause: string;
}

async function listChecks(db: Database): Promise<Check[]> {
  // Of one database a name may be used once on MySQL; MariaDB has them by table, and says which.
  const rows = await selectRows<Check>(
    db,
    `SELECT t.TABLE_NAME AS \`table\`, t.CONSTRAINT_NAME AS name, c.CHECK_CLAUSE AS clause
     FROM information_schema.TABLE_CONSTRAINTS t
     JOIN information_schema.CHECK_CONSTRAINTS c
       ON c.CONSTRAINT_SCHEMA = t.CONSTRAINT_SCHEMA AND c.CONSTRAINT_NAME = t.CONSTRAINT_NAME
     WHERE t.TABLE_SCHEMA = DATABASE() AND t.CONSTRAINT_TYPE = 'CHECK'`,
  );
  const checks = rows.map((row) => ({ ...row, clause: normalizeClause(row.clause) }));
  // MariaDB names that of a JSON column as the column, so several tables have the same.
  const distinct = new Map(checks.map((check) => [JSON.stringify(check), check]));
  return [...distinct.values()].sort((a, b) => compare(a.name, b.name));
}

/** Ours compare a column with a value, or with a list of them. */
function normalizeClause(clause: string): string {
  return clause
    .replace(/_(?:utf8mb4|ascii|latin1)(?=\\?')/g, '')
    .replaceAll("\\'", "'")
    .replaceAll('`', '')
    .replace(/^\((.*)\)$/, '$1')
    .replace(/,\s*/g, ', ')
    .replace(/ in \(/gi, ' IN (')
    .trim();
}

function compare(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}
