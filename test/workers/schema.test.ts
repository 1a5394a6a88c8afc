import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';

import { migrate } from '../../db/migrate.ts';
import { TABLES } from '../../db/tables.ts';
import { describeSchema, SCHEMA_FILE } from '../../dev/describeSchema.ts';
import { createDatabase, selectRows, type Database } from '../../platform/db.ts';
import { PROJECT_ROOT } from '../../platform/projectRoot.ts';
import { getStack } from '../support/stack.ts';

describe('db/schema.sql', function () {
  this.timeout(60_000);

  const printed = readFileSync(join(PROJECT_ROOT, SCHEMA_FILE), 'utf8');

  async function inDatabase<T>(name: string, work: (db: Database) => Promise<T>): Promise<T> {
    const url = await (await getStack()).createDatabase(`schema_${name}_${process.pid}`);
    const db = createDatabase(url, 2);
    try {
      return await work(db);
    } finally {
      await db.destroy();
    }
  }

  it('is what the migrations lead to, on whichever server: else run `npm run db:schema`', async () => {
    await inDatabase('migrated', async (db) => {
      await migrate(db);
      expect(await describeSchema(db)).to.equal(printed);
    });
  });

  it('makes the same tables', async () => {
    await inDatabase('made', async (db) => {
      const statements = printed.replaceAll(/^--.*$/gm, '').split(/;$/m);
      for (const statement of statements.filter((text) => text.trim() !== ''))
        await db.raw(statement.replaceAll('?', '\\?'));
      expect(await describeSchema(db)).to.equal(printed);
    });
  });

  it('is not printed of a database with a table that nobody owns, or without one', async () => {
    await inDatabase('unowned', async (db) => {
      const reasonOf = async () =>
        String(await describeSchema(db).catch((reason: unknown) => reason));
      await migrate(db);
      await db.raw('CREATE TABLE leftovers (id INT)');
      expect(await reasonOf()).to.contain('db/tables.ts does not have leftovers');
      await db.raw('DROP TABLE leftovers, readiness_writes');
      expect(await reasonOf()).to.contain('the database has no table readiness_writes');
    });
  });

  it('names the owner of each', async () => {
    const owners = [...printed.matchAll(/^-- (\S+)\nCREATE TABLE (\w+)/gm)];
    expect(Object.fromEntries(owners.map(([, owner, table]) => [table, owner]))).to.deep.equal(
      TABLES,
    );
    await inDatabase('counted', async (db) => {
      await migrate(db);
      expect(await selectRows(db, 'SHOW TABLES')).to.have.length(owners.length);
    });
  });
});
