import { expect } from 'chai';

import { migrate, migrateBack, renameRecorded } from '../../db/migrate.ts';
import { migrationSource } from '../../db/migrationSource.ts';
import { createDatabase, execute, selectRows, type Database } from '../../platform/db.ts';
import { getStack } from '../support/stack.ts';

/** As the release recorded them that had all of these. */
const RELEASED = [
  '0001_spine',
  '0002_relay_engine',
  '0003_local_relayer',
  '0004_relayer_watch',
  '0005_scan_progress',
  '0007_chain_rereads',
  '0009_claims',
  '0010_turns',
  '0011_relay_waste',
  '0012_relay_usage',
  '0013_relay_hashes',
  '0014_relay_flights',
  '0015_list_indexes',
  '0016_settled_time',
  '0018_priorities',
  '0020_readiness_writes',
  '0021_outbox_by_queue',
  '0022_due_deliveries',
  '0026_work_failures',
  '0027_outbox_stores',
  '0028_outbox_put_off',
  '0029_relay_transaction_items',
];

describe('migrations that earlier versions recorded under other names', function () {
  this.timeout(120_000);

  const names = migrationSource.map(({ name }) => name);
  const opened: Database[] = [];
  after(async () => {
    for (const db of opened) await db.destroy();
  });

  const readNames = async (db: Database) =>
    (await selectRows<{ name: string }>(db, 'SELECT name FROM schema_migrations ORDER BY id')).map(
      ({ name }) => name,
    );

  /** A database that the release migrated, as far as it had come with the last of these. */
  async function openReleased(title: string, last: string) {
    const url = await (await getStack()).createDatabase(`renamed_${title}_${process.pid}`);
    const open = () => {
      const db = createDatabase(url, 2);
      opened.push(db);
      return db;
    };
    const db = open();
    const recorded = RELEASED.slice(0, RELEASED.indexOf(last) + 1);
    await migrate(db, () => undefined, names[recorded.length - 1]);
    for (const [index, name] of recorded.entries())
      await execute(db, 'UPDATE schema_migrations SET name = ? WHERE name = ?', [
        name,
        names[index] ?? '',
      ]);
    expect(await readNames(db)).to.deep.equal(recorded);
    return { db, open, recorded };
  }

  const describeTables = async (db: Database) => {
    const tables = (await selectRows<Record<string, string>>(db, 'SHOW TABLES')).flatMap((row) =>
      Object.values(row),
    );
    const made: string[] = [];
    for (const table of tables) {
      const [row] = await selectRows<Record<string, string>>(db, `SHOW CREATE TABLE ${table}`);
      made.push((row?.['Create Table'] ?? '').replace(/ AUTO_INCREMENT=\d+/, ''));
    }
    return made;
  };

  it('each has kept its number, and is named by its module', () => {
    expect(names.slice(0, RELEASED.length).map((name) => name.slice(0, 5))).to.deep.equal(
      RELEASED.map((name) => name.slice(0, 5)),
    );
    for (const name of names) expect(name).to.match(/^\d{4}_[a-z]+(_[a-z]+)+$/);
  });

  for (const last of ['0029_relay_transaction_items', '0015_list_indexes']) {
    it(`up to ${last}: what is missing is run, and nothing again; all the way back; and up`, async () => {
      const { db, recorded } = await openReleased(last.slice(0, 4), last);
      await execute(
        db,
        "INSERT INTO stores (id, name, payout_address, created_at) VALUES ('st_1', 'Shop', '0x', NOW(3))",
      );
      const told: string[] = [];
      await migrate(db, (message) => told.push(message));
      expect(told).to.deep.equal(names.slice(recorded.length).map((name) => `${name} …`));
      expect(await readNames(db)).to.deep.equal(names);
      expect(await selectRows(db, 'SELECT id FROM stores')).to.deep.equal([{ id: 'st_1' }]);
      const migrated = await describeTables(db);

      await migrateBack(db, names[0] ?? '');
      expect(await readNames(db)).to.deep.equal([]);
      expect(await selectRows(db, 'SHOW TABLES')).to.have.length(1);
      await migrate(db);
      expect(await readNames(db)).to.deep.equal(names);
      expect(await describeTables(db)).to.deep.equal(migrated);
    });

    it(`up to ${last}: goes back at once`, async () => {
      const { db, recorded } = await openReleased(`back_${last.slice(0, 4)}`, last);
      const newest = names[recorded.length - 1] ?? '';
      await migrateBack(db, newest);
      expect(await readNames(db)).to.deep.equal(names.slice(0, recorded.length - 1));
    });
  }

  it('are renamed once by several processes that begin at the same time', async () => {
    const { db, open } = await openReleased('together', '0015_list_indexes');
    const told: string[] = [];
    await Promise.all([
      ...[open(), open(), open()].map((other) => migrate(other, (message) => told.push(message))),
      renameRecorded(open()),
    ]);
    expect(await readNames(db)).to.deep.equal(names);
    const run = told.filter((message) => message.endsWith(' …'));
    expect(run).to.deep.equal(names.slice(13).map((name) => `${name} …`));
  });

  it('are renamed for whoever compares the record, where there is one', async () => {
    const { db } = await openReleased('renamed', '0029_relay_transaction_items');
    await renameRecorded(db);
    expect(await readNames(db)).to.deep.equal(names.slice(0, RELEASED.length));
    const url = await (await getStack()).createDatabase(`renamed_empty_${process.pid}`);
    const empty = createDatabase(url, 2);
    opened.push(empty);
    await renameRecorded(empty);
    expect(await selectRows(empty, 'SHOW TABLES')).to.deep.equal([]);
  });
});
