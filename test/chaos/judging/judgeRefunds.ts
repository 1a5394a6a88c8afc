import { selectRows } from '../../../platform/db.ts';
import type { Harness } from '../../support/harness.ts';
import type { RefundWish } from '../people/refundPayments.ts';
import type { Truth } from './readTruth.ts';

interface RefundRow {
  readonly id: string;
  readonly payment_id: string;
  readonly status: string;
  readonly amount: string;
  readonly nonce: string;
}

interface Input {
  readonly harness: Harness;
  readonly truth: Truth;
  readonly wishes: readonly RefundWish[];
  /** Of each payment. */
  readonly amount: bigint;
}

export interface RefundsJudged {
  readonly breaches: readonly string[];
  readonly made: number;
  readonly refunded: bigint;
}

/**
 * Refunds on the chain are those that were told; each wish was granted once; and no payment gave
 * more back than it was.
 */
export async function judgeRefunds({
  harness: { ctx },
  truth,
  wishes,
  amount,
}: Input): Promise<RefundsJudged> {
  const rows = await selectRows<RefundRow>(
    ctx.db,
    'SELECT id, payment_id, status, amount, nonce FROM refunds',
    [],
  );
  const told = await selectRows<{ refund_id: string; times: number | string }>(
    ctx.db,
    "SELECT subject_id AS refund_id, COUNT(*) AS times FROM events WHERE type = 'refund.completed' GROUP BY subject_id",
    [],
  );
  const timesTold = new Map(told.map(({ refund_id, times }) => [refund_id, Number(times)]));
  const breaches: string[] = [];
  for (const { id, payment_id, status, amount: given, nonce } of rows) {
    const made = (truth.refunds.get(payment_id) ?? []).filter(
      (refund) => refund.nonce === BigInt(nonce),
    );
    const breach = (what: string) =>
      breaches.push(
        `refund ${id} of payment ${payment_id}: ${what} (${status}; made ${made.length} times)`,
      );
    if (made.length > 1) breach('was made more than once');
    if (made.length > 0 !== (status === 'completed')) breach('is not what the chain says');
    if ((timesTold.get(id) ?? 0) !== (status === 'completed' ? 1 : 0))
      breach(`was told as completed ${timesTold.get(id) ?? 0} times`);
    if (made.some((refund) => refund.amount !== BigInt(given)))
      breach('has another amount on the chain');
  }
  let refunded = 0n;
  let count = 0;
  for (const [paymentId, made] of truth.refunds) {
    const sum = made.reduce((total, refund) => total + refund.amount, 0n);
    refunded += sum;
    count += made.length;
    if (sum > amount) breaches.push(`payment ${paymentId} of ${amount} gave ${sum} back`);
    const wanted = wishes
      .filter(({ payment }) => payment.paymentId === paymentId)
      .reduce((total, wish) => total + wish.amount, 0n);
    if (sum !== wanted)
      breaches.push(`payment ${paymentId} gave ${sum} back, its merchant wanted ${wanted}`);
  }
  for (const { payment, amount: wanted } of wishes)
    if (!truth.refunds.has(payment.paymentId))
      breaches.push(`the refund of ${wanted} of payment ${payment.paymentId} was not made`);
  return { breaches, made: count, refunded };
}
