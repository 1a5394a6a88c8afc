import { createPayment } from '../domain/payments/service.ts';
import { scanChain } from '../domain/scan/scanChain.ts';
import type { PaymentProcessedLog } from '../domain/chain/contractModel.ts';
import { createStore } from '../domain/stores/service.ts';
import { createWebhookEndpoint } from '../domain/webhooks/service.ts';
import type { Config } from '../platform/config.ts';
import { EVENT_SINKS } from '../domain/modules.ts';
import { createContext } from '../platform/createContext.ts';
import { migrate } from '../db/migrate.ts';
import { inTransaction, selectRows, type Database } from '../platform/db.ts';
import { insertRows } from '../platform/insertRows.ts';
import type { RowBindings } from '../platform/splitRows.ts';
import type { Address } from '../shared/hex.ts';
import { parseAmountUnits } from '../shared/money.ts';
import { createFakeChain, fakeLog } from '../test/support/fakeChain.ts';
import { insertManyPayments } from '../test/support/manyPayments.ts';
import { withChain } from '../test/support/varyContext.ts';

const TABLES = ['payments', 'events', 'webhook_deliveries', 'outbox'] as const;
const PER_BLOCK = 200;
/** Rows of one transaction of the floor, as many as the scanner's. */
const PART = 500;

/** All per second. */
export interface Applying {
  /**
   * Payments found: from decoded logs to the payment, its event and the promised delivery to one
   * endpoint.
   */
  readonly applied: number;
  /** The floor: the same rows of the same tables inserted by bare statements of 500 rows. */
  readonly inserted: number;
  /**
   * The same payments completed: each block looked at once more, then payment, event and promised
   * delivery.
   */
  readonly completed: number;
}

/** What the scanner gets done when many payments come at once, in a database of its own. */
export async function measureApplying(
  config: Config,
  payout: Address,
  count: number,
): Promise<Applying> {
  const { ctx, close } = await createContext(config, { name: 'cli', eventSinks: EVENT_SINKS });
  try {
    await migrate(ctx.db);
    const [chain] = config.chains;
    const token = chain?.tokens[0]?.address;
    if (chain === undefined || token === undefined)
      throw new Error('the configuration has no chain with a token');
    const store = await createStore(ctx, { name: 'Applying', payoutAddress: payout });
    const like = await createPayment(ctx, {
      storeId: store.id,
      orderId: 'like',
      amount: parseAmountUnits('1500000'),
      token,
      expiresInSeconds: 3_600,
    });
    const payments = await insertManyPayments(ctx, like, count, () => null);
    await createWebhookEndpoint(ctx, {
      storeId: store.id,
      url: 'https://shop.example/',
      eventTypes: ['payment.processing', 'payment.completed'],
    });

    const first = BigInt(chain.startBlock);
    const blocks = BigInt(Math.ceil(count / PER_BLOCK));
    let logs: readonly PaymentProcessedLog[] = [];
    let head = first + blocks;
    const scanning = withChain(ctx, chain.chainId, () =>
      createFakeChain(
        () => head,
        () => logs,
      ),
    );
    const withConfirmations = (confirmations: number) => ({
      ...scanning,
      config: { ...config, chains: [{ ...chain, confirmations, maxBlockRange: 1_000_000 }] },
    });
    logs = payments.map((payment, index) =>
      fakeLog(payment, first + BigInt(Math.floor(index / PER_BLOCK)), index % PER_BLOCK),
    );
    const appliedMs = await timed(() => scanChain(withConfirmations(1_000_000), chain.chainId));
    const insertedMs = await insertAgain(ctx.db);
    head += 1n;
    const completedMs = await timed(() => scanChain(withConfirmations(1), chain.chainId));
    const [row] = await selectRows<{ count: string | number }>(
      ctx.db,
      "SELECT COUNT(*) AS count FROM payments p JOIN events e ON e.subject_id = p.id AND e.version = 3 WHERE p.status = 'completed'",
    );
    if (Number(row?.count) !== count)
      throw new Error(`only ${Number(row?.count)} of ${count} payments were completed`);
    const perSecond = (ms: number) => (count / ms) * 1_000;
    return {
      applied: perSecond(appliedMs),
      inserted: perSecond(insertedMs),
      completed: perSecond(completedMs),
    };
  } finally {
    await close();
  }
}

/** Copies what the scan has written into empty tables of the same make. */
async function insertAgain(db: Database): Promise<number> {
  const copies: {
    readonly into: string;
    readonly values: string;
    readonly rows: readonly RowBindings[];
  }[] = [];
  for (const table of TABLES) {
    await db.raw(`CREATE TABLE floor_${table} LIKE ${table}`);
    const rows = await selectRows<Record<string, unknown>>(db, `SELECT * FROM ${table}`);
    const columns = Object.keys(rows[0] ?? {});
    const values = rows.map((row): RowBindings => columns.map((column) => toBinding(row[column])));
    copies.push({
      into: `INSERT INTO floor_${table} (${columns.join(', ')})`,
      values: `(${columns.map(() => '?').join(', ')})`,
      rows: values,
    });
  }
  const most = Math.max(...copies.map(({ rows }) => rows.length));
  return timed(async () => {
    for (let from = 0; from < most; from += PART) {
      await inTransaction(db, async (trx) => {
        for (const copy of copies) await insertRows(trx, copy, copy.rows.slice(from, from + PART));
      });
    }
  });
}

function toBinding(value: unknown): RowBindings[number] {
  if (value === null || value === undefined) return null;
  if (value instanceof Date || typeof value === 'string' || typeof value === 'number') return value;
  return JSON.stringify(value);
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}
