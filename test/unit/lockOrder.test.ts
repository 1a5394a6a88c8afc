import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';

import { LATE, LOCK_ORDER } from '../../db/lockOrder.ts';
import { TABLES } from '../../db/tables.ts';
import { findLocking } from '../../platform/assertLockOrder.ts';
import { PROJECT_ROOT } from '../../platform/projectRoot.ts';

const read = (file: string) => readFileSync(join(PROJECT_ROOT, file), 'utf8');

/** The table of .dependency-cruiser.cjs: what each module may import. */
const modules = runInNewContext(
  `(${/^const MODULES = (\{.*?^\});/ms.exec(read('.dependency-cruiser.cjs'))?.[1] ?? ''})`,
) as Readonly<Record<string, readonly string[]>>;

const moduleOf = (table: string) => (TABLES[table] ?? '').replace(/^domain\//, '');
const ranksOf = (module: string) =>
  LOCK_ORDER.flatMap(({ table }, rank) => (moduleOf(table) === module ? [rank] : []));

/** Pairs of modules where one may import the other, and has a table that comes before its. */
const upward = Object.entries(modules).flatMap(([module, lower]) =>
  lower
    .filter((other) => Math.max(...ranksOf(other)) > Math.min(...ranksOf(module)))
    .map((other) => ({ module, other })),
);

describe('the table of the lock order', () => {
  it('has every table once', () => {
    expect(LOCK_ORDER.map(({ table }) => table)).to.have.members(
      Object.keys(TABLES).filter((table) => table !== 'schema_migrations'),
    );
  });

  it('has a module’s tables after those of the modules that it may import, but for those that say why', () => {
    expect(Object.keys(modules)).to.include.members(['payments', 'relay']);
    expect(upward.filter(({ other }) => !(other in LATE))).to.deep.equal([]);
    expect(Object.keys(LATE)).to.have.members([...new Set(upward.map(({ other }) => other))]);
  });

  it('has the foreign keys that there are', () => {
    const keys = [
      ...read('db/schema.sql').matchAll(/^CREATE TABLE (\w+)|REFERENCES (\w+)/gm),
    ].reduce<{ table: string; found: [string, string][] }>(
      ({ table, found }, [, made, parent]) => ({
        table: made ?? table,
        found: parent === undefined ? found : [...found, [table, parent]],
      }),
      { table: '', found: [] },
    );
    expect(keys.found).to.have.deep.members(
      LOCK_ORDER.flatMap(({ table, refersTo }) =>
        refersTo === undefined ? [] : [[table, refersTo]],
      ),
    );
  });

  it('is what ARCHITECTURE.md shows', () => {
    const rows = [
      ...read('ARCHITECTURE.md').matchAll(/^\| `(\w+)` +\| `([\w/]+)` +\| (.*?) +\|$/gm),
    ];
    expect(rows.map(([, table, module, by]) => ({ table, module, by }))).to.deep.equal(
      LOCK_ORDER.map(({ table, by = '–' }) => ({ table, module: moduleOf(table), by })),
    );
  });
});

describe('which rows a statement locks', () => {
  const check = (sql: string, expected: ReturnType<typeof findLocking>) =>
    it(sql, () => expect(findLocking(sql)).to.deep.equal(expected));

  const [change, lock] = [
    { isChecked: true, isChange: true },
    { isChecked: true, isChange: false },
  ];
  check('SELECT id FROM payments WHERE id = ?', undefined);
  check('SELECT id FROM payments WHERE id = ? FOR UPDATE', { tables: ['payments'], ...lock });
  check('SELECT a.id FROM relay_attempts a JOIN payments p ON p.id = a.id LOCK IN SHARE MODE', {
    tables: ['relay_attempts', 'payments'],
    ...lock,
  });
  check('SELECT id FROM outbox WHERE id IN (?) FOR UPDATE SKIP LOCKED', {
    tables: ['outbox'],
    isChecked: false,
    isChange: false,
  });
  check('SELECT 1 FROM idempotency_keys WHERE store_id = ? FOR UPDATE NOWAIT', {
    tables: ['idempotency_keys'],
    isChecked: false,
    isChange: false,
  });
  check('UPDATE relay_attempts FORCE INDEX (PRIMARY) SET turn = ?', {
    tables: ['relay_attempts'],
    ...change,
  });
  check(
    'UPDATE (SELECT ? AS row_key UNION ALL SELECT ?) v STRAIGHT_JOIN refunds t FORCE INDEX (PRIMARY) ON t.id = v.row_key SET t.status = v.status',
    { tables: ['refunds'], ...change },
  );
  check('DELETE FROM outbox\n WHERE id = ?', { tables: ['outbox'], ...change });
  check('INSERT INTO relay_attempts (id) VALUES (?)', undefined);
  check('INSERT INTO payments (id) VALUES (?)', { tables: ['stores'], ...change });
  check('INSERT INTO outbox (id) VALUES (?) ON DUPLICATE KEY UPDATE run_at = VALUES(run_at)', {
    tables: ['outbox'],
    ...change,
  });
  check('COMMIT;', undefined);
});
