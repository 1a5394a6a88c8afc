import type { Context } from '../../platform/context.ts';
import type { Database, Transaction } from '../../platform/db.ts';
import type { UnitOfWork } from '../../platform/unitOfWork.ts';
import type { StoreEvent } from './model.ts';

/** Who is told of events. `domain/modules.ts` lists all that there are. */
export interface EventSink {
  /**
   * Finds out who listens to these stores. It is asked before the transaction where that is
   * possible, so it locks nothing.
   * @returns what tells them
   */
  findListeners(
    ctx: Context,
    db: Database | Transaction,
    storeIds: readonly string[],
  ): Promise<TellListeners>;
}

/**
 * Writes down, in the transaction that recorded these events, what is to be done about them. The
 * number of its statements does not depend on the number of events.
 */
export type TellListeners = (
  ctx: Context,
  unit: UnitOfWork,
  events: readonly StoreEvent[],
) => Promise<void>;
