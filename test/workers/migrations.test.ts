import { expect } from 'chai';

import * as relayUsage from '../../db/migrations/0012_relay_usage.ts';
import {
  findLandedTransaction,
  findTransaction,
} from '../../domain/relay/attempts/transactionStore.ts';
import { migrate, migrateBack } from '../../db/migrate.ts';
import {
  createDatabase,
  execute,
  parseJsonColumn,
  selectRows,
  type Database,
} from '../../platform/db.ts';
import { asBytes32 } from '../../shared/hex.ts';
import { migrateByCopy } from '../support/migrateByCopy.ts';
import { getStack } from '../support/stack.ts';

describe('the migrations', function () {
  this.timeout(120_000);

  it('go all the way back, and forward again to the very same tables', async () => {
    const stack = await getStack();
    const db = createDatabase(await stack.createDatabase(`migrations_${process.pid}`), 2);
    const readTables = async () => {
      const tables = await selectRows<Record<string, string>>(db, 'SHOW TABLES');
      const found: string[] = [];
      for (const name of tables
        .flatMap((row) => Object.values(row))
        .filter((table) => !table.startsWith('schema_migrations'))) {
        const [row] = await selectRows<Record<string, string>>(db, `SHOW CREATE TABLE ${name}`);
        found.push((row?.['Create Table'] ?? '').replace(/ AUTO_INCREMENT=\d+/, ''));
      }
      return found;
    };
    try {
      await migrate(db);
      const before = await readTables();
      expect(before).to.have.length.greaterThan(10);
      await migrateBack(db, '0001_all_first_tables');
      expect(await readTables()).to.deep.equal([]);
      expect(await selectRows(db, 'SELECT name FROM schema_migrations')).to.deep.equal([]);
      await migrate(db);
      expect(await readTables()).to.deep.equal(before);
    } finally {
      await db.destroy();
    }
  });

  it('come to what the other tests run on, which copies the tables of a migrated database', async () => {
    const stack = await getStack();
    const read = async (name: string, make: (db: Database) => Promise<void>) => {
      const db = createDatabase(await stack.createDatabase(`${name}_${process.pid}`), 2);
      try {
        await make(db);
        return await describeTables(db);
      } finally {
        await db.destroy();
      }
    };
    const migrated = await read('migrations_done', migrate);
    expect(await read('migrations_first', migrateByCopy)).to.deep.equal(migrated);
    expect(await read('migrations_copied', migrateByCopy)).to.deep.equal(migrated);
  });

  it('count what is on its way, and what it has cost, of attempts that were there before the totals', async () => {
    const stack = await getStack();
    const db = createDatabase(await stack.createDatabase(`migrations_usage_${process.pid}`), 2);
    const PAYER = '0x00000000000000000000000000000000000000AA';
    try {
      await migrate(db);
      await relayUsage.down(db);
      for (const [id, status, reserved, cost, chargedAt] of [
        ['rla_1', 'queued', 5, 0, null],
        ['rla_2', 'mined', 7, 11, '2030-01-01 23:59:59.999'],
        ['rla_3', 'succeeded', 9, 13, '2030-01-01 00:00:00.000'],
        ['rla_4', 'failed', 9, 17, '2030-01-02 00:00:00.000'],
        ['rla_5', 'failed', 9, 0, null],
      ] as const) {
        await execute(
          db,
          `INSERT INTO relay_attempts (id, payment_id, store_id, chain_id, rail, status, payer, deadline, request, signature, reserved_cost, gas_used,
             gas_cost, gas_charged_at, created_at, updated_at) VALUES (?, '0x', 'st_1', 1, 'refund', ?, ?, NOW(3), '{}', '0x', ?, ?, ?, ?, NOW(3), NOW(3))`,
          [id, status, PAYER, reserved, cost, cost, chargedAt],
        );
      }
      await relayUsage.up(db);
      for (const holder of [PAYER, 'st_1']) {
        const [quota] = await selectRows<Record<string, string>>(
          db,
          'SELECT in_flight, reserved_cost FROM relay_quotas WHERE holder = ?',
          [holder],
        );
        expect([Number(quota?.['in_flight']), quota?.['reserved_cost']]).to.deep.equal([2, '12']);
        const costs = await selectRows<Record<string, string>>(
          db,
          "SELECT DATE_FORMAT(day, '%Y-%m-%d') AS day, gas_cost FROM relay_costs WHERE holder = ? ORDER BY day",
          [holder],
        );
        expect(costs.map((row) => [row['day'], row['gas_cost']])).to.deep.equal([
          ['2030-01-01', '24'],
          ['2030-01-02', '17'],
        ]);
      }
    } finally {
      await db.destroy();
    }
  });

  it('keep the place of each attempt that is in its transaction still, or was the only one in it', async () => {
    const stack = await getStack();
    const db = createDatabase(await stack.createDatabase(`migrations_items_${process.pid}`), 2);
    try {
      await migrate(db);
      await migrateBack(db, '0029_relay_transaction_items');
      await execute(
        db,
        `INSERT INTO relay_transactions (id, chain_id, relayer_id, to_address, data, call_digest, gas_limit, valid_until, items, sent_at, is_flying)
         VALUES ('rtx_1', 1, 'main', '0x', '0x', '', 1, NOW(3), 3, NOW(3), FALSE), ('rtx_2', 1, 'main', '0x', '0x', '', 1, NOW(3), 1, NOW(3), FALSE)`,
        [],
      );
      for (const [id, transactionId, index, status] of [
        ['rla_1', 'rtx_1', 2, 'succeeded'],
        ['rla_2', 'rtx_1', 0, 'mined'],
        // They had left, and came to their end as those that had done it: in which place is not
        // known.
        ['rla_3', 'rtx_1', null, 'succeeded'],
        ['rla_0', 'rtx_1', 0, 'succeeded'],
        ['rla_9', 'rtx_1', 0, 'succeeded'],
        ['rla_6', 'rtx_1', 1, 'succeeded'],
        ['rla_7', 'rtx_1', 1, 'succeeded'],
        ['rla_4', 'rtx_2', null, 'succeeded'],
        ['rla_5', null, null, 'succeeded'],
      ] as const) {
        await execute(
          db,
          `INSERT INTO relay_attempts (id, payment_id, store_id, chain_id, rail, status, payer, deadline, request, signature, transaction_id, batch_index,
             created_at, updated_at) VALUES (?, '0x', 'st_1', 1, 'refund', ?, '0x', NOW(3), '{}', '0x', ?, ?, NOW(3), NOW(3))`,
          [id, status, transactionId, index],
        );
      }
      await migrate(db);
      const items = await selectRows<{ transaction_id: string; seq: number; attempt_id: string }>(
        db,
        'SELECT transaction_id, seq, attempt_id FROM relay_transaction_items ORDER BY transaction_id, seq',
      );
      expect(
        items.map(({ transaction_id, seq, attempt_id }) => [
          transaction_id,
          Number(seq),
          attempt_id,
        ]),
      ).to.deep.equal([
        ['rtx_1', 0, 'rla_2'],
        ['rtx_1', 2, 'rla_1'],
        ['rtx_2', 0, 'rla_4'],
      ]);
    } finally {
      await db.destroy();
    }
  });

  it('keep what events are about, there and back, and leave out subjects that were not known', async () => {
    const stack = await getStack();
    const db = createDatabase(await stack.createDatabase(`migrations_events_${process.pid}`), 2);
    const hash = (index: number) => `0x${index.toString(16).padStart(64, '0')}`;
    const read = (columns: string) =>
      selectRows<Record<string, unknown>>(db, `SELECT ${columns} FROM events ORDER BY id`);
    const OLD = 'id, store_id, type, payment_id, refund_id, version, request_id, data, created_at';
    try {
      await migrate(db);
      await migrateBack(db, '0030_events_subject');
      // More than a chunk of the migration.
      const events = Array.from({ length: 700 }, (_, index) => {
        const isRefund = index % 3 === 2;
        return {
          id: `evt_${String(index).padStart(4, '0')}`,
          store_id: `st_${index % 2}`,
          type: isRefund ? 'refund.created' : 'payment.created',
          payment_id: hash(Math.floor(index / 3)),
          refund_id: isRefund ? `rf_${index}` : '',
          version: isRefund ? 1 : 1 + (index % 3),
          request_id: index % 2 === 0 ? null : `req_${index}`,
          data: JSON.stringify({ index }),
          created_at: '2026-01-02 03:04:05.678',
        };
      });
      await db('events').insert(events);
      const before = await read(OLD);
      await migrate(db);
      const moved = await read('id, subject_type, subject_id, parent_type, parent_id, version');
      expect(moved.map((row) => ({ ...row, version: Number(row['version']) }))).to.deep.equal(
        events.map(({ id, payment_id, refund_id, version }) => ({
          id,
          subject_type: refund_id === '' ? 'payment' : 'refund',
          subject_id: refund_id === '' ? payment_id : refund_id,
          parent_type: refund_id === '' ? null : 'payment',
          parent_id: refund_id === '' ? null : payment_id,
          version,
        })),
      );
      await execute(
        db,
        `INSERT INTO events (id, store_id, type, subject_type, subject_id, version, data, created_at)
         VALUES ('evt_9', 'st_1', 'order.created', 'order', 'or_1', 1, '{}', NOW(3))`,
        [],
      );
      await migrateBack(db, '0030_events_subject');
      expect(await read(OLD)).to.deep.equal(before);
    } finally {
      await db.destroy();
    }
  });

  it('take the hashes of transactions that were handed over along, there and back, and digest their calls', async () => {
    const stack = await getStack();
    const db = createDatabase(await stack.createDatabase(`migrations_hashes_${process.pid}`), 2);
    const hashes = Array.from(
      { length: 40 },
      (_, index) => `0x${index.toString(16).padStart(64, '0')}`,
    );
    const readHashes = async () => {
      const rows = await selectRows<{ id: string; hashes: unknown }>(
        db,
        'SELECT id, hashes FROM relay_transactions ORDER BY id',
      );
      return rows.map((row) => [row.id, parseJsonColumn(row.hashes)]);
    };
    try {
      await migrate(db);
      await migrateBack(db, '0013_relay_hashes');
      const before = [
        ['rtx_1', hashes],
        ['rtx_2', []],
        ['rtx_3', hashes.slice(0, 1)],
      ] as const;
      for (const [id, told] of before) {
        await execute(
          db,
          `INSERT INTO relay_transactions (id, chain_id, relayer_id, to_address, data, gas_limit, valid_until, hashes, sent_at)
           VALUES (?, 1, 'main', '0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512', '0xAB', 1, '2026-01-01', ?, '2026-01-01')`,
          [id, JSON.stringify(told)],
        );
      }
      await migrate(db);
      for (const [id, told] of before)
        expect((await findTransaction(db, id))?.hashes).to.deep.equal(told);
      const call = { to: '0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512', data: '0xab' } as const;
      const landed = { chainId: 1, since: new Date('2025-01-01'), call };
      expect(
        await findLandedTransaction(db, { ...landed, hash: asBytes32(hashes[39] ?? '') }),
      ).to.include({ id: 'rtx_1' });
      expect(
        (await findLandedTransaction(db, { ...landed, hash: asBytes32(`0x${'ff'.repeat(32)}`) }))
          ?.id,
      ).to.match(/^rtx_/);
      await migrateBack(db, '0013_relay_hashes');
      expect(await readHashes()).to.deep.equal(before);
      await migrate(db);
      for (const [id, told] of before)
        expect((await findTransaction(db, id))?.hashes).to.deep.equal(told);
    } finally {
      await db.destroy();
    }
  });
});

/** Every table, as it is made, and which migrations are recorded. */
async function describeTables(db: Database): Promise<unknown> {
  const tables = (await selectRows<Record<string, string>>(db, 'SHOW TABLES')).flatMap((row) =>
    Object.values(row),
  );
  const found: unknown[] = await selectRows(
    db,
    'SELECT id, name FROM schema_migrations ORDER BY id',
  );
  for (const table of tables) {
    const [row] = await selectRows<Record<string, string>>(db, `SHOW CREATE TABLE ${table}`);
    found.push((row?.['Create Table'] ?? '').replace(/ AUTO_INCREMENT=\d+/, ''));
  }
  return found;
}
