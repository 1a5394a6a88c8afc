import type { Context } from '../../platform/context.ts';
import { createGroupCommit, ItemsFailed } from '../../platform/groupCommit.ts';
import { isDatabaseAway } from '../../platform/isDatabaseAway.ts';
import type { Transaction } from '../../platform/db.ts';
import { inUnitOfWork, type AlsoInTransaction } from '../../platform/unitOfWork.ts';
import { promiseWork } from '../outbox/service.ts';
import { findListeners, recordEvents } from '../events/recordEvents.ts';
import { toEventData } from './eventData.ts';
import type { Payment } from './model.ts';
import { expiriesToPromise } from './promiseExpiries.ts';
import { insertPayments } from './store.ts';

interface NewPayment {
  /** Of the request: its id goes into the events and jobs. */
  readonly ctx: Context;
  readonly payment: Payment;
  readonly requiredConfirmations: number | null;
  readonly also: AlsoInTransaction<Payment> | undefined;
}

/** So that some gather and others are formatted while one group commits. */
const LANES = 3;
const MIN_PAYMENTS_BESIDE = 8;
/** Keeps a transaction, and with it the wait of those in it, short. */
const MAX_PAYMENTS = 32;

const savers = new WeakMap<Context['db'], (payment: NewPayment) => Promise<void>>();

/**
 * Saves a payment with its event and what the caller adds, all or nothing; together with others
 * that arrive at the same time.
 * @throws AppError `COMMON_ERRORS.busy` when too many wait already
 */
export function saveNewPayment(input: NewPayment): Promise<void> {
  const { db } = input.ctx;
  let save = savers.get(db);
  if (save === undefined) {
    save = createGroupCommit(saveTogether, {
      ownerOf: ({ payment }) => payment.storeId,
      lanes: LANES,
      maxItems: MAX_PAYMENTS,
      minItemsBeside: MIN_PAYMENTS_BESIDE,
      maxWaiting: input.ctx.config.maxWaitingPayments,
    });
    savers.set(db, save);
  }
  return save(input);
}

async function saveTogether(items: readonly NewPayment[]): Promise<void> {
  const [first] = items;
  if (first === undefined) return;
  const listeners = findListeners(first.ctx, new Set(items.map(({ payment }) => payment.storeId)));
  await inUnitOfWork(first.ctx, async (unit) => {
    await insertPayments(
      unit.trx,
      items.map(({ payment }) => payment),
    );
    await recordEvents(
      first.ctx,
      unit,
      items.map(({ ctx, payment, requiredConfirmations }) => ({
        storeId: payment.storeId,
        type: 'payment.created' as const,
        subject: { type: 'payment' as const, id: payment.id },
        version: payment.version,
        requestId: ctx.requestId,
        data: toEventData(payment, { confirmations: 0, requiredConfirmations }, null),
      })),
      listeners,
    );
    await promiseWork(
      first.ctx,
      unit,
      items.flatMap(({ ctx, payment }) =>
        expiriesToPromise(ctx, [payment]).map((work) => ({ ...work, requestId: ctx.requestId })),
      ),
    );
    await addWhatBelongsTo(unit.trx, items);
  });
}

/**
 * What the callers add. None is under way any more when one has failed: the transaction is about to
 * be rolled back.
 * @throws ItemsFailed naming those that failed; what the database says when it is about none of
 *   them
 */
async function addWhatBelongsTo(trx: Transaction, items: readonly NewPayment[]): Promise<void> {
  const failures = new Map<NewPayment, unknown>();
  const outcomes = await Promise.allSettled(
    items.map(async ({ also, payment }) => also?.(trx, payment)),
  );
  for (const [index, item] of items.entries()) {
    const outcome = outcomes[index];
    if (outcome?.status !== 'rejected') continue;
    if (isDatabaseAway(outcome.reason)) throw outcome.reason;
    failures.set(item, outcome.reason);
  }
  if (failures.size > 0) throw new ItemsFailed(failures);
}
