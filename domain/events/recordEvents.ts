import type { Context } from '../../platform/context.ts';
import type { Database, Transaction } from '../../platform/db.ts';
import type { UnitOfWork } from '../../platform/unitOfWork.ts';
import type { EventSubject, EventType, StoreEvent } from './model.ts';
import type { TellListeners } from './ports.ts';
import { insertEvents } from './rows/eventStore.ts';

export interface NewStoreEvent {
  readonly storeId: string;
  readonly type: EventType;
  readonly subject: EventSubject;
  /** What the subject belongs to; absent: nothing. */
  readonly parent?: EventSubject;
  /** The subject's after the change. */
  readonly version: number;
  /** As openapi.yaml has it under `webhooks`; no bigints, no dates, nothing undefined. */
  readonly data: Readonly<Record<string, unknown>>;
  /** The request or job that caused it, when that is not the context's own. */
  readonly requestId?: string | null;
}

/** What tells those who listen: one for each sink. */
export type Listeners = readonly TellListeners[];

/**
 * Those who listen to these stores, for `recordEvents`: begun before the transaction it is one
 * round trip less while that is open. Who begins to listen meanwhile may hear of the events or not.
 */
export function findListeners(ctx: Context, storeIds: ReadonlySet<string>): Promise<Listeners> {
  const listeners = askSinks(ctx, ctx.db, storeIds);
  // Its failure is told to whoever waits for it, which may be nobody when the transaction fails
  // before.
  listeners.catch(() => undefined);
  return listeners;
}

function askSinks(
  ctx: Context,
  db: Database | Transaction,
  storeIds: ReadonlySet<string>,
): Promise<Listeners> {
  return Promise.all(ctx.eventSinks.map((sink) => sink.findListeners(ctx, db, [...storeIds])));
}

/**
 * Records events in the transaction of the changes that they tell of, and what the sinks make of
 * them, such as a delivery for each endpoint that wants one: all of it commits or none. The number
 * of statements does not depend on the number of events.
 * @param listeners of all the stores concerned, when they were looked up before; else they are now
 * @throws a duplicate-key error when a version has an event already: the change was made twice
 */
export async function recordEvents(
  ctx: Context,
  unit: UnitOfWork,
  newEvents: readonly NewStoreEvent[],
  listeners?: Promise<Listeners>,
): Promise<void> {
  if (newEvents.length === 0) return;
  const now = ctx.clock.now();
  const events = newEvents.map((event): StoreEvent => ({
    requestId: ctx.requestId,
    parent: null,
    ...event,
    id: ctx.newId('evt'),
    createdAt: now,
  }));
  const tellings = await (listeners ??
    askSinks(ctx, unit.trx, new Set(events.map((event) => event.storeId))));
  await insertEvents(unit.trx, events);
  for (const tell of tellings) await tell(ctx, unit, events);
}
