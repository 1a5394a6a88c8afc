import type { Context } from '../../platform/context.ts';
import type { UnitOfWork } from '../../platform/unitOfWork.ts';
import type { Bytes32 } from '../../shared/hex.ts';
import { changePayments, requiredConfirmationsOf, type PaymentChange } from './changePayments.ts';
import { decideAfterRemoval, isFinal, isSamePosition, matchesTerms } from './decide.ts';
import type { Payment, PaymentProcessedLog } from './model.ts';
import { listPaymentsById, lockPayments } from './store.ts';
import type { PaymentTransitionEvent } from './transitions.ts';

/** What the chain shows of some payments, as of a head. Logs of payments that are not ours are passed over. */
export async function observePayments(ctx: Context, unit: UnitOfWork, logs: readonly PaymentProcessedLog[], head: bigint): Promise<void> {
  const logOf = new Map<Bytes32, PaymentProcessedLog>();
  for (const log of logs) logOf.set(log.paymentId, log);
  const decide = (payment: Payment): PaymentChange[] => {
    const log = logOf.get(payment.id);
    const change = log && decideObservation(ctx, payment, log, head);
    return change ? [change] : [];
  };
  // Most logs are read again and again for a while and change nothing: those payments are not locked.
  const seen = await listPaymentsById(unit.trx, [...logOf.keys()]);
  const news = seen.filter((payment) => decide(payment).length > 0);
  const payments = await lockPayments(
    unit.trx,
    news.map(({ id }) => id),
  );
  await changePayments(ctx, unit, payments.flatMap(decide));
}

function decideObservation(ctx: Context, payment: Payment, log: PaymentProcessedLog, head: bigint): PaymentChange | undefined {
  if (!matchesTerms(payment, log)) {
    ctx.log.error({ paymentId: payment.id, txHash: log.txHash }, 'an event of the gateway does not match the terms that its id commits to');
    return undefined;
  }
  const position = { txHash: log.txHash, blockNumber: log.blockNumber, blockHash: log.blockHash, logIndex: log.logIndex };
  const transitions: PaymentTransitionEvent[] = [];
  if (payment.status !== 'processing' && payment.status !== 'completed') transitions.push('eventSeen');
  // What waits for the chain's own word is completed by the scanner, which asks for it.
  const isDeepEnough = isFinal(position, { head, finalized: undefined }, requiredConfirmationsOf(ctx, payment) ?? 'finalized');
  if (isDeepEnough && payment.status !== 'completed') transitions.push('eventFinal');
  if (transitions.length === 0 && isSamePosition(payment, log)) return undefined;

  const late = payment.late || payment.status === 'expired' || payment.status === 'failed' || payment.status === 'cancelled';
  const completion = transitions.includes('eventFinal') ? { completedAt: ctx.clock.now(), relayAttemptId: null } : {};
  return { payment, transitions, facts: { position, txHash: log.txHash, payer: log.payer, late, ...completion }, head };
}

/** A reorganisation took the events of these payments away. */
export async function withdrawPayments(ctx: Context, unit: UnitOfWork, paymentIds: readonly Bytes32[]): Promise<void> {
  const payments = await lockPayments(unit.trx, paymentIds);
  const now = ctx.clock.now();
  const changes = payments
    .filter((payment) => payment.position !== null)
    .map((payment): PaymentChange => {
      if (payment.status === 'completed') {
        ctx.log.error(
          { paymentId: payment.id, chainId: payment.chainId },
          'a reorganisation deeper than the confirmations took a completed payment away',
        );
      }
      const transition = decideAfterRemoval(payment, now);
      const inFlight = transition === 'eventRemovedInFlight';
      return {
        payment,
        transitions: [transition],
        facts: { position: null, completedAt: null, late: false, ...(inFlight ? {} : { txHash: null, payer: null, relayAttemptId: null }) },
      };
    });
  await changePayments(ctx, unit, changes);
}
