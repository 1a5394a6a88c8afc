import { selectRows } from '../../../platform/db.ts';
import type { Harness } from '../../support/harness.ts';
import type { Truth } from './readTruth.ts';

interface Completion {
  readonly payment_id: string;
  /** Empty: of the payment itself. */
  readonly refund_id: string;
  /** Of the refund, whose parts have each their own. */
  readonly nonce: string | null;
  /** JSON, as text or parsed. */
  readonly data: string | object;
}

/** What the stores were told: each completion names the block in which the chain has it. */
export async function judgeCompletions({ ctx }: Harness, truth: Truth): Promise<string[]> {
  const told = await selectRows<Completion>(
    ctx.db,
    `SELECT COALESCE(e.parent_id, e.subject_id) AS payment_id, IF(e.subject_type = 'refund', e.subject_id, '') AS refund_id, r.nonce, e.data
     FROM events e LEFT JOIN refunds r ON r.id = e.subject_id
     WHERE e.type IN ('payment.completed', 'refund.completed')`,
    [],
  );
  return told.flatMap((completion) => judgeCompletion(completion, truth));
}

export function judgeCompletion(
  { payment_id, refund_id, nonce, data }: Completion,
  truth: Truth,
): string[] {
  const { chain } = (typeof data === 'string' ? JSON.parse(data) : data) as {
    chain: { blockHash: string } | null;
  };
  const places =
    refund_id === ''
      ? truth.transfers.get(payment_id)
      : truth.refunds
          .get(payment_id)
          ?.filter((refund) => nonce !== null && refund.nonce === BigInt(nonce));
  const isTrue = places?.some(({ blockHash }) => blockHash === chain?.blockHash) ?? false;
  const what =
    refund_id === '' ? `payment ${payment_id}` : `refund ${refund_id} of payment ${payment_id}`;
  return isTrue
    ? []
    : [
        `the completion of ${what} was told of block ${String(chain?.blockHash)}, which does not hold it`,
      ];
}
