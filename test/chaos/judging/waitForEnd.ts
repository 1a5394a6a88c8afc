import { setTimeout as sleep } from 'node:timers/promises';

import { selectRows } from '../../../platform/db.ts';
import type { Harness } from '../../support/harness.ts';
import type { ChaosChain } from '../chains/startChaosChains.ts';
import { mustBePaid, type PlannedPayment } from '../people/planPayments.ts';
import { readTruth } from './readTruth.ts';

interface Input {
  readonly harness: Harness;
  readonly chains: readonly ChaosChain[];
  readonly storeId: string;
  readonly payments: readonly PlannedPayment[];
  readonly settleMs: number;
}

const LOOK_MS = 500;
const TOLD = 30;

/** @returns what has not ended in time, in words */
export async function waitForEnd(input: Input): Promise<string[]> {
  const deadline = Date.now() + input.settleMs;
  for (;;) {
    const open = await listOpen(input);
    if (open.length === 0 || Date.now() > deadline) return open.slice(0, TOLD);
    await sleep(LOOK_MS);
  }
}

async function listOpen({ harness: { ctx }, chains, storeId, payments }: Input): Promise<string[]> {
  const rows = await selectRows<{ id: string; status: string }>(ctx.db, "SELECT id, status FROM payments WHERE status <> 'completed'", []);
  const { transfers } = await readTruth(chains);
  const wanted = new Set<string>(
    payments.filter((payment) => mustBePaid(payment) && payment.refusal === undefined).map(({ paymentId }) => paymentId),
  );
  const unpaid = rows.filter(({ id, status }) => status === 'processing' || wanted.has(id) || transfers.has(id));
  const refunds = await selectRows<{ id: string }>(ctx.db, "SELECT id FROM refunds WHERE status = 'processing'", []);
  const attempts = await selectRows<{ id: string; status: string; transaction_id: string | null }>(
    ctx.db,
    "SELECT id, status, transaction_id FROM relay_attempts WHERE status NOT IN ('succeeded', 'failed')",
  );
  const deliveries = await selectRows<{ id: string; status: string }>(
    ctx.db,
    "SELECT d.id, d.status FROM webhook_deliveries d JOIN events e ON e.id = d.event_id WHERE d.status <> 'succeeded' AND e.store_id = ?",
    [storeId],
  );
  const outbox = await selectRows<{ queue: string; subject_id: string }>(
    ctx.db,
    // What was given up and may still be mined is looked at for as long as it would be valid; a store that hangs is told again for days.
    `SELECT queue, subject_id FROM outbox
     WHERE queue NOT IN ('expire', 'webhook') AND subject_id NOT IN (SELECT id FROM relay_transactions WHERE abandoned_at IS NOT NULL)`,
  );
  return [
    ...unpaid.map(({ id, status }) => `payment ${id} is ${status}${transfers.has(id) ? ', and was paid' : ''}`),
    ...refunds.map(({ id }) => `refund ${id} is processing`),
    ...attempts.map(({ id, status, transaction_id }) => `attempt ${id} is ${status}, transaction ${transaction_id ?? 'none'}`),
    ...deliveries.map(({ id, status }) => `delivery ${id} is ${status}`),
    ...outbox.map(({ queue, subject_id }) => `work: ${queue} ${subject_id}`),
  ];
}
