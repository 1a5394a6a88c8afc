import type { OutboxQueue, WorkResult } from '../domain/outbox/model.ts';
import type { OutboxGate, OutboxGates } from '../domain/outbox/service.ts';
import { confirmTransaction } from '../domain/relay/confirmTransaction.ts';
import { sendAttempt } from '../domain/relay/sendAttempt.ts';
import { SEND_GATE } from '../domain/relay/sendGate.ts';
import { expirePayment } from '../domain/scan/expirePayment.ts';
import { attemptDelivery } from '../domain/webhooks/attemptDelivery.ts';
import { DELIVERY_GATE } from '../domain/webhooks/deliveryGate.ts';
import type { Config } from '../platform/config.ts';
import type { Context } from '../platform/context.ts';
import type { ScheduledQueue } from '../platform/queues.ts';
import type { UnlessBusy } from '../shared/createUnlessBusy.ts';
import { asBytes32 } from '../shared/hex.ts';
import { MAINTENANCE_TASKS } from './maintenance.ts';
import { runChainScan, SCAN_PARTS } from './runChainScan.ts';
import { countMaintenanceParts, runMaintenance } from './runMaintenance.ts';

/**
 * A queue that the outbox fills. Every job carries the same payload (see JobPayload), and every one
 * may be delivered twice: the work locks its row and compares its state before it acts.
 */
export interface OutboxQueueRules {
  readonly source: 'outbox';
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
 * A queue whose jobs come from schedules, each tried once: the next one comes in any case.
 *
 * BullMQ makes the next job of a schedule when the present one begins, however long that takes. So
 * what is under way is not begun again (`unlessBusy`), and there is a place for everything that may
 * be under way: what does not come back has its own place, in each process, and no other.
 */
export interface ScheduledQueueRules {
  readonly source: 'schedule';
  /** Jobs at once in one workers process. */
  readonly concurrency: (config: Config) => number;
  readonly schedules: (config: Config) => readonly Schedule[];
  readonly work: (ctx: Context, job: ScheduledJob, unlessBusy: UnlessBusy) => Promise<void>;
}

export interface ScheduledJob {
  readonly name: string;
  readonly data: unknown;
}

export interface Schedule extends ScheduledJob {
  /** Unique in its queue. */
  readonly id: string;
  readonly everyMs: number;
  readonly data: object;
}

/**
 * Every queue there is: where its jobs come from, how many are worked on at once, and what that
 * work is. Bull Board, the metrics and the producers know their names (platform/queues.ts).
 */
export const QUEUES: Readonly<
  Record<OutboxQueue, OutboxQueueRules> & Record<ScheduledQueue, ScheduledQueueRules>
> = {
  // At most ten sends at a time; how many transactions a relayer has in flight and takes a minute
  // is counted in the database.
  relay: { source: 'outbox', concurrency: () => 10, gate: SEND_GATE, work: sendAttempt },
  confirm: { source: 'outbox', concurrency: () => 10, work: confirmTransaction },
  // What these ask of a chain at once is one question.
  expire: {
    source: 'outbox',
    concurrency: () => 20,
    work: (ctx, subjectId) => expirePayment(ctx, asBytes32(subjectId)),
  },
  // Mostly waiting for other people's servers: as many as there are places, see
  // domain/webhooks/places.ts.
  webhook: {
    source: 'outbox',
    concurrency: ({ webhooks }) => webhooks.places,
    gate: DELIVERY_GATE,
    work: attemptDelivery,
  },
  'chain-scan': {
    source: 'schedule',
    concurrency: ({ chains }) => 1 + SCAN_PARTS * chains.length,
    schedules: ({ chains }) =>
      chains.map(({ chainId, blockTimeMs }) => ({
        id: `chain-${chainId}`,
        // Twice a block, so that a direct payment is found well within two.
        everyMs: Math.min(5_000, Math.max(200, Math.floor(blockTimeMs / 2))),
        name: 'scan',
        data: { chainId },
      })),
    work: (ctx, { data }, unlessBusy) => runChainScan(ctx, chainIdOf(data), unlessBusy),
  },
  maintenance: {
    source: 'schedule',
    concurrency: (config) => 1 + countMaintenanceParts(config),
    schedules: () =>
      Object.entries(MAINTENANCE_TASKS).map(([task, { everyMs }]) => ({
        id: task,
        everyMs,
        name: task,
        data: {},
      })),
    work: (ctx, { name }, unlessBusy) => runMaintenance(ctx, name, unlessBusy),
  },
};

export const OUTBOX_GATES: OutboxGates = Object.fromEntries(
  Object.entries(QUEUES).flatMap(([queue, rules]) =>
    rules.source === 'outbox' && rules.gate !== undefined ? [[queue, rules.gate]] : [],
  ),
);

function chainIdOf(data: unknown): number {
  const { chainId } = data as { readonly chainId?: unknown };
  if (typeof chainId !== 'number') throw new Error('a chain-scan job names no chain');
  return chainId;
}
