import { setTimeout as sleep } from 'node:timers/promises';

import { findCursor } from '../../../domain/chain/store.ts';
import { selectRows, type Database } from '../../../platform/db.ts';
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
/**
 * A chain goes on while it is scanned: with four blocks a second, some seconds of a busy machine.
 */
const TOLERATED_BLOCKS = 20;
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
  const { db } = ctx;
  const rows = await selectRows<{ id: string; status: string }>(
    db,
    "SELECT id, status FROM payments WHERE status <> 'completed'",
    [],
  );
  const { transfers } = await readTruth(chains);
  const wanted = new Set<string>(
    payments
      .filter((payment) => mustBePaid(payment) && payment.refusal === undefined)
      .map(({ paymentId }) => paymentId),
  );
  // Nobody else pays any more: all that is left to them is to expire.
  const unpaid = rows.filter(
    ({ id, status }) =>
      status === 'processing' || status === 'pending' || wanted.has(id) || transfers.has(id),
  );
  const refunds = await selectRows<{ id: string }>(
    db,
    "SELECT id FROM refunds WHERE status = 'processing'",
    [],
  );
  const attempts = await selectRows<{ id: string; status: string; transaction_id: string | null }>(
    db,
    "SELECT id, status, transaction_id FROM relay_attempts WHERE status NOT IN ('succeeded', 'failed')",
    [],
  );
  const claims = await selectRows<{ id: string; claim_id: string }>(
    db,
    'SELECT id, claim_id FROM relay_attempts WHERE claim_id IS NOT NULL AND choose_after > ?',
    [ctx.clock.now()],
  );
  // One that cannot be told after all tries has ended too, at a store that does not answer.
  const deliveries = await selectRows<{ id: string; status: string }>(
    db,
    `SELECT d.id, d.status FROM webhook_deliveries d JOIN events e ON e.id = d.event_id
     WHERE d.status = 'pending' OR (d.status <> 'succeeded' AND e.store_id = ?)`,
    [storeId],
  );
  const outbox = await selectRows<{ queue: string; subject_id: string }>(
    db,
    // What was given up and may still be mined is looked at for as long as it would be valid, and
    // an hour.
    `SELECT queue, subject_id FROM outbox
     WHERE NOT (queue = 'confirm' AND subject_id IN (SELECT id FROM relay_transactions WHERE abandoned_at IS NOT NULL))`,
    [],
  );
  return [
    ...unpaid.map(
      ({ id, status }) => `payment ${id} is ${status}${transfers.has(id) ? ', and was paid' : ''}`,
    ),
    ...refunds.map(({ id }) => `refund ${id} is processing`),
    ...attempts.map(
      ({ id, status, transaction_id }) =>
        `attempt ${id} is ${status}, transaction ${transaction_id ?? 'none'}`,
    ),
    ...claims.map(({ id, claim_id }) => `attempt ${id} is claimed by ${claim_id}`),
    ...deliveries.map(({ id, status }) => `delivery ${id} is ${status}`),
    ...outbox.map(({ queue, subject_id }) => `work: ${queue} ${subject_id}`),
    ...(await listStanding(db, chains)),
  ];
}

/**
 * Chains whose scan is not where the chain was a few looks ago, or has something left to follow.
 */
async function listStanding(db: Database, chains: readonly ChaosChain[]): Promise<string[]> {
  const standing: string[] = [];
  for (const { name, chainId, mining } of chains) {
    const cursor = await findCursor(db, chainId);
    const behind = (await mining.getHead()) + 1 - Number(cursor?.nextBlock ?? 0n);
    if (behind > TOLERATED_BLOCKS)
      standing.push(`the scan of the ${name} chain is ${behind} blocks behind`);
    if (cursor?.withdraw != null)
      standing.push(`the scan of the ${name} chain still follows a reorganisation`);
    if (cursor?.halt != null)
      standing.push(`the scan of the ${name} chain waits for an operator: ${cursor.halt.reason}`);
  }
  return standing;
}
