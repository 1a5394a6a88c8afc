import { expect } from 'chai';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createConnection } from 'mysql2/promise';
import type { RowDataPacket } from 'mysql2/promise';
import { DirectoryInUseError, isProcessAlive } from '../../dev/childProcess.ts';
import { startDatabase } from '../../dev/database/startDatabase.ts';
import type { Database } from '../../dev/database/startDatabase.ts';

describe('startDatabase', function () {
  this.timeout(60_000);
  let folder: string;
  let database: Database | undefined;
  const start = async (): Promise<Database> => {
    database = await startDatabase({
      dataDir: join(folder, 'database'),
      logPath: join(folder, 'database.log'),
    });
    return database;
  };

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'msqpay-database-'));
  });
  afterEach(async () => {
    await database?.close();
    database = undefined;
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('keeps every acknowledged commit when the server is killed, on the same address', async () => {
    const { url, pid, ...handle } = await start();
    const shop = await handle.createDatabase('shop');
    await run(
      shop,
      'CREATE TABLE payment (id INT PRIMARY KEY)',
      'INSERT INTO payment VALUES (1), (2)',
    );
    await database?.kill('SIGKILL');
    expect(isProcessAlive(pid)).to.equal(false);
    await database?.restart();
    expect(database?.url).to.equal(url);
    expect(database?.pid).to.not.equal(pid);
    expect(await run(shop, 'SELECT id FROM payment ORDER BY id')).to.deep.equal([
      { id: 1 },
      { id: 2 },
    ]);
  });

  it('finds the data of an earlier run, whose leftovers do not hinder it', async () => {
    const first = await start();
    await run(
      await first.createDatabase('earlier'),
      'CREATE TABLE t (id INT)',
      'INSERT INTO t VALUES (7)',
    );
    await first.close();
    // What a machine that lost its power leaves: the claims of processes that are no more.
    const gone = JSON.stringify({ pid: 2 ** 22 - 1, startTime: '1', command: '' });
    writeFileSync(join(folder, 'database', 'owner.json'), gone);
    writeFileSync(join(folder, 'database', 'process.json'), gone);
    const second = await start();
    expect(await run(`${second.url}/earlier`, 'SELECT id FROM t')).to.deep.equal([{ id: 7 }]);
  });

  it('refuses a data folder that a live process uses, and says which', async () => {
    await start();
    const error = await startDatabase({
      dataDir: join(folder, 'database'),
      logPath: join(folder, 'second.log'),
    }).catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(DirectoryInUseError);
    expect((error as Error).message).to.include(join(folder, 'database'));
  });

  it('runs durably, in UTC, with READ COMMITTED and utf8mb4', async () => {
    const { url } = await start();
    const [settings] = await run(
      url,
      `SELECT @@innodb_flush_log_at_trx_commit AS flush, @@time_zone AS zone, @@character_set_server AS charset,
       ${database?.flavour === 'mariadb' ? '@@tx_isolation' : '@@transaction_isolation'} AS isolation`,
    );
    expect(settings).to.deep.equal({
      flush: 1,
      zone: '+00:00',
      charset: 'utf8mb4',
      isolation: 'READ-COMMITTED',
    });
  });

  it('is of the kind that DEV_DATABASE asks for, and refuses a kind that there is not', async () => {
    const { url, flavour, description } = await start();
    const [row] = await run(url, 'SELECT VERSION() AS version');
    const kind = (row as { version: string }).version.includes('MariaDB') ? 'mariadb' : 'mysql';
    expect(flavour === 'docker' ? 'mysql' : flavour).to.equal(kind);
    expect(description).to.match(kind === 'mariadb' ? /^MariaDB/ : /^MySQL/);
    const wanted = process.env['DEV_DATABASE'];
    if (wanted !== undefined && wanted !== '') expect(kind).to.equal(wanted);
    await database?.close();
    database = undefined;
    expect(await withEnvironment('DEV_DATABASE', 'postgres', () => reasonOf(start()))).to.match(
      /mariadb or mysql/,
    );
  });

  it('takes no other server when the one that DEV_MYSQLD names is none', async () => {
    expect(await withEnvironment('DEV_MYSQLD', process.execPath, () => reasonOf(start()))).to.match(
      /no database server/,
    );
    expect(await withEnvironment('DEV_MYSQLD', '/nonexistent', () => reasonOf(start()))).to.match(
      /nonexistent/,
    );
  });

  it('lets nobody in without its password, and creates and drops databases only by safe names', async () => {
    const { port, createDatabase, dropDatabase, url } = await start();
    expect(await reasonOf(run(`mysql://root@127.0.0.1:${port}`, 'SELECT 1'))).to.match(
      /Access denied/,
    );
    expect(await reasonOf(createDatabase('a`; DROP DATABASE mysql'))).to.match(
      /Not a database name/,
    );
    await createDatabase('gone');
    await dropDatabase('gone');
    expect(await run(url, "SHOW DATABASES LIKE 'gone'")).to.deep.equal([]);
    expect(readFileSync(join(folder, 'database.log'), 'utf8')).to.not.include(
      new URL(url).password,
    );
  });

  it('leaves no process behind when closed', async () => {
    const { pid } = await start();
    expect(isProcessAlive(pid)).to.equal(true);
    await database?.close();
    expect(isProcessAlive(pid)).to.equal(false);
  });
});

async function run(url: string, ...statements: string[]): Promise<unknown[]> {
  const connection = await createConnection(url);
  try {
    let rows: unknown[] = [];
    for (const statement of statements) {
      const [result] = await connection.query<RowDataPacket[]>(statement);
      rows = Array.isArray(result) ? result.map((row) => ({ ...row })) : [];
    }
    return rows;
  } finally {
    await connection.end();
  }
}

async function withEnvironment<T>(name: string, value: string, work: () => Promise<T>): Promise<T> {
  const before = process.env[name];
  process.env[name] = value;
  try {
    return await work();
  } finally {
    if (before === undefined) delete process.env[name];
    else process.env[name] = before;
  }
}

async function reasonOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'no error';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
