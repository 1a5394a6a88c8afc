import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';

import { toProblemReply } from '../../api/http/problem.ts';
import { checkDependencies } from '../../api/routes/service/checkDependencies.ts';
import { migrate } from '../../db/migrate.ts';
import { startDatabase, type Database as Server } from '../../dev/database/startDatabase.ts';
import {
  createDatabase,
  execute,
  inTransaction,
  selectRows,
  type Database,
} from '../../platform/db.ts';
import { errnoOf } from '../../platform/errnoOf.ts';
import type { Context } from '../../platform/context.ts';
import type { WatchedConnection } from '../../platform/dropReadOnlyConnections.ts';
import { createLogger } from '../../platform/logger.ts';
import { createTcpSwitch, type TcpSwitch } from '../support/tcpSwitch.ts';
import { waitUntil } from '../support/waitUntil.ts';

/** The library logs each refusal. */
const silent = createLogger({ log: { level: 'silent', pretty: false } }, 'test');

/** On a server of its own, which other tests do not miss while it refuses everybody. */
describe('a database that is there and refuses to work', function () {
  this.timeout(60_000);
  let folder: string;
  let server: Server;
  let root: Database;
  /** May do what the product may: what only binds others does not bind root. */
  let user: Database;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'msqpay-refusals-'));
    server = await startDatabase({
      dataDir: join(folder, 'database'),
      logPath: join(folder, 'database.log'),
      isDisposable: true,
    });
    const url = new URL(await server.createDatabase('shop'));
    root = createDatabase(url.href, 4, silent);
    await execute(root, 'CREATE TABLE things (id INT PRIMARY KEY, name VARCHAR(20))');
    await execute(root, "INSERT INTO things VALUES (1, 'one')");
    await execute(root, "CREATE USER shop@'127.0.0.1' IDENTIFIED BY 'a password'");
    await execute(root, "GRANT SELECT, INSERT, UPDATE, DELETE ON shop.* TO shop@'127.0.0.1'");
    url.username = 'shop';
    url.password = 'a password';
    user = createDatabase(url.href, 4, silent);
  });
  after(async () => {
    await Promise.all([user.destroy(), root.destroy()]);
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function expectUnavailable(work: Promise<unknown>, errno?: number): Promise<void> {
    const error = await work.then(
      () => expect.fail('the database did it'),
      (reason: unknown) => reason,
    );
    if (errno !== undefined) expect(errnoOf(error), String(error)).to.equal(errno);
    expect(toProblemReply(error, 'req_1').status, String(error)).to.equal(503);
  }
  const update = (db: Database) => execute(db, "UPDATE things SET name = 'two' WHERE id = 1");
  const connectionOf = async (db: Parameters<typeof selectRows>[0]) =>
    Number((await selectRows<{ id: string }>(db, 'SELECT CONNECTION_ID() AS id'))[0]?.id);

  it('is unavailable while it is read-only, as during a failover', async () => {
    await update(user);
    await execute(root, 'SET GLOBAL read_only = 1');
    try {
      await expectUnavailable(update(user), 1290);
    } finally {
      await execute(root, 'SET GLOBAL read_only = 0');
    }
    expect(await update(user)).to.equal(1);
  });

  it('is unavailable to a transaction that may only read, on a connection that is not used again', async () => {
    const one = createDatabase(`${server.url}/shop`, 1, silent);
    try {
      await selectRows(one, 'SET SESSION TRANSACTION READ ONLY');
      await expectUnavailable(update(one), 1792);
      expect(await update(one)).to.equal(1);
    } finally {
      await one.destroy();
    }
  });

  for (const errno of [1290, 1792, 1836, 1047]) {
    it(`is unavailable when it says ${errno}, on a connection that is not used again`, async () => {
      const one = createDatabase(`${server.url}/shop`, 1, silent);
      try {
        const before = await connectionOf(one);
        // The server is well, and is made to say it.
        await expectUnavailable(
          execute(
            one,
            `SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = ${errno}, MESSAGE_TEXT = 'not now'`,
          ),
          errno,
        );
        expect(await connectionOf(one)).not.to.equal(before);
      } finally {
        await one.destroy();
      }
    });
  }

  it('is unavailable when a proxy in front of it has no server, or a replicated group refuses a commit again and again', async () => {
    for (const errno of [9001, 3101]) {
      await expectUnavailable(
        execute(
          user,
          `SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = ${errno}, MESSAGE_TEXT = 'not now'`,
        ),
        errno,
      );
    }
  });

  it('is asked once more when a replicated group refused a commit', async () => {
    let tries = 0;
    const result = await inTransaction(user, async (trx) => {
      if (++tries === 1)
        await execute(
          trx,
          "SIGNAL SQLSTATE '40000' SET MYSQL_ERRNO = 3101, MESSAGE_TEXT = 'rolled back'",
        );
      return execute(trx, "UPDATE things SET name = 'three' WHERE id = 1");
    });
    expect([tries, result]).to.deep.equal([2, 1]);
  });

  describe('behind an address that leads to another server now', () => {
    let second: Server;
    let address: TcpSwitch;
    let moved: Database;

    before(async () => {
      second = await startDatabase({
        dataDir: join(folder, 'second'),
        logPath: join(folder, 'second.log'),
        isDisposable: true,
      });
      const secondRoot = createDatabase(await second.createDatabase('shop'), 1, silent);
      for (const db of [root, secondRoot]) {
        await migrate(db);
        await execute(db, "CREATE USER IF NOT EXISTS shop@'127.0.0.1' IDENTIFIED BY 'a password'");
        await execute(db, "GRANT SELECT, INSERT, UPDATE, DELETE ON shop.* TO shop@'127.0.0.1'");
      }
      await execute(secondRoot, 'CREATE TABLE things (id INT PRIMARY KEY, name VARCHAR(20))');
      await execute(secondRoot, "INSERT INTO things VALUES (1, 'of the second')");
      await secondRoot.destroy();
      address = await createTcpSwitch(Number(new URL(server.url).port));
    });
    beforeEach(async () => {
      moved = createDatabase(
        `mysql://shop:${encodeURIComponent('a password')}@127.0.0.1:${address.port}/shop`,
        4,
        silent,
      );
      // As many live connections as the pool has, all to the first server.
      address.leadTo(Number(new URL(server.url).port));
      await Promise.all([1, 2, 3, 4].map(() => selectRows(moved, 'SELECT SLEEP(0.1)')));
      address.leadTo(Number(new URL(second.url).port));
      await execute(root, 'SET GLOBAL read_only = 1');
    });
    afterEach(async () => {
      await execute(root, 'SET GLOBAL read_only = 0');
      await moved.destroy();
    });
    after(async () => {
      await address.close();
      await second.close();
    });

    it('a single statement is unavailable once, and the next one reaches the new primary on every connection', async () => {
      await expectUnavailable(update(moved), 1290);
      const done = await Promise.all([1, 2, 3, 4, 5, 6].map(() => update(moved)));
      expect(done).to.deep.equal([1, 1, 1, 1, 1, 1]);
      expect(await selectRows(moved, 'SELECT name FROM things')).to.deep.equal([{ name: 'two' }]);
      expect(address.opened).to.be.within(1, 4);
    });

    it('a connection that the pool is ending already is left alone', async () => {
      // As Knex ends one: listeners off, and the other side silent about it.
      const connection = await (
        moved.client as {
          acquireConnection(): Promise<WatchedConnection & { removeAllListeners(): void }>;
        }
      ).acquireConnection();
      connection.removeAllListeners();
      await (
        moved.client as { releaseConnection(connection: unknown): Promise<void> }
      ).releaseConnection(connection);
      await expectUnavailable(update(moved), 1290);
    });

    it('a transaction is done on the new primary', async () => {
      const [row] = await inTransaction(moved, async (trx) => {
        await execute(trx, "UPDATE things SET name = 'moved' WHERE id = 1");
        return selectRows<{ name: string }>(trx, 'SELECT name FROM things');
      });
      expect(row).to.deep.equal({ name: 'moved' });
    });

    it('readiness tries a write, and finds it', async () => {
      const ctx = {
        db: moved,
        config: { chains: [], queuePrefix: '{x}' },
        chains: new Map(),
        random: Math.random,
        log: silent,
        redis: {},
      };
      const status = async () =>
        (await checkDependencies(ctx as unknown as Context)).find(({ name }) => name === 'database')
          ?.status;
      address.leadTo(Number(new URL(server.url).port));
      expect(await status(), 'the first server does not write').to.equal('down');
      address.leadTo(Number(new URL(second.url).port));
      await waitUntil(async () => (await status()) === 'up', { what: 'readiness' });
    });
  });

  it('is unavailable while it gives our user no more connections', async () => {
    await execute(
      root,
      "CREATE USER few@'127.0.0.1' IDENTIFIED BY 'a password' WITH MAX_USER_CONNECTIONS 1",
    );
    const url = new URL(server.url);
    url.username = 'few';
    url.password = 'a password';
    const few = createDatabase(url.href, 3, silent);
    try {
      await expectUnavailable(
        Promise.all([1, 2, 3].map(() => selectRows(few, 'SELECT SLEEP(0.3)'))),
        1226,
      );
    } finally {
      await few.destroy();
    }
  });

  for (const [what, command, errno] of [
    ['a statement', 'KILL QUERY', 1317],
    // The client sees the connection end; which error it sees differs between the servers.
    ['a connection', 'KILL', undefined],
  ] as const) {
    it(`is unavailable when an operator ends ${what} that waits for a lock, and works again at once`, async () => {
      await inTransaction(root, async (holder) => {
        await execute(holder, "UPDATE things SET name = 'three' WHERE id = 1");
        await expectUnavailable(
          inTransaction(user, async (trx) => {
            const id = await connectionOf(trx);
            const waiting = execute(trx, "UPDATE things SET name = 'four' WHERE id = 1");
            const isWaiting =
              "SELECT 1 FROM information_schema.innodb_trx WHERE trx_mysql_thread_id = ? AND trx_state = 'LOCK WAIT'";
            const killing = waitUntil(
              async () => (await selectRows(root, isWaiting, [id])).length > 0,
              {
                what: 'it to wait for the lock',
                // Asked more often, the database says what it said before.
                everyMs: 250,
              },
            ).then(() => execute(root, `${command} ${id}`));
            const [ended] = await Promise.allSettled([waiting, killing]);
            if (ended.status === 'rejected') throw ended.reason;
          }),
          errno,
        );
      });
      expect(await update(user)).to.equal(1);
    });
  }

  it('is unavailable to a process that was stopped until the server had hung up, and works again when it has taken note', async () => {
    const one = createDatabase(`${server.url}/shop`, 1, silent);
    try {
      await selectRows(one, 'SET SESSION wait_timeout = 1');
      // As long as a process stands still it does not see that it was hung up on; so the next
      // statement goes out on this connection.
      const until = Date.now() + 2_500;
      while (Date.now() < until);
      await expectUnavailable(selectRows(one, 'SELECT 1'));
      // MySQL says on the connection that it hung up, and only then is it found to be closed: two
      // statements fail.
      const seen: Error[] = [];
      await waitUntil(() => update(one).catch((error: Error) => void seen.push(error)));
      for (const error of seen) await expectUnavailable(Promise.reject(error));
      expect(seen.length).to.be.lessThan(2);
    } finally {
      await one.destroy();
    }
  });
});
