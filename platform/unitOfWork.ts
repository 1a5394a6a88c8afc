import type { Bytes32 } from '../shared/hex.ts';
import type { Context } from './context.ts';
import { inTransaction, type Transaction } from './db.ts';

/** One database transaction and the hints to give once it has committed. */
export interface UnitOfWork {
  readonly trx: Transaction;
  /** Tell readers, after the commit and before anybody is told of the change. */
  paymentChanged(paymentId: Bytes32): void;
  /** Wake the outbox publisher, after the commit. */
  outboxFilled(): void;
}

/** Something of the caller's that must commit or fail together with a change; it runs last, with the change's result. */
export type AlsoInTransaction<T> = (trx: Transaction, result: T) => Promise<void>;

/**
 * Runs `work` in one transaction (see inTransaction: it may run again), then gives its hints. Once it is over no process
 * answers with what was before.
 */
export async function inUnitOfWork<T>(ctx: Pick<Context, 'db' | 'signals'>, work: (unit: UnitOfWork) => Promise<T>): Promise<T> {
  const changed = new Set<Bytes32>();
  let filled = false;
  let result: T;
  try {
    result = await inTransaction(ctx.db, (trx) => {
      changed.clear();
      filled = false;
      return work({
        trx,
        paymentChanged: (paymentId) => void changed.add(paymentId),
        outboxFilled: () => {
          filled = true;
        },
      });
    });
  } catch (error) {
    // It may have committed all the same, when only the answer to the commit was lost.
    if (changed.size > 0) await ctx.signals.paymentsChanged(changed);
    throw error;
  }
  // The work may begin meanwhile.
  if (filled) ctx.signals.outboxFilled();
  if (changed.size > 0) await ctx.signals.paymentsChanged(changed);
  return result;
}
