import { expect } from 'chai';
import type { Knex } from 'knex';
import { spawn } from 'node:child_process';

import { migrate } from '../../db/migrate.ts';
import { migrationSource } from '../../db/migrationSource.ts';
import {
  createDatabase,
  execute,
  selectRows,
  type Database,
  type Transaction,
} from '../../platform/db.ts';
import { PROJECT_ROOT } from '../../platform/projectRoot.ts';
import { getStack } from '../support/stack.ts';
import { waitUntil } from '../support/waitUntil.ts';
import { programArguments } from '../support/programArguments.ts';

/** More than two chunks. */
const ROWS = 1_100;

describe('migrations that are interrupted', function () {
  this.timeout(180_000);

  const opened: Database[] = [];
  const openDatabase = async (name: string) => {
    const db = createDatabase(
      await (await getStack()).createDatabase(`interrupted_${name}_${process.pid}`),
      4,
    );
    opened.push(db);
    return db;
  };
  let uninterrupted: unknown;

  before(async () => {
    const db = await openDatabase('never');
    await migrateUpTo(db, '0001_all_first_tables');
    await fillFirstSchema(db);
    await migrateUpTo(db, '0011_relay_waste');
    await fillCosts(db);
    await migrate(db);
    uninterrupted = await dump(db);
  });

  after(async () => {
    for (const db of opened) await db.destroy();
  });

  // Killed at each statement in turn, the database is each time in the state in which one killed at
  // that statement alone leaves it, as long as running again comes to the same state as not having
  // been killed. So this is every n, and the end says whether it was true.
  for (const when of ['before', 'after'] as const) {
    it(`come to the same end when killed just ${when} every single statement`, async () => {
      const db = await openDatabase(when);
      let kills = await migrateKilled(db, when, '0001_all_first_tables');
      await fillFirstSchema(db);
      kills += await migrateKilled(db, when, '0011_relay_waste');
      await fillCosts(db);
      kills += await migrateKilled(db, when);
      expect(await dump(db)).to.deep.equal(uninterrupted);
      expect(kills).to.be.greaterThan(100);
    });
  }

  it('are done once by several processes that begin at the same time', async () => {
    const name = `interrupted_together_${process.pid}`;
    const url = await (await getStack()).createDatabase(name);
    const processes = [1, 2, 3].map(() => createDatabase(url, 2));
    opened.push(...processes);
    await Promise.all(processes.map((db) => migrate(db)));
    const [db] = processes as [Database, ...Database[]];
    const recorded = await selectRows<{ name: string }>(
      db,
      'SELECT name FROM schema_migrations ORDER BY id',
    );
    expect(recorded.map((row) => row.name)).to.deep.equal(
      migrationSource.map((migration) => migration.name),
    );
    const alone = await openDatabase('alone');
    await migrate(alone);
    expect(await dump(db)).to.deep.equal(await dump(alone));
  });

  it('go on after the process that migrated was killed, whatever an earlier version left locked', async () => {
    const stack = await getStack();
    const url = await stack.createDatabase(`interrupted_killed_${process.pid}`);
    const db = createDatabase(url, 4);
    opened.push(db);
    await migrateUpTo(db, '0009_relay_claims');
    // As knex leaves it when its process is killed; earlier versions migrated with knex.
    await db.raw(
      'CREATE TABLE schema_migrations_lock (`index` INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, is_locked INT)',
    );
    await db.raw('INSERT INTO schema_migrations_lock (is_locked) VALUES (1)');
    // The first table of the next migration is in use, so that it is killed in the middle of its
    // first statement.
    const user = await db.transaction();
    await user.raw('SELECT * FROM stores');
    const killed = spawn(process.execPath, [...programArguments('cli/main.ts'), 'migrate'], {
      cwd: PROJECT_ROOT,
      env: stack.environment(url, {
        NODE_ENV: 'test',
        MSQPAY_CHECKOUT_URL: 'http://shop.test/{paymentId}',
      }),
      stdio: 'ignore',
    });
    const ended = new Promise((resolve) => killed.once('exit', (_code, signal) => resolve(signal)));
    try {
      await waitUntil(async () => (await countAlters(db)) > 0, {
        timeoutMs: 60_000,
        what: 'the ALTER that waits',
      });
      killed.kill('SIGKILL');
      expect(await ended).to.equal('SIGKILL');
    } finally {
      await user.rollback();
    }
    await migrate(db);
    expect(await selectRows(db, 'SELECT name FROM schema_migrations')).to.have.length(
      migrationSource.length,
    );
  });

  it('refuse a database of a newer version', async () => {
    const db = await openDatabase('newer');
    await migrate(db);
    await execute(db, "INSERT INTO schema_migrations (name, batch) VALUES ('9999_later', 1)");
    const error: unknown = await migrate(db).catch((reason: unknown) => reason);
    expect(error).to.be.an('error').with.property('message').that.includes('9999_later');
  });

  it('hold no lock any more once they have failed, and leave a connection that works', async () => {
    const db = createDatabase(
      await (await getStack()).createDatabase(`interrupted_failed_${process.pid}`),
      1,
    );
    opened.push(db);
    const failing = watchStatements(db, 'before', ({ sql }) =>
      sql.includes('TABLE IF NOT EXISTS payments'),
    );
    expect(await migrate(failing).catch((reason: unknown) => reason)).to.be.instanceOf(Killed);
    // On its one connection, which was given back.
    await migrate(db);
    expect(await selectRows(db, 'SELECT name FROM schema_migrations')).to.have.length(
      migrationSource.length,
    );
  });
});

class Killed extends Error {}

interface Statement {
  readonly sql: string;
  readonly bindings: unknown;
}

/**
 * The database, with an end put to whoever migrates it before or after the statements that
 * `isFatal` says.
 */
function watchStatements(
  db: Database,
  when: 'before' | 'after',
  isFatal: (statement: Statement) => boolean,
): Database {
  const watch = (connection: Transaction): Transaction =>
    new Proxy(connection, {
      get(target, property) {
        if (property !== 'raw') return Reflect.get(target, property) as unknown;
        return async (sql: string, bindings: Knex.RawBinding[] = []) => {
          const isEnd = isFatal({ sql, bindings });
          if (isEnd && when === 'before') throw new Killed();
          const result: unknown = await target.raw(sql, bindings);
          if (isEnd) throw new Killed();
          return result;
        };
      },
    });
  return new Proxy(db, {
    get(target, property) {
      return property === 'transaction'
        ? async () => watch(await target.transaction())
        : (Reflect.get(target, property) as unknown);
    },
  });
}

function records(name: string): (statement: Statement) => boolean {
  return ({ sql, bindings }) =>
    sql.startsWith('INSERT INTO schema_migrations') && (bindings as readonly unknown[])[0] === name;
}

/** Without any interruption before. */
async function migrateUpTo(db: Database, name: string): Promise<void> {
  expect(
    await migrate(watchStatements(db, 'after', records(name))).catch((error: unknown) => error),
  ).to.be.instanceOf(Killed);
}

/** Up to this migration, or the last one; killed at each statement in turn. @returns how often */
async function migrateKilled(
  db: Database,
  when: 'before' | 'after',
  name?: string,
): Promise<number> {
  const seen = new Set<string>();
  for (;;) {
    const killing = watchStatements(db, when, (statement) => {
      // Giving the connection back is no longer a part of it.
      if (statement.sql.includes('RELEASE_LOCK') || statement.sql.endsWith('= DEFAULT'))
        return false;
      const key = JSON.stringify(statement);
      if (seen.has(key)) return false;
      seen.add(key);
      return true;
    });
    try {
      await migrate(killing);
      return seen.size;
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
    }
    if (name === undefined) continue;
    const recorded = await selectRows<{ name: string }>(db, "SHOW TABLES LIKE 'schema_migrations'");
    if (
      recorded.length > 0 &&
      (await selectRows(db, 'SELECT name FROM schema_migrations WHERE name = ?', [name])).length > 0
    )
      return seen.size;
  }
}

async function countAlters(db: Database): Promise<number> {
  const rows = await selectRows<{ Info: string | null }>(db, 'SHOW FULL PROCESSLIST');
  return rows.filter((row) => row.Info?.startsWith('ALTER TABLE stores')).length;
}

const NOW = '2026-01-02 03:04:05.678';

/**
 * Attempts of 700 payers with two stores on two chains, some on their way, transactions with no,
 * one or more hashes, and events of payments.
 */
async function fillFirstSchema(db: Database): Promise<void> {
  const address = (index: number) => `0x${index.toString(16).padStart(40, '0')}`;
  const hash = (index: number) => `0x${index.toString(16).padStart(64, '0')}`;
  const statuses = ['queued', 'submitting', 'submitted', 'unknown', 'mined', 'succeeded', 'failed'];
  const indexes = Array.from({ length: ROWS }, (_, index) => index);
  await db('stores').insert({
    id: 'st_1',
    name: 'Store',
    payout_address: address(1),
    created_at: NOW,
  });
  await db('relay_attempts').insert(
    indexes.map((index) => {
      const status = statuses[index % statuses.length] ?? '';
      const isLive = status !== 'succeeded' && status !== 'failed';
      return {
        id: `rla_${String(index).padStart(5, '0')}`,
        payment_id: hash(index),
        live_payment_id: isLive ? hash(index) : null,
        store_id: `st_${index % 2}`,
        chain_id: 1 + (index % 3 === 0 ? 1 : 0),
        rail: 'forwarder',
        status,
        payer: address(index % 700),
        deadline: NOW,
        request: JSON.stringify({ nonce: String(index) }),
        signature: '0x',
        transaction_id: `rtx_${String(index).padStart(5, '0')}`,
        created_at: NOW,
        updated_at: NOW,
      };
    }),
  );
  await db('relay_transactions').insert(
    indexes.map((index) => ({
      id: `rtx_${String(index).padStart(5, '0')}`,
      chain_id: 1,
      relayer_id: 'main',
      to_address: address(index),
      data: `0xAB${index}`,
      gas_limit: 1,
      valid_until: NOW,
      hashes: JSON.stringify(Array.from({ length: index % 4 }, (_, seq) => hash(index * 4 + seq))),
      sent_at: NOW,
    })),
  );
  await db('events').insert(
    indexes.map((index) => ({
      id: `evt_${String(index).padStart(5, '0')}`,
      store_id: 'st_1',
      type: 'payment.created',
      payment_id: hash(Math.floor(index / 2)),
      version: 1 + (index % 2),
      data: '{}',
      created_at: NOW,
    })),
  );
}

/** What relaying has cost, over three days, and events of refunds. */
async function fillCosts(db: Database): Promise<void> {
  await execute(
    db,
    `UPDATE relay_attempts SET reserved_cost = COALESCE(live_nonce, 7), gas_used = 1000 + SUBSTRING(id, 5), gas_cost = 2000 + SUBSTRING(id, 5),
       gas_charged_at = TIMESTAMPADD(DAY, SUBSTRING(id, 5) % 3, '2026-01-02') WHERE SUBSTRING(id, 5) % 5 > 0`,
  );
  await execute(
    db,
    `INSERT INTO events (id, store_id, type, payment_id, refund_id, version, data, created_at)
     SELECT CONCAT('evt_r', SUBSTRING(id, 5)), store_id, 'refund.created', payment_id, CONCAT('rfd_', SUBSTRING(id, 5)), 1, data, created_at
     FROM events WHERE SUBSTRING(id, 5) % 3 = 0`,
  );
}

/** Every table, as it is made and what is in it. */
async function dump(db: Database): Promise<unknown> {
  const tables = (await selectRows<Record<string, string>>(db, 'SHOW TABLES')).flatMap((row) =>
    Object.values(row),
  );
  const found: unknown[] = [];
  for (const table of tables) {
    const [made] = await selectRows<Record<string, string>>(db, `SHOW CREATE TABLE ${table}`);
    const text = (made?.['Create Table'] ?? '').replace(/ AUTO_INCREMENT=\d+/, '');
    const columns = table === 'schema_migrations' ? 'name' : '*';
    const rows = await selectRows(db, `SELECT ${columns} FROM ${table}`);
    found.push({ table, text, rows: rows.map((row) => JSON.stringify(row)).sort() });
  }
  return found;
}
