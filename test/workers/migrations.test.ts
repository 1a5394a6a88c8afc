import { expect } from 'chai';

import { createDatabase, migrate, selectRows } from '../../platform/db.ts';
import { getStack } from '../support/stack.ts';

describe('the migrations', () => {
  it('go all the way back, and forward again to the very same tables', async () => {
    const stack = await getStack();
    const db = createDatabase(await stack.createDatabase(`migrations_${process.pid}`), 2);
    const readTables = async () => {
      const tables = await selectRows<Record<string, string>>(db, 'SHOW TABLES');
      const found: string[] = [];
      for (const name of tables.flatMap((row) => Object.values(row)).filter((table) => !table.startsWith('schema_migrations'))) {
        const [row] = await selectRows<Record<string, string>>(db, `SHOW CREATE TABLE ${name}`);
        found.push((row?.['Create Table'] ?? '').replace(/ AUTO_INCREMENT=\d+/, ''));
      }
      return found;
    };
    try {
      await migrate(db);
      const before = await readTables();
      expect(before).to.have.length.greaterThan(10);
      await db.migrate.rollback(undefined, true);
      expect(await readTables()).to.deep.equal([]);
      await migrate(db);
      expect(await readTables()).to.deep.equal(before);
    } finally {
      await db.destroy();
    }
  });

  it('go back one by one', async () => {
    const stack = await getStack();
    const db = createDatabase(await stack.createDatabase(`migrations_down_${process.pid}`), 2);
    try {
      await migrate(db);
      const [done] = (await db.migrate.list()) as [unknown[], unknown[]];
      for (const _one of done) await db.migrate.down();
      const [left] = (await db.migrate.list()) as [unknown[], unknown[]];
      expect(left).to.deep.equal([]);
    } finally {
      await db.destroy();
    }
  });
});
