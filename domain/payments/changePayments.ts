import type { Context } from '../../platform/context.ts';
import type { UnitOfWork } from '../../platform/unitOfWork.ts';
import { AppError } from '../../shared/errors.ts';
import { findChainConfig } from '../chain/service.ts';
import { promiseWork } from '../outbox/service.ts';
import { recordEvents, type NewStoreEvent } from '../events/recordEvents.ts';
import { EVENT_TYPE_OF_TRANSITION } from './decide.ts';
import { PAYMENT_ERRORS } from './errors.ts';
import { toEventData, type RelayFailure } from './eventData.ts';
import type { Payment } from './model.ts';
import { expiriesToPromise } from './promiseExpiries.ts';
import { updatePayments } from './store.ts';
import { nextPaymentStatus, type PaymentTransitionEvent } from './transitions.ts';
import { confirmationsAt } from '../chain/decide.ts';

/**
 * One payment's change: transitions in order (none: only facts change), and the facts that come
 * with them.
 */
export interface PaymentChange {
  /** As locked in this unit of work. */
  readonly payment: Payment;
  readonly transitions: readonly PaymentTransitionEvent[];
  readonly facts?: Partial<
    Pick<Payment, 'payer' | 'relayAttemptId' | 'txHash' | 'position' | 'late' | 'completedAt'>
  >;
  /** The chain's head, for the number of confirmations that the events tell. */
  readonly head?: bigint;
  readonly error?: RelayFailure;
}

/**
 * Applies changes to locked payments: status, version, one event for each transition, and the
 * expiry job of those that wait for their customer again and expire soon. All in the caller's
 * transaction.
 * @throws AppError stateConflict when a transition is not in the table
 */
export async function changePayments(
  ctx: Context,
  unit: UnitOfWork,
  changes: readonly PaymentChange[],
): Promise<Payment[]> {
  const now = ctx.clock.now();
  const changed: Payment[] = [];
  const events: NewStoreEvent[] = [];
  for (const change of changes) {
    let payment: Payment = { ...change.payment, ...change.facts, updatedAt: now };
    for (const transition of change.transitions) {
      const status = nextPaymentStatus(payment.status, transition);
      if (status === undefined) {
        throw new AppError(PAYMENT_ERRORS.stateConflict, {
          detail: `A payment that is ${payment.status} does not allow this.`,
          internal: { transition },
        });
      }
      payment = { ...payment, status, version: payment.version + 1 };
      events.push({
        storeId: payment.storeId,
        type: EVENT_TYPE_OF_TRANSITION[transition],
        subject: { type: 'payment', id: payment.id },
        version: payment.version,
        data: toEventData(
          payment,
          describeConfirmations(ctx, payment, change.head),
          change.error ?? null,
        ),
      });
    }
    unit.changed('payment', payment.id);
    changed.push(payment);
  }
  await updatePayments(unit.trx, changed);
  if (events.length > 0) await recordEvents(ctx, unit, events);
  await promiseWork(
    ctx,
    unit,
    expiriesToPromise(
      ctx,
      changed.filter(
        (payment, index) =>
          payment.status === 'pending' && changes[index]?.payment.status !== 'pending',
      ),
    ),
  );
  return changed;
}

function describeConfirmations(ctx: Context, payment: Payment, head: bigint | undefined) {
  return {
    confirmations:
      payment.position === null || head === undefined
        ? 0
        : confirmationsAt(head, payment.position.blockNumber),
    requiredConfirmations: requiredConfirmationsOf(ctx, payment),
  };
}

/**
 * As stores are told: null where not a number of blocks counts but the chain's own word. A payment
 * may name a chain that has since been taken out of the configuration; it needed at least one then.
 */
export function requiredConfirmationsOf(
  ctx: Context,
  payment: Pick<Payment, 'chainId'>,
): number | null {
  const required = findChainConfig(ctx, payment.chainId)?.confirmations ?? 1;
  return required === 'finalized' ? null : required;
}
