import { selectRows } from '../../../platform/db.ts';
import type { Harness } from '../../support/harness.ts';
import { mustBePaid, type PlannedPayment } from '../people/planPayments.ts';
import type { Truth } from './readTruth.ts';

export interface PaymentRow {
  readonly id: string;
  readonly status: string;
  readonly late: number;
  readonly relay_attempt_id: string | null;
  readonly block_hash: string | null;
}

/**
 * Every event that a payment may have met on the way to its completion; `payment.completed` once,
 * and last.
 */
const COMPLETED_HISTORY = /^created(,processing(,reorged)?)+,completed$/;
/**
 * Of one whose payer is hostile: its block may have gone for a while. What is told as over is over.
 */
const HOSTILE_COMPLETED_HISTORY = /^created(,processing|,reorged)*,completed$/;
const UNPAID_HISTORY = /^created(,processing|,reorged|,relay_failed)*(,expired|,failed)?$/;

export async function listPaymentRows({ ctx }: Harness, storeId: string): Promise<PaymentRow[]> {
  return selectRows<PaymentRow>(
    ctx.db,
    'SELECT id, status, late, relay_attempt_id, block_hash FROM payments WHERE store_id = ?',
    [storeId],
  );
}

/**
 * One transfer and one `payment.completed` for each that could be paid; for every other one, no
 * more than that, and nothing but the truth.
 */
export function judgePayments(input: {
  readonly payments: readonly PlannedPayment[];
  readonly rows: readonly PaymentRow[];
  readonly histories: ReadonlyMap<string, string>;
  readonly truth: Truth;
}): string[] {
  const { payments, rows, histories, truth } = input;
  const breaches: string[] = [];
  if (rows.length !== payments.length)
    breaches.push(`${payments.length} payments were created, the database has ${rows.length}`);
  const byId = new Map(rows.map((row) => [row.id, row]));
  for (const payment of payments) {
    const { paymentId, way, character, chain, refusal } = payment;
    const row = byId.get(paymentId);
    const times = truth.transfers.get(paymentId)?.length ?? 0;
    const history = histories.get(paymentId) ?? '';
    const isGood = mustBePaid(payment);
    const breach = (what: string) =>
      breaches.push(
        `${way} payment ${paymentId} of the ${chain.name} chain (${character}): ${what} (${row?.status ?? 'gone'}; ${times} transfers; ${history})`,
      );
    if (isGood && refusal !== undefined) breach(`was refused for good: ${refusal.slice(0, 300)}`);
    else if (isGood && times === 0) breach('could be paid and was not');
    if (times > 0 && !(isGood ? COMPLETED_HISTORY : HOSTILE_COMPLETED_HISTORY).test(history))
      breach(
        /failed|expired/.test(history) ? 'was told as over and landed' : 'has another history',
      );
    if (times === 0 && !UNPAID_HISTORY.test(history))
      breach('was not paid and has another history');
    breaches.push(...judgeRow({ id: paymentId, row, truth }));
  }
  return breaches;
}

/** What is true of every store's payments. */
export function judgeRow({
  id,
  row,
  truth,
}: {
  readonly id: string;
  readonly row: PaymentRow | undefined;
  readonly truth: Truth;
}): string[] {
  const transfers = truth.transfers.get(id) ?? [];
  const breaches: string[] = [];
  if (transfers.length > 1) breaches.push(`payment ${id} was paid ${transfers.length} times`);
  const isCompleted = row?.status === 'completed';
  if (transfers.length > 0 && !isCompleted)
    breaches.push(`payment ${id} landed, and is ${row?.status ?? 'gone'}`);
  if (transfers.length === 0 && isCompleted)
    breaches.push(`payment ${id} is completed without a transfer`);
  if (isCompleted && (row.late !== 0 || row.relay_attempt_id !== null))
    breaches.push(`payment ${id} is late, or still waits for an attempt`);
  if (isCompleted && transfers.length > 0 && transfers[0]?.blockHash !== row.block_hash)
    breaches.push(
      `payment ${id} is completed by an event of block ${String(row.block_hash)}, which is not on the chain`,
    );
  return breaches;
}

export async function readHistories(
  { ctx }: Harness,
  storeId: string,
): Promise<ReadonlyMap<string, string>> {
  const events = await selectRows<{ payment_id: string; type: string }>(
    ctx.db,
    "SELECT subject_id AS payment_id, type FROM events WHERE store_id = ? AND subject_type = 'payment' ORDER BY subject_id, version",
    [storeId],
  );
  const histories = new Map<string, string>();
  for (const { payment_id, type } of events) {
    const before = histories.get(payment_id);
    const name = type.replace('payment.', '');
    histories.set(payment_id, before === undefined ? name : `${before},${name}`);
  }
  return histories;
}
