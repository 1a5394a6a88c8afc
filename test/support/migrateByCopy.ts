import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

import { migrate } from '../../db/migrate.ts';
import { SHARED_SCHEMA_DIRECTORY } from '../../dev/sharedStack.ts';
import { inTransaction, selectRows, type Database } from '../../platform/db.ts';
import { PROJECT_ROOT } from '../../platform/projectRoot.ts';

const statementsSchema = z.array(z.string());

/**
 * The statements that make an empty database what the first one that was migrated in this process
 * is.
 */
let statements: Promise<readonly string[]> | undefined;

/**
 * An empty database comes out as `migrate` leaves it. The first is migrated; for those after it
 * each table is made as it is at the end, a third of the statements:
 * test/workers/migrations.test.ts compares the two. On the stack that runs share the statements are
 * kept for the next run, which migrates none.
 */
export async function migrateByCopy(db: Database): Promise<void> {
  statements ??= findKept();
  if (statements === undefined) {
    statements = migrate(db).then(() => readStatements(db));
    keep(await statements);
    return;
  }
  const toMake = await statements;
  // For one connection: the first statement is about the session.
  await inTransaction(db, async (trx) => {
    for (const statement of toMake) await trx.raw(statement);
  });
}

function findKept(): Promise<readonly string[]> | undefined {
  if (!isStackShared() || !existsSync(keptPath())) return undefined;
  return Promise.resolve(statementsSchema.parse(JSON.parse(readFileSync(keptPath(), 'utf8'))));
}

function keep(made: readonly string[]): void {
  if (!isStackShared()) return;
  mkdirSync(SHARED_SCHEMA_DIRECTORY, { recursive: true });
  // Two runs may come to it at once: each has a draft of its own.
  const draft = join(SHARED_SCHEMA_DIRECTORY, `${process.pid}.draft`);
  writeFileSync(draft, JSON.stringify(made));
  renameSync(draft, keptPath());
}

/** The variable is dev/runTests.ts's, for files that may share one. */
function isStackShared(): boolean {
  return process.env['TEST_SHARED_STACK'] === 'true';
}

/** What other migrations made is of no use: the file is named by what the migrations say. */
function keptPath(): string {
  const folder = join(PROJECT_ROOT, 'db');
  const hash = createHash('sha256');
  const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  for (const source of sources.filter((name) => name.endsWith('.ts')).sort())
    hash.update(source).update(readFileSync(join(folder, source)));
  return join(SHARED_SCHEMA_DIRECTORY, `${hash.digest('hex')}.json`);
}

async function readStatements(db: Database): Promise<readonly string[]> {
  const tables = (await selectRows<Record<string, string>>(db, 'SHOW TABLES')).flatMap((row) =>
    Object.values(row),
  );
  const made: string[] = [];
  for (const table of tables) {
    const [row] = await selectRows<Record<string, string>>(db, `SHOW CREATE TABLE ${table}`);
    made.push(escape((row?.['Create Table'] ?? '').replace(/ AUTO_INCREMENT=\d+/, '')));
  }
  const recorded = await selectRows<{ name: string }>(
    db,
    'SELECT name FROM schema_migrations ORDER BY id',
  );
  const rows = recorded.map(({ name }) => `('${name}', 1, UTC_TIMESTAMP())`);
  // Tables may refer to each other.
  return [
    'SET SESSION foreign_key_checks = 0',
    ...made,
    `INSERT INTO schema_migrations (name, batch, migration_time) VALUES ${rows.join(', ')}`,
    'SET SESSION foreign_key_checks = 1',
  ];
}

/** Knex takes a question mark for a binding's place. */
function escape(sql: string): string {
  return sql.replaceAll('?', '\\?');
}
