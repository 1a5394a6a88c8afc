import type { Database, Transaction } from '../platform/db.ts';
import { execute, selectRows } from '../platform/db.ts';
import { migrationSource } from './migrationSource.ts';

/**
 * Knex's name and columns: earlier versions migrated with knex. Its table of locks (`…_lock`) is
 * not looked at: a process that was killed locked it for ever.
 */
const RECORD = `CREATE TABLE IF NOT EXISTS schema_migrations (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name VARCHAR(255),
  batch INT,
  migration_time TIMESTAMP NULL
)`;

/**
 * The server's own lock: it ends with the connection that holds it. The name is for the whole
 * server and may have 64 characters.
 */
const LOCK_NAME = `CONCAT('msqpay_migrate_', LEFT(SHA2(DATABASE(), 256), 32))`;

/** How long one look for the lock waits, before that is told. */
const LOCK_LOOK_SECONDS = 10;

/**
 * How long an ALTER waits for transactions that use its table, while whoever comes after it waits
 * too.
 */
const LOCK_WAIT_SECONDS = 5;

/**
 * Brings the schema up to date. May be killed at any moment and run again, and may be called by
 * several processes at once: one migrates, the others wait for it.
 *
 * Everything is done on one connection, the one that holds the lock. When it is lost, so is the
 * lock, but not before the server has ended the statement that it was at: nobody goes on beside it.
 * @param tell is told of each migration, and of waiting
 * @param last goes no further than the migration of this name
 */
export async function migrate(
  db: Database,
  tell: (message: string) => void = () => undefined,
  last?: string,
): Promise<void> {
  const wanted =
    last === undefined
      ? migrationSource
      : migrationSource.slice(0, 1 + migrationSource.findIndex(({ name }) => name === last));
  await withMigrationLock(db, tell, async (connection) => {
    const recorded = new Set(await readRecorded(connection));
    for (const { name, up } of wanted.filter((migration) => !recorded.has(migration.name))) {
      tell(`${name} …`);
      await up(connection);
      await execute(
        connection,
        'INSERT INTO schema_migrations (name, batch, migration_time) VALUES (?, 1, UTC_TIMESTAMP())',
        [name],
      );
    }
  });
}

/**
 * For development and tests: takes back the newest migrations, the one with this name the last.
 * Their `down` may lose what the earlier schema has no place for, and cannot be interrupted.
 */
export async function migrateBack(db: Database, last: string): Promise<void> {
  await withMigrationLock(
    db,
    () => undefined,
    async (connection) => {
      const recorded = new Set(await readRecorded(connection));
      const from = migrationSource.findIndex(({ name }) => name === last);
      if (from === -1) throw new Error(`there is no migration ${last}`);
      const newestFirst = migrationSource
        .slice(from)
        .filter(({ name }) => recorded.has(name))
        .reverse();
      for (const { name, down } of newestFirst) {
        await down(connection);
        await execute(connection, 'DELETE FROM schema_migrations WHERE name = ?', [name]);
      }
    },
  );
}

/** By the names that earlier versions recorded. */
const PRESENT_NAMES: ReadonlyMap<string, string> = new Map(
  migrationSource.flatMap(({ name, formerName }) =>
    formerName === undefined ? [] : [[formerName, name]],
  ),
);

/**
 * For whoever compares the record with the names of `migrationSource` himself: what an earlier
 * version recorded under other names is recorded under these from now on. Waits for a process that
 * migrates only when there is something to rename.
 */
export async function renameRecorded(
  db: Database,
  tell: (message: string) => void = () => undefined,
): Promise<void> {
  const [record] = await selectRows(db, "SHOW TABLES LIKE 'schema_migrations'");
  if (record === undefined) return;
  const names = await selectRows<{ name: string }>(db, 'SELECT name FROM schema_migrations');
  if (names.some(({ name }) => PRESENT_NAMES.has(name)))
    await withMigrationLock(db, tell, async (connection) => void (await readRecorded(connection)));
}

/**
 * Names of earlier versions are renamed in the record.
 * @returns names, in the order in which they were run
 */
async function readRecorded(connection: Transaction): Promise<string[]> {
  await connection.raw(RECORD);
  const names: string[] = [];
  for (const { id, name } of await selectRows<{ id: string | number; name: string }>(
    connection,
    'SELECT id, name FROM schema_migrations ORDER BY id',
  )) {
    const presentName = PRESENT_NAMES.get(name);
    if (presentName !== undefined)
      await execute(connection, 'UPDATE schema_migrations SET name = ? WHERE id = ?', [
        presentName,
        id,
      ]);
    names.push(presentName ?? name);
  }
  const known = new Set(migrationSource.map(({ name }) => name));
  const unknown = names.filter((name) => !known.has(name));
  if (unknown.length > 0)
    throw new Error(
      `the database was migrated by a newer version: ${unknown.join(', ')} is not known here`,
    );
  return names;
}

async function withMigrationLock(
  db: Database,
  tell: (message: string) => void,
  work: (connection: Transaction) => Promise<void>,
): Promise<void> {
  // Knex gives a connection for oneself to transactions only. This one is ended at once: every
  // statement commits by itself.
  const connection = await db.transaction();
  try {
    await connection.raw('COMMIT');
    await takeLock(connection, tell);
    await connection.raw(`SET SESSION lock_wait_timeout = ${LOCK_WAIT_SECONDS}`);
    await work(connection);
  } catch (error) {
    // It may be lost: the first error says more than what this would say.
    await giveBack(connection)
      .catch(() => connection.rollback(error))
      .catch(() => undefined);
    throw error;
  }
  await giveBack(connection);
}

async function giveBack(connection: Transaction): Promise<void> {
  await connection.raw('SET SESSION lock_wait_timeout = DEFAULT');
  await connection.raw(`DO RELEASE_LOCK(${LOCK_NAME})`);
  await connection.commit();
}

async function takeLock(connection: Transaction, tell: (message: string) => void): Promise<void> {
  for (;;) {
    const [row] = await selectRows<{ taken: number | null }>(
      connection,
      `SELECT GET_LOCK(${LOCK_NAME}, ${LOCK_LOOK_SECONDS}) AS taken`,
    );
    if (Number(row?.taken) === 1) return;
    tell('another process migrates this database: waiting for it');
  }
}
