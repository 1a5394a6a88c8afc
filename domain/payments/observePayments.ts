import type { Context } from '../../platform/context.ts';
import type { UnitOfWork } from '../../platform/unitOfWork.ts';
import type { Bytes32 } from '../../shared/hex.ts';
import { changePayments, type PaymentChange } from './changePayments.ts';
import { decideAfterRemoval, isSamePosition, matchesTerms } from './decide.ts';
import type { Payment } from './model.ts';
import { listStandings, lockPayments, type PaymentStanding } from './store.ts';
import type { PaymentTransitionEvent } from './transitions.ts';
import type { PaymentProcessedLog } from '../chain/contractModel.ts';

/**
 * What the chain shows of some payments, as of a head: where their events stand. It completes none,
 * however deep its event is: that takes another look at the event's block (completeFinal.ts). Logs
 * of payments that are not ours are passed over.
 * @returns ids of those that it had not shown before
 */
export async function observePayments(
  ctx: Context,
  unit: UnitOfWork,
  logs: readonly PaymentProcessedLog[],
  head: bigint,
): Promise<Bytes32[]> {
  if (logs.length === 0) return [];
  const logOf = new Map<Bytes32, PaymentProcessedLog>();
  for (const log of logs) logOf.set(log.paymentId, log);
  // Most logs are read again and again for a while and change nothing: those payments are not
  // locked.
  const seen = await listStandings(unit.trx, [...logOf.keys()]);
  const news = seen.filter((payment) => isNews(payment, logOf.get(payment.id)));
  const payments = await lockPayments(
    unit.trx,
    news.map(({ id }) => id),
  );
  const changes = payments.flatMap((payment) => {
    const log = logOf.get(payment.id);
    const change = log && decideObservation(ctx, payment, log, head);
    return change ? [change] : [];
  });
  await changePayments(ctx, unit, changes);
  return changes
    .filter(({ payment }) => payment.position === null)
    .map(({ payment }) => payment.id);
}

function isOnChain(status: Payment['status']): boolean {
  return status === 'processing' || status === 'completed';
}

function isNews(
  { status, blockHash, logIndex }: PaymentStanding,
  log: PaymentProcessedLog | undefined,
): boolean {
  return (
    log !== undefined &&
    (!isOnChain(status) || blockHash !== log.blockHash || logIndex !== log.logIndex)
  );
}

function decideObservation(
  ctx: Context,
  payment: Payment,
  log: PaymentProcessedLog,
  head: bigint,
): PaymentChange | undefined {
  if (!matchesTerms(payment, log)) {
    ctx.log.error(
      { paymentId: payment.id, txHash: log.txHash },
      'an event of the gateway does not match the terms that its id commits to',
    );
    return undefined;
  }
  const transitions: PaymentTransitionEvent[] = isOnChain(payment.status) ? [] : ['eventSeen'];
  if (transitions.length === 0 && isSamePosition(payment, log)) return undefined;
  const position = {
    txHash: log.txHash,
    blockNumber: log.blockNumber,
    blockHash: log.blockHash,
    logIndex: log.logIndex,
  };
  const late =
    payment.late ||
    payment.status === 'expired' ||
    payment.status === 'failed' ||
    payment.status === 'cancelled';
  return {
    payment,
    transitions,
    facts: { position, txHash: log.txHash, payer: log.payer, late },
    head,
  };
}

/**
 * A reorganisation took the events of these payments away.
 * @param gone each with the block in which its event was seen: one that was seen elsewhere
 *   meanwhile stays
 * @param settledTime see findSettledTime
 * @returns how many were withdrawn
 */
export async function withdrawPayments(
  ctx: Context,
  unit: UnitOfWork,
  gone: ReadonlyMap<Bytes32, Bytes32>,
  settledTime: Date | undefined,
): Promise<number> {
  const payments = await lockPayments(unit.trx, [...gone.keys()]);
  const times = { now: ctx.clock.now(), settled: settledTime };
  const changes = payments
    .filter(({ id, position }) => position !== null && position.blockHash === gone.get(id))
    .map((payment): PaymentChange => {
      if (payment.status === 'completed') {
        ctx.log.error(
          { paymentId: payment.id, chainId: payment.chainId },
          'a reorganisation deeper than the confirmations took a completed payment away',
        );
      }
      const transition = decideAfterRemoval(payment, times);
      const inFlight = transition === 'eventRemovedInFlight';
      return {
        payment,
        transitions: [transition],
        facts: {
          position: null,
          completedAt: null,
          late: false,
          ...(inFlight ? {} : { txHash: null, payer: null, relayAttemptId: null }),
        },
      };
    });
  return (await changePayments(ctx, unit, changes)).length;
}
