import { execute, type Database } from '../../platform/db.ts';

/**
 * What the made-up history is about: the store, the payer and the chain of those that then do
 * something for real.
 */
export interface Filling {
  readonly payments: number;
  readonly storeId: string;
  readonly payer: string;
  readonly chainId: number;
  readonly gateway: string;
  readonly token: string;
  readonly now: Date;
}

/**
 * Attempts that are under way are on a chain that nobody relays on, so that nobody takes them up.
 */
const OTHER_CHAIN = 424_242;
/**
 * A day's failures, and those of an hour more that maintenance deletes: what there is of them does
 * not grow with the years.
 */
const WASTED = 125_000;
/** No scan gets there. */
const FAR_BLOCK = 1_000_000_000;

/**
 * A year of payments as they lie in the tables after it, made by the database from a table of
 * numbers. What an index has to help with is in it: one store with six of ten payments and one
 * payer with one of ten attempts, a status that only the oldest have, events that wait for their
 * confirmations, deliveries and promises that are due later, keys that are a day old. All of
 * today's relaying is one store's; that of yesterday, whose costs are kept, was everybody's, and
 * every store and very many payers have wasted gas lately.
 */
export async function fillDatabase(db: Database, filling: Filling): Promise<void> {
  const { payments, now } = filling;
  await execute(
    db,
    'CREATE TABLE scale_numbers (n INT UNSIGNED NOT NULL PRIMARY KEY) ENGINE=InnoDB',
  );
  await execute(db, 'INSERT INTO scale_numbers (n) VALUES (0)');
  for (let count = 1; count < payments; count *= 2) {
    await execute(
      db,
      'INSERT INTO scale_numbers (n) SELECT n + ? FROM scale_numbers WHERE n + ? < ?',
      [count, count, payments],
    );
  }
  for (let store = 1; store <= 9; store++) {
    const address = `0x${String(store).repeat(40)}`;
    await execute(
      db,
      'INSERT INTO stores (id, name, payout_address, created_at) VALUES (?, ?, ?, ?)',
      [`st_scale_${store}`, 'Scale', address, now],
    );
  }
  for (const statement of statementsFor(filling)) await execute(db, statement);
  await execute(db, 'DROP TABLE scale_numbers');
  for (const table of FILLED_TABLES) await db.raw(`ANALYZE TABLE ${table}`);
}

export const FILLED_TABLES = [
  'payments',
  'events',
  'webhook_endpoints',
  'webhook_deliveries',
  'webhook_attempts',
  'relay_transactions',
  'relay_transaction_hashes',
  'relay_transaction_items',
  'relay_attempts',
  'relay_quotas',
  'relay_costs',
  'relay_waste',
  'refunds',
  'idempotency_keys',
  'outbox',
] as const;

function statementsFor({
  payments,
  storeId,
  payer,
  chainId,
  gateway,
  token,
  now,
}: Filling): string[] {
  const at = `TIMESTAMP '${now.toISOString().slice(0, 23).replace('T', ' ')}'`;
  const id = (kind: string, n = 'n') => `CONCAT('0x', SHA2(CONCAT('${kind}', ${n}), 256))`;
  const shortId = (prefix: string, n = 'n') => `CONCAT('${prefix}_SCALE', LPAD(${n}, 12, '0'))`;
  const address = (n: string) => `CONCAT('0x', LPAD(HEX(${n}), 40, '0'))`;
  const store = `IF(n MOD 10 < 6, '${storeId}', CONCAT('st_scale_', 1 + n MOD 9))`;
  /** Evenly over the year, the last of them now. */
  const createdAt = `DATE_SUB(${at}, INTERVAL FLOOR((${payments} - n) * ${(365 * 86_400) / payments}) SECOND)`;
  const isOldest = `n < ${Math.ceil(payments / 2_000)}`;
  const status = `CASE WHEN ${isOldest} THEN 'failed' WHEN n MOD 1000 < 885 THEN 'completed' WHEN n MOD 1000 < 965 THEN 'expired'
    WHEN n MOD 1000 < 985 THEN 'cancelled' WHEN n MOD 1000 < 995 THEN 'pending' ELSE 'processing' END`;
  const hasBlock = "(status IN ('completed', 'processing'))";
  const payerOf = `IF(n MOD 10 = 0, '${payer}', ${address(`n MOD 5000`)})`;
  const dayBefore = (days: number) => `DATE_SUB(DATE(${at}), INTERVAL ${days} DAY)`;
  const wastedHour = `DATE_SUB(TIMESTAMP(DATE(${at}), MAKETIME(HOUR(${at}), 0, 0)), INTERVAL n DIV 5000 HOUR)`;
  const attemptStatus =
    "CASE WHEN n MOD 200 = 7 THEN 'queued' WHEN n MOD 40 = 3 THEN 'failed' ELSE 'succeeded' END";
  return [
    `INSERT INTO payments (id, store_id, order_id, chain_id, gateway, token, amount, merchant, salt, expires_at, status, version, payer, tx_hash,
       block_number, block_hash, log_index, created_at, updated_at, completed_at)
     SELECT id, store_id, order_id, chain_id, '${gateway}', '${token}', 1500000, ${address('1')}, id,
       IF(status = 'pending', DATE_ADD(${at}, INTERVAL 1 + n MOD 6 DAY), DATE_ADD(created_at, INTERVAL 900 SECOND)), status, 2,
       IF(${hasBlock}, ${address('n MOD 5000')}, NULL), IF(${hasBlock}, ${id('hash')}, NULL), IF(${hasBlock}, ${FAR_BLOCK} + n, NULL),
       IF(${hasBlock}, ${id('block')}, NULL), IF(${hasBlock}, 0, NULL), created_at, created_at, IF(status = 'completed', created_at, NULL)
     FROM (SELECT n, ${id('payment')} AS id, ${store} AS store_id, CONCAT('order-', n DIV 2) AS order_id, ${chainId} AS chain_id,
       ${status} AS status, ${createdAt} AS created_at FROM scale_numbers) AS made ORDER BY n`,
    ...[1, 2].map(
      (version) =>
        `INSERT INTO events (id, store_id, type, subject_type, subject_id, version, data, created_at)
         SELECT ${shortId(`evt${version}`)}, ${store}, ${version === 1 ? "'payment.created'" : "'payment.completed'"}, 'payment', ${id('payment')}, ${version},
           '{"made":"up"}', ${createdAt} FROM scale_numbers`,
    ),
    `INSERT INTO webhook_endpoints (id, store_id, url, secret_ciphertext, status, created_at)
     SELECT CONCAT('we_', id), id, 'http://127.0.0.1:9/', 'x', 'enabled', ${at} FROM stores WHERE id LIKE 'st_scale_%'`,
    `INSERT INTO webhook_deliveries (id, endpoint_id, event_id, status, attempts, next_attempt_at, created_at, updated_at)
     SELECT ${shortId('wd')}, CONCAT('we_', 'st_scale_', 1 + n MOD 9), ${shortId('evt1')}, IF(n MOD 200 = 0, 'pending', 'succeeded'), 1,
       IF(n MOD 200 = 0, DATE_ADD(${at}, INTERVAL 1 DAY), NULL), ${createdAt}, ${createdAt} FROM scale_numbers`,
    `INSERT INTO webhook_attempts (id, delivery_id, number, status_code, latency_ms, started_at)
     SELECT ${shortId('wa')}, ${shortId('wd')}, 1, 204, 12, ${createdAt} FROM scale_numbers`,
    `INSERT INTO relay_transactions (id, chain_id, relayer_id, to_address, data, call_digest, gas_limit, valid_until, items,
       provider_transaction_id, hash, sent_at, block_number, block_hash, gas_used, effective_gas_price, is_flying)
     SELECT ${shortId('rtx')}, ${chainId}, 'main', '${gateway}', '0x00', SHA2(n, 256), 1000000, ${createdAt}, 10, n, ${id('hash')}, ${createdAt},
       ${FAR_BLOCK} + n, ${id('block')}, 500000, 1000000000, FALSE FROM scale_numbers WHERE n MOD 10 = 0`,
    `INSERT INTO relay_transaction_hashes (transaction_id, seq, chain_id, hash)
     SELECT ${shortId('rtx')}, 0, ${chainId}, ${id('hash')} FROM scale_numbers WHERE n MOD 10 = 0`,
    `INSERT INTO relay_attempts (id, payment_id, live_subject_id, store_id, chain_id, rail, status, payer, deadline, request, signature,
       transaction_id, batch_index, sends, gas_used, gas_cost, gas_charged_at, created_at, updated_at)
     SELECT ${shortId('rla')}, ${id('payment')}, IF(status = 'queued', ${id('payment')}, NULL), '${storeId}', IF(status = 'queued', ${OTHER_CHAIN}, ${chainId}),
       'forwarder', status, ${payerOf}, ${createdAt}, '{}', '0x', IF(status = 'queued', NULL, ${shortId('rtx', 'n - n MOD 10')}),
       n MOD 10, 1, 50000, 50000, IF(status = 'queued', NULL, ${at}), ${createdAt}, IF(status = 'queued', DATE_SUB(${at}, INTERVAL 1 HOUR), ${createdAt})
     FROM (SELECT n, ${attemptStatus} AS status FROM scale_numbers) AS made WHERE n MOD 2 = 0 OR status = 'queued'`,
    `INSERT INTO relay_transaction_items (transaction_id, seq, attempt_id)
     SELECT transaction_id, batch_index, id FROM relay_attempts WHERE transaction_id IS NOT NULL`,
    // As whoever accepts and ends attempts keeps them; of those that were charged today, some
    // payers': others would have spent their budgets.
    ...['payer', 'store_id'].flatMap((holder) => [
      `INSERT INTO relay_quotas (chain_id, holder, in_flight) SELECT chain_id, ${holder}, SUM(status = 'queued') FROM relay_attempts
       GROUP BY chain_id, ${holder}`,
      `INSERT INTO relay_costs (chain_id, holder, day, gas_used, gas_cost) SELECT chain_id, ${holder}, DATE(${at}), SUM(gas_used), SUM(gas_cost)
       FROM relay_attempts WHERE status <> 'queued' AND ${holder} < ${address('600')} GROUP BY chain_id, ${holder}`,
    ]),
    ...[1, 2].map(
      (days) =>
        `INSERT INTO relay_costs (chain_id, holder, day, gas_used, gas_cost)
         SELECT ${chainId}, ${address('n')}, ${dayBefore(days)}, 50000, 50000 FROM scale_numbers WHERE n < 5000`,
    ),
    `INSERT INTO relay_waste (chain_id, holder, hour, kind, items, gas_cost, latest_at)
     SELECT ${chainId}, ${address('n MOD 5000')}, ${wastedHour}, 'signer', 1, 50000, ${wastedHour} FROM scale_numbers WHERE n < ${WASTED}`,
    `INSERT INTO relay_waste (chain_id, holder, hour, kind, items, gas_cost, latest_at)
     SELECT ${chainId}, ${id('payment')}, ${wastedHour}, 'subject', 1, 50000, ${wastedHour} FROM scale_numbers WHERE n MOD 10 = 0 AND n < ${WASTED}`,
    `INSERT INTO relay_waste (chain_id, holder, hour, kind, items, gas_cost, latest_at)
     SELECT ${chainId}, CONCAT('st_scale_', 1 + n MOD 9), DATE_SUB(${wastedHour}, INTERVAL n DIV 9 HOUR), 'store', 1, n, ${wastedHour}
     FROM scale_numbers WHERE n < 9 * 36`,
    `INSERT INTO refunds (id, payment_id, store_id, chain_id, amount, nonce, deadline, status, version, tx_hash, block_number, block_hash, log_index,
       created_at, updated_at, completed_at)
     SELECT ${shortId('rfd')}, ${id('payment')}, ${store}, ${chainId}, 1, 1, ${createdAt}, IF(n MOD 500 = 0, 'processing', 'completed'), 2, ${id('refund')},
       ${FAR_BLOCK} + n, ${id('block')}, 1, ${createdAt}, ${createdAt}, ${createdAt} FROM scale_numbers WHERE n MOD 50 = 0`,
    `INSERT INTO idempotency_keys (store_id, idempotency_key, request_hash, response_status, response_ciphertext, created_at)
     SELECT ${store}, ${shortId('key')}, SHA2(n, 256), 201, 'x', DATE_SUB(${at}, INTERVAL IF(n MOD 100 = 0, 100000, n MOD 80000) SECOND)
     FROM scale_numbers`,
    `INSERT INTO outbox (id, queue, subject_id, store_id, run_at, publish_at, generation, created_at)
     SELECT ${shortId('ob')}, 'webhook', ${shortId('wd')}, ${store}, DATE_ADD(${at}, INTERVAL 1 DAY), DATE_ADD(${at}, INTERVAL 1 DAY), 1, ${at}
     FROM scale_numbers WHERE n MOD 200 = 0`,
    `INSERT INTO outbox (id, queue, subject_id, run_at, publish_at, generation, created_at)
     SELECT ${shortId('obr')}, 'relay', ${shortId('rla')}, DATE_ADD(${at}, INTERVAL 1 DAY), DATE_ADD(${at}, INTERVAL 1 DAY), 1, ${at}
     FROM scale_numbers WHERE n MOD 200 = 7`,
  ];
}
