import { migrate } from '../../db/migrate.ts';
import { inTransaction, selectRows, type Database } from '../../platform/db.ts';

/**
 * The statements that make an empty database what the first one that was migrated in this process
 * is.
 */
let statements: Promise<readonly string[]> | undefined;

/**
 * An empty database comes out as `migrate` leaves it. The first is migrated; for those after it
 * each table is made as it is at the end, a third of the statements:
 * test/workers/migrations.test.ts compares the two.
 */
export async function migrateByCopy(db: Database): Promise<void> {
  if (statements === undefined) {
    statements = migrate(db).then(() => readStatements(db));
    await statements;
    return;
  }
  const toMake = await statements;
  // For one connection: the first statement is about the session.
  await inTransaction(db, async (trx) => {
    for (const statement of toMake) await trx.raw(statement);
  });
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
