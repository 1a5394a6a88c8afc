import type { Knex } from 'knex';

import { migrate, renameRecorded } from './db/migrate.ts';
import { migrationSource } from './db/migrationSource.ts';
import { allowSlowConnections } from './platform/allowSlowConnections.ts';
import { createDatabase, knexConfig, type Database } from './platform/db.ts';

/**
 * For knex's own command line: `npm run knex -- migrate:status`, `migrate:latest`, `migrate:up`,
 * with DATABASE_URL. It connects as the server does, knows the server's migrations, and reads and
 * writes the same record of them. What is to be migrated is done as `npm run cli -- migrate` does
 * it: by one process at a time, under the same lock, so that whichever of the two is used, whatever
 * the other is doing, nothing is done twice.
 */
const databaseUrl = () => process.env['DATABASE_URL'] ?? '';
type Migration = (typeof migrationSource)[number];

/**
 * Knex's own lock is a row that it holds locked while it waits for us: longer than the server keeps
 * an idle connection of ours.
 */
const WAIT_SECONDS = 24 * 3_600;

/** Knex calls this before the migrations that it found missing. It is left none to run. */
async function migrateUnderLock(knex: Knex, migrations: unknown[]): Promise<void> {
  const last = (migrations as Migration[]).at(-1)?.name;
  // Going back, knex uses no transaction; going forward, it does.
  if (!knex.isTransaction || last === undefined)
    throw new Error('migrations only go forward, and need no --disable-transactions');
  await knex.raw(`SET SESSION wait_timeout = ${WAIT_SECONDS}`);
  await withDatabase((db) => migrate(db, tell, last));
  migrations.length = 0;
}

const tell = (message: string) => void process.stderr.write(`${message}\n`);

async function withDatabase(work: (db: Database) => Promise<void>): Promise<void> {
  const db = createDatabase(databaseUrl(), 1);
  try {
    await work(db);
  } finally {
    await db.destroy();
  }
}

/**
 * A function, so that nothing is looked at before knex asks. Knex refuses a record that has names
 * which it does not know, so those of earlier versions are renamed before it looks.
 */
export default async function createKnexConfig(): Promise<
  Knex.Config & { readonly migrations: Knex.MigratorConfigWithLifecycleHooks }
> {
  allowSlowConnections();
  await withDatabase((db) => renameRecorded(db, tell));
  return {
    ...knexConfig(databaseUrl(), 2),
    migrations: {
      tableName: 'schema_migrations',
      migrationSource: {
        getMigrations: async () => [...migrationSource],
        getMigrationName: ({ name }) => name,
        getMigration: async (migration) => migration,
      } satisfies Knex.MigrationSource<Migration>,
      beforeAll: migrateUnderLock,
    },
  };
}
