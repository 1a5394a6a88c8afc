import type { Context } from './context.ts';
import { inTransaction, type Transaction } from './db.ts';
import type { Change } from './signals.ts';
import { inStoreTurn } from './storeTurns.ts';

/** One database transaction and the hints to give once it has committed. */
export interface UnitOfWork {
  readonly trx: Transaction;
  /**
   * Tell those who read it, after the commit and before anybody is told of the change.
   * @param topic what they listen to, e.g. `payment`
   */
  changed(topic: string, id: string): void;
  /** Wake the outbox publisher, after the commit. */
  outboxFilled(): void;
}

/**
 * Something of the caller's that must commit or fail together with a change; it runs last, with the
 * change's result.
 */
export type AlsoInTransaction<T> = (trx: Transaction, result: T) => Promise<void>;

export interface UnitOfWorkOptions {
  /**
   * The transaction takes its turn among those of this store (see inStoreTurn). The hints are given
   * after the turn: while Redis is away they take seconds, and nobody else need wait for that.
   */
  readonly turnOf?: string;
}

/**
 * Runs `work` in one transaction (see inTransaction: it may run again), then gives its hints. Once
 * it is over no process answers with what was before.
 * @throws what `work` throws; with `turnOf` also AppError `COMMON_ERRORS.busy`
 */
export async function inUnitOfWork<T>(
  ctx: Pick<Context, 'db' | 'signals'>,
  work: (unit: UnitOfWork) => Promise<T>,
  { turnOf }: UnitOfWorkOptions = {},
): Promise<T> {
  /** By topic and id. */
  const changed = new Map<string, Change>();
  let filled = false;
  const transaction = () =>
    inTransaction(ctx.db, (trx) => {
      changed.clear();
      filled = false;
      return work({
        trx,
        changed: (topic, id) => void changed.set(`${topic} ${id}`, { topic, id }),
        outboxFilled: () => {
          filled = true;
        },
      });
    });
  let result: T;
  try {
    result = await (turnOf === undefined
      ? transaction()
      : inStoreTurn(ctx.db, turnOf, transaction));
  } catch (error) {
    // It may have committed all the same, when only the answer to the commit was lost.
    if (changed.size > 0) await ctx.signals.changed(changed.values());
    throw error;
  }
  // The work may begin meanwhile.
  if (filled) ctx.signals.outboxFilled();
  if (changed.size > 0) await ctx.signals.changed(changed.values());
  return result;
}
