import type { WorkResult } from '../domain/outbox/model.ts';
import type { OutboxQueue } from '../domain/outbox/model.ts';
import type { OutboxGate, OutboxGates } from '../domain/outbox/service.ts';
import { confirmTransaction } from '../domain/relay/confirmTransaction.ts';
import { sendAttempt } from '../domain/relay/sendAttempt.ts';
import { SEND_GATE } from '../domain/relay/sendGate.ts';
import { expirePayment } from '../domain/scan/expirePayment.ts';
import { DELIVERY_GATE } from '../domain/webhooks/deliveryGate.ts';
import { attemptDelivery } from '../domain/webhooks/attemptDelivery.ts';
import type { Config } from '../platform/config.ts';
import type { Context } from '../platform/context.ts';
import { asBytes32 } from '../shared/hex.ts';

/** How the jobs of a queue are worked on. */
export interface QueueRules {
  /** Jobs at once in one workers process. */
  readonly concurrency: (config: Config) => number;
  /**
   * Decides what is put on the queue; absent: whatever is due. What is to be done later passes it
   * again.
   */
  readonly gate?: OutboxGate;
  readonly work: (ctx: Context, subjectId: string) => Promise<WorkResult>;
}

/**
 * The queues that the outbox fills. Every job carries the same payload (see JobPayload), and every
 * one may be delivered twice: the work locks its row and compares its state before it acts.
 */
export const OUTBOX_QUEUE_RULES: Readonly<Record<OutboxQueue, QueueRules>> = {
  // At most ten sends at a time; how many transactions a relayer has in flight and takes a minute
  // is counted in the database.
  relay: { concurrency: () => 10, gate: SEND_GATE, work: sendAttempt },
  confirm: { concurrency: () => 10, work: confirmTransaction },
  // What these ask of a chain at once is one question.
  expire: {
    concurrency: () => 20,
    work: (ctx, subjectId) => expirePayment(ctx, asBytes32(subjectId)),
  },
  // Mostly waiting for other people's servers: as many as there are places, see
  // domain/webhooks/places.ts.
  webhook: {
    concurrency: ({ webhooks }) => webhooks.places,
    gate: DELIVERY_GATE,
    work: attemptDelivery,
  },
};

export const OUTBOX_GATES: OutboxGates = Object.fromEntries(
  Object.entries(OUTBOX_QUEUE_RULES).flatMap(([queue, { gate }]) =>
    gate === undefined ? [] : [[queue, gate]],
  ),
);
