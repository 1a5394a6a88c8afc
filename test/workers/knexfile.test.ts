import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';

import { migrationSource } from '../../db/migrationSource.ts';
import { createDatabase, execute, selectRows, type Database } from '../../platform/db.ts';
import { PROJECT_ROOT } from '../../platform/projectRoot.ts';
import { LOADER_ARGUMENTS, modulePath } from '../support/programArguments.ts';
import { getStack } from '../support/stack.ts';
import { waitUntil } from '../support/waitUntil.ts';

interface Run {
  /** Of both streams, so far. */
  output(): string;
  /** Resolves with the exit code. */
  readonly ended: Promise<number | null>;
}

const KNEX = ['node_modules/knex/bin/cli.js', '--knexfile', modulePath('knexfile.ts')];

/** Knex's own command line, with the project's knexfile. */
describe('knex’s command line', function () {
  this.timeout(120_000);

  const names = migrationSource.map(({ name }) => name);
  const opened: Database[] = [];
  after(async () => {
    for (const db of opened) await db.destroy();
  });

  async function openEmpty(
    name: string,
  ): Promise<{ url: string; db: Database; knex: (...args: string[]) => Run; cli: () => Run }> {
    const stack = await getStack();
    const url = await stack.createDatabase(`knexfile_${name}_${process.pid}`);
    const db = createDatabase(url, 2);
    opened.push(db);
    const environment = stack.environment(url, {
      MSQPAY_CHECKOUT_URL: 'http://shop.test/{paymentId}',
      NODE_ENV: 'test',
    });
    return {
      url,
      db,
      // It needs nothing of the server's configuration but this.
      knex: (...args) => run([...KNEX, ...args], { PATH: process.env['PATH'], DATABASE_URL: url }),
      cli: () => run([modulePath('cli/main.ts'), 'migrate'], environment),
    };
  }

  const run = (args: readonly string[], env: NodeJS.ProcessEnv) =>
    start([...LOADER_ARGUMENTS, ...args], env);

  function start(args: readonly string[], env: NodeJS.ProcessEnv): Run {
    const child = spawn(process.execPath, args, {
      cwd: PROJECT_ROOT,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')));
    return { output: () => output, ended: new Promise((resolve) => child.once('close', resolve)) };
  }

  async function expectOk(process_: Run): Promise<string> {
    expect(await process_.ended, process_.output()).to.equal(0);
    return process_.output();
  }

  const readRecord = async (db: Database) =>
    (await selectRows<{ name: string }>(db, 'SELECT name FROM schema_migrations ORDER BY id')).map(
      (row) => row.name,
    );

  it('tells what was migrated and what was not, and migrates one, or all that is missing', async () => {
    const { db, knex, cli } = await openEmpty('status');
    expect(await expectOk(knex('migrate:status'))).to.contain('No Completed Migration files Found');

    expect(await expectOk(knex('migrate:up'))).to.contain(`${names[0]} …`);
    expect(await readRecord(db)).to.deep.equal(names.slice(0, 1));
    const status = await expectOk(knex('migrate:status'));
    expect(status)
      .to.contain('Found 1 Completed Migration')
      .and.to.contain(`Found ${names.length - 1} Pending Migration`);

    expect(await expectOk(knex('migrate:latest'))).to.contain(`${names.at(-1)} …`);
    expect(await readRecord(db)).to.deep.equal(names);
    expect(await expectOk(knex('migrate:latest'))).to.contain('Already up to date');
    await expectOk(cli());
    expect(await readRecord(db)).to.deep.equal(names);
  });

  it('knows what the server’s own command has migrated', async () => {
    const { knex, cli } = await openEmpty('own');
    await expectOk(cli());
    expect(await expectOk(knex('migrate:status'))).to.contain('No Pending Migration files Found');
  });

  it('knows what an earlier version has migrated under other names', async () => {
    const { db, knex } = await openEmpty('renamed');
    await expectOk(knex('migrate:latest'));
    for (const { name, formerName } of migrationSource)
      if (formerName !== undefined)
        await execute(db, 'UPDATE schema_migrations SET name = ? WHERE name = ?', [
          formerName,
          name,
        ]);
    expect(await expectOk(knex('migrate:latest'))).to.contain('Already up to date');
    expect(await readRecord(db)).to.deep.equal(names);
  });

  it('waits for a process that migrates, and does not do what that has done', async () => {
    const { db, knex } = await openEmpty('waits');
    // The lock of db/migrate.ts, held on a connection of its own as by a process that migrates.
    const holder = await db.transaction();
    await holder.raw(
      "SELECT GET_LOCK(CONCAT('msqpay_migrate_', LEFT(SHA2(DATABASE(), 256), 32)), 0)",
    );
    const waiting = knex('migrate:latest');
    try {
      await waitUntil(() => waiting.output().includes('another process migrates'), {
        timeoutMs: 60_000,
        what: 'the command to wait',
      });
      expect(await selectRows(db, "SHOW TABLES LIKE 'payments'")).to.deep.equal([]);
    } finally {
      await holder.raw(
        "DO RELEASE_LOCK(CONCAT('msqpay_migrate_', LEFT(SHA2(DATABASE(), 256), 32)))",
      );
      await holder.rollback();
    }
    await expectOk(waiting);
    expect(await readRecord(db)).to.deep.equal(names);
  });

  it('may be run twice at once, and beside the server’s own command', async () => {
    const { db, knex, cli } = await openEmpty('twice');
    // Its first command makes tables of knex's own, and is not made for two at once.
    await expectOk(knex('migrate:status'));
    const runs = [knex('migrate:latest'), cli(), knex('migrate:latest')];
    for (const each of runs) await expectOk(each);
    expect(await readRecord(db)).to.deep.equal(names);
  });

  it('takes nothing back', async () => {
    const { db, knex } = await openEmpty('back');
    await expectOk(knex('migrate:latest'));
    await execute(
      db,
      "INSERT INTO stores (id, name, payout_address, created_at) VALUES ('st_1', 'Shop', '0x', NOW(3))",
    );
    for (const command of ['migrate:rollback', 'migrate:down']) {
      const back = knex(command);
      expect(await back.ended).to.equal(1);
      expect(back.output()).to.contain('migrations only go forward');
    }
    expect(await readRecord(db)).to.deep.equal(names);
    expect(await selectRows(db, 'SELECT id FROM stores')).to.deep.equal([{ id: 'st_1' }]);
  });

  it('is `npm run knex`', async () => {
    const { scripts } = JSON.parse(readFileSync(join(PROJECT_ROOT, 'package.json'), 'utf8')) as {
      scripts: { knex: string };
    };
    const [node, ...args] = scripts.knex.split(' ');
    expect(node).to.equal('node');
    const { url } = await openEmpty('script');
    const status = start([...args, 'migrate:status'], {
      PATH: process.env['PATH'],
      DATABASE_URL: url,
    });
    expect(await expectOk(status)).to.contain('No Completed Migration files Found');
  });

  it('says what is wrong with DATABASE_URL, and does not show it', async () => {
    const wrong = run([...KNEX, 'migrate:status'], {
      PATH: process.env['PATH'],
      DATABASE_URL: 'mysql://root:hunter2@127.0.0.1/x?sslmode=require',
    });
    expect(await wrong.ended).to.equal(1);
    expect(wrong.output()).to.contain('ssl-mode').and.not.to.contain('hunter2');
  });
});
