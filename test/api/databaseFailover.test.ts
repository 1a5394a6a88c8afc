import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';

import { migrate } from '../../db/migrate.ts';
import { startDatabase, type Database as Server } from '../../dev/database/startDatabase.ts';
import {
  createDatabase,
  execute,
  inTransaction,
  selectRows,
  type Database,
} from '../../platform/db.ts';
import { createLogger } from '../../platform/logger.ts';
import { startHealthServer } from '../../workers/startHealthServer.ts';
import { createTcpSwitch, type TcpSwitch } from '../support/tcpSwitch.ts';
import { waitUntil } from '../support/waitUntil.ts';
import {
  paymentRequest,
  readProblem,
  startTestApi,
  type Payment,
  type TestApi,
} from './startTestApi.ts';

const PASSWORD = 'a password';
/** The library logs each refusal. */
const silent = createLogger({ log: { level: 'silent', pretty: false } }, 'test');

/**
 * Two servers behind one address. Neither ever dies: connections stay as they are, and only what
 * new ones lead to changes.
 */
describe('a fail-over of the database', function () {
  this.timeout(120_000);

  let folder: string;
  const servers: Server[] = [];
  /** Of each server, as root, whom nothing binds that binds the product. */
  const roots: Database[] = [];
  let address: TcpSwitch;
  let api: TestApi;
  let workers: Awaited<ReturnType<typeof startHealthServer>>;
  let orders = 0;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'msqpay-failover-'));
    for (const name of ['first', 'second']) {
      const server = await startDatabase({
        dataDir: join(folder, name),
        logPath: join(folder, `${name}.log`),
      });
      const root = createDatabase(await server.createDatabase('shop'), 4, silent);
      servers.push(server);
      roots.push(root);
      await execute(root, `CREATE USER shop@'127.0.0.1' IDENTIFIED BY '${PASSWORD}'`);
      await execute(root, "GRANT ALL ON shop.* TO shop@'127.0.0.1'");
    }
    address = await createTcpSwitch(portOf(0));
    const url = `mysql://shop:${encodeURIComponent(PASSWORD)}@127.0.0.1:${address.port}/shop`;
    api = await startTestApi({ env: { DATABASE_URL: url } });
    workers = await startHealthServer(api.ctx, '127.0.0.1', 0);
    // As replication would have it: the store and its key are there too.
    const [first, second] = [rootAt(0), rootAt(1)];
    await migrate(second);
    await inTransaction(second, async (trx) => {
      // Tables may refer to each other.
      await trx.raw('SET SESSION foreign_key_checks = 0');
      for (const table of await listTables(first)) {
        const rows = (await first(table).select()) as Record<string, unknown>[];
        if (rows.length > 0 && !table.startsWith('schema_migrations'))
          await trx(table).insert(rows);
      }
      await trx.raw('SET SESSION foreign_key_checks = 1');
    });
  });
  after(async () => {
    await workers.close();
    await api.close();
    await address.close();
    await Promise.all(roots.map((root) => root.destroy()));
    await Promise.all(servers.map((server) => server.close()));
    rmSync(folder, { recursive: true, force: true });
  });
  afterEach(async () => {
    for (const root of roots) await execute(root, 'SET GLOBAL read_only = 0');
  });

  function rootAt(index: number): Database {
    const root = roots[index];
    if (root === undefined) throw new Error('there is no such server');
    return root;
  }
  const portOf = (index: number) => servers[index]?.port ?? 0;
  async function listTables(db: Database): Promise<string[]> {
    return (await selectRows<Record<string, string>>(db, 'SHOW TABLES')).flatMap((row) =>
      Object.values(row),
    );
  }
  const setReadOnly = (index: number) => execute(rootAt(index), 'SET GLOBAL read_only = 1');
  const post = (key: string) =>
    api.call('/payments', {
      headers: { 'idempotency-key': key },
      json: paymentRequest(api, { orderId: key }),
    });
  const nextKey = () => `order-${++orders}`;
  async function expectUnavailable(response: Response): Promise<void> {
    expect(Number(response.headers.get('retry-after'))).to.be.at.least(1);
    expect(await readProblem(response)).to.include({ status: 503, code: 'PAY_026' });
  }
  /** As many live connections as the pool has. */
  const fillPool = () => Promise.all(Array.from({ length: 40 }, () => api.call('/payments')));
  const isAt = async (index: number, { paymentId }: Payment) =>
    (await selectRows(rootAt(index), 'SELECT id FROM payments WHERE id = ?', [paymentId]))
      .length === 1;
  const readiness = async () => (await fetch(`${api.url}/readyz`)).status;
  const health = async () => {
    const response = await fetch(`${workers.url}/healthz`);
    const { database, redis } = (await response.json()) as { database: boolean; redis: boolean };
    return { status: response.status, database, redis };
  };

  it('costs a request with live connections one 503 at most, and the next try reaches the new primary', async () => {
    await fillPool();
    const before = (await (await post(nextKey())).json()) as Payment;
    expect(await isAt(0, before)).to.equal(true);

    await setReadOnly(0);
    address.leadTo(portOf(1));
    const key = nextKey();
    const first = await post(key);
    if (first.status !== 201) await expectUnavailable(first);
    const second = await post(key);
    expect(second.status, await second.clone().text()).to.equal(201);
    expect(await isAt(1, (await second.json()) as Payment)).to.equal(true);
    expect(address.opened).to.be.at.least(1);
    const others = await Promise.all(Array.from({ length: 40 }, () => post(nextKey())));
    expect(others.map(({ status }) => status)).to.deep.equal(others.map(() => 201));
  });

  it('that has not come to its end is a 503 with Retry-After and no readiness, of the workers neither, until the address leads on', async () => {
    address.leadTo(portOf(1));
    await fillPool();
    await setReadOnly(1);
    const key = nextKey();
    for (let tries = 0; tries < 3; tries++) await expectUnavailable(await post(key));
    await waitUntil(async () => (await readiness()) === 503, { what: 'no readiness' });
    await waitUntil(async () => (await health()).status === 503, { what: 'no health' });
    expect(await health()).to.deep.equal({ status: 503, database: false, redis: true });

    address.leadTo(portOf(0));
    const response = await post(key);
    expect(response.status, await response.clone().text()).to.equal(201);
    expect(await isAt(0, (await response.json()) as Payment)).to.equal(true);
    await waitUntil(async () => (await readiness()) === 200, { what: 'readiness' });
    await waitUntil(async () => (await health()).status === 200, { what: 'health' });
  });
});
